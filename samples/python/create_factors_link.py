def sample(http, user_id, session_id, return_to):
    # region
    answer = http.post(
        "/authfactor/factors_links",
        json={"user_id": user_id, "session_id": session_id, "return_to": return_to},
    )
    answer.raise_for_status()

    print("send the browser to", answer.json()["url"])
    # endregion
