def sample(http, user_id, return_to):
    # region
    answer = http.post(
        "/authfactor/challenge_links",
        json={"user_id": user_id, "return_to": return_to, "state": "visit-7"},
    )
    answer.raise_for_status()

    print("send the browser to", answer.json()["url"])
    # endregion
