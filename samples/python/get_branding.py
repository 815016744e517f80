def sample(http):
    # region
    answer = http.get("/authfactor/branding")
    answer.raise_for_status()

    print(answer.json()["name"])
    # endregion
