def sample(workos, session_id, return_to):
    # region
    url = workos.user_management.get_logout_url(session_id=session_id, return_to=return_to)

    print("send the browser to", url)
    # endregion
    return url
