def sample(http, user_id):
    # region
    answer = http.delete(f"/authfactor/users/{user_id}/mfa_policy")
    answer.raise_for_status()
    # endregion
