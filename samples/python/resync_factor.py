def sample(http, factor_id, code, next_code):
    # region
    answer = http.post(f"/authfactor/factors/{factor_id}/resync", json={"codes": [code, next_code]})
    answer.raise_for_status()

    print(answer.json()["last_used_at"])
    # endregion
