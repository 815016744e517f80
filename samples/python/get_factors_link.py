def sample(http, link_id):
    # region
    answer = http.get(f"/authfactor/factors_links/{link_id}")
    answer.raise_for_status()

    print(answer.json()["status"])
    # endregion
