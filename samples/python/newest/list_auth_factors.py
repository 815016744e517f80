def sample(workos, user_id):
    # region
    factors = workos.multi_factor_auth.list_user_auth_factors(user_id, limit=10)

    for factor in factors.data:
        print(factor.id, factor.type)
    # endregion
