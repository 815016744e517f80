def sample(http):
    # region
    admins = {"match": {"metadata": {"role": "admin"}}, "policy": "required", "grace_days": 14}
    policy = {"policy": "if_enrolled", "rules": [admins]}
    answer = http.put("/authfactor/mfa_policy", json=policy)
    answer.raise_for_status()

    print(answer.json()["updated_at"])
    # endregion
