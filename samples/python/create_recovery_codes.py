def sample(http, user_id):
    # region
    answer = http.post(f"/authfactor/users/{user_id}/recovery_codes")
    answer.raise_for_status()

    print("\n".join(answer.json()["codes"]))
    # endregion
