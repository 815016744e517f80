def sample(http):
    # region
    answer = http.get("/readyz")

    print(answer.json()["status"])
    # endregion
