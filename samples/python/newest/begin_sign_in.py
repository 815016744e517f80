def sample(workos, redirect_uri, state):
    # region
    url = workos.user_management.get_authorization_url(
        provider="authkit", redirect_uri=redirect_uri, state=state
    )

    print("send the browser to", url)
    # endregion
    return url
