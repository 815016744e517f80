def sample(http, link_id):
    # region
    answer = http.get(f"/authfactor/challenge_links/{link_id}")
    answer.raise_for_status()

    print(answer.json()["status"])
    # endregion
