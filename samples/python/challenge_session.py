def sample(http, session_id):
    # region
    answer = http.post(f"/authfactor/sessions/{session_id}/challenges", json={"allow_recovery": False})
    answer.raise_for_status()

    print(answer.json()["id"])
    # endregion
