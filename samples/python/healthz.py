def sample(http):
    # region
    answer = http.get("/healthz")

    print(answer.json()["status"])
    # endregion
