def sample(http, session_id):
    # region
    required = {"acr": "urn:authfactor:acr:2", "max_age": 300}
    answer = http.post(f"/authfactor/sessions/{session_id}/check", json=required)
    answer.raise_for_status()

    print(answer.json()["satisfied"], answer.json().get("www_authenticate"))
    # endregion
