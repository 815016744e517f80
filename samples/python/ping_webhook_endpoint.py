def sample(http, endpoint_id):
    # region
    answer = http.post(f"/authfactor/webhook_endpoints/{endpoint_id}/ping")
    answer.raise_for_status()

    print(answer.json()["state"])
    # endregion
