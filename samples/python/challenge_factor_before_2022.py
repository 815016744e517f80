def sample(http, factor_id):
    # region
    answer = http.post("/auth/factors/challenge", json={"authentication_factor_id": factor_id})
    answer.raise_for_status()

    print(answer.json()["id"])
    # endregion
