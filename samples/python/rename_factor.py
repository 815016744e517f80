def sample(http, factor_id):
    # region
    answer = http.patch(f"/authfactor/factors/{factor_id}", json={"name": "Blue phone"})
    answer.raise_for_status()

    print(answer.json()["name"])
    # endregion
