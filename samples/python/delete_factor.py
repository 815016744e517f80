def sample(workos, factor_id):
    # region
    workos.mfa.delete_factor(factor_id)
    # endregion
