def sample(http, challenge_id, code):
    # region
    answer = http.post(
        "/auth/factors/verify",
        json={"authentication_challenge_id": challenge_id, "code": code},
    )
    answer.raise_for_status()

    print(answer.json()["valid"])
    # endregion
