def sample(http, user_id):
    # region
    answer = http.get(f"/authfactor/users/{user_id}/factors")
    answer.raise_for_status()

    for factor in answer.json()["data"]:
        print(factor["id"], factor["state"])
    # endregion
