def sample(http, user_id):
    # region
    answer = http.get(f"/authfactor/users/{user_id}/mfa_policy")
    answer.raise_for_status()

    print(answer.json()["in_force"], answer.json()["outcome"])
    # endregion
