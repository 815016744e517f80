def sample(workos, refresh_token):
    # region
    refreshed = workos.user_management.authenticate_with_refresh_token(
        refresh_token=refresh_token,
    )

    print(refreshed.access_token, refreshed.refresh_token)
    # endregion
