def sample(workos, factor_id):
    # region
    challenge = workos.mfa.challenge_factor(authentication_factor_id=factor_id)

    print(challenge.id, challenge.expires_at)
    # endregion
