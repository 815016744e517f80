def sample(http, session_id, password):
    # region
    body = {"password": password, "ip_address": "203.0.113.7"}
    answer = http.post(f"/authfactor/sessions/{session_id}/reauthenticate", json=body)
    answer.raise_for_status()

    print(answer.json()["auth_time"])
    # endregion
