def sample(http):
    # region
    admins = {"match": {"metadata": {"role": "admin"}}, "policy": "required", "grace_days": 14}
    policy = {"policy": "if_enrolled", "rules": [admins]}
    answer = http.post("/authfactor/mfa_policy/preview", json=policy)
    answer.raise_for_status()

    print(answer.json()["outcomes"]["must_enroll"], "users must enroll")
    # endregion
