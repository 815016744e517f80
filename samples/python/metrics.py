def sample(http, metrics_token):
    # region
    answer = http.get("/metrics", headers={"Authorization": f"Bearer {metrics_token}"})
    answer.raise_for_status()

    print(answer.text.splitlines()[0])
    # endregion
