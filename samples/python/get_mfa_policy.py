def sample(http):
    # region
    answer = http.get("/authfactor/mfa_policy")
    answer.raise_for_status()

    print(answer.json()["policy"])
    # endregion
