def sample(http):
    # region
    answer = http.get("/authfactor/reports/mfa_coverage")
    answer.raise_for_status()

    print(answer.json()["enrolled"])
    # endregion
