def sample(http, user_id):
    # region
    answer = http.get(f"/authfactor/users/{user_id}/recovery_codes")
    answer.raise_for_status()

    print(answer.json()["remaining"], "recovery codes left")
    # endregion
