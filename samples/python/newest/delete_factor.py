def sample(workos, factor_id):
    # region
    workos.multi_factor_auth.delete_factor(factor_id)
    # endregion
