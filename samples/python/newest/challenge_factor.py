def sample(workos, factor_id):
    # region
    challenge = workos.multi_factor_auth.challenge_factor(factor_id)

    print(challenge.id, challenge.expires_at)
    # endregion
