def sample(http, user_id, until):
    # region
    exemption = {"policy": "exempt", "until": until, "reason": "Phone in repair"}
    answer = http.put(f"/authfactor/users/{user_id}/mfa_policy", json=exemption)
    answer.raise_for_status()

    print(answer.json()["until"])
    # endregion
