def sample(workos, user_id):
    # region
    factors = workos.user_management.list_auth_factors(user_id=user_id, limit=10)

    for factor in factors.data:
        print(factor.id, factor.type)
    # endregion
