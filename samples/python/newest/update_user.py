def sample(workos, user_id):
    # region
    user = workos.user_management.update_user(
        user_id,
        first_name="Kim",
        metadata={"plan": "pro"},
    )

    print(user.updated_at)
    # endregion
