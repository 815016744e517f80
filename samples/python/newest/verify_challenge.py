def sample(workos, challenge_id, code):
    # region
    answer = workos.multi_factor_auth.verify_challenge(
        challenge_id,
        code=code,
    )

    print("welcome" if answer.valid else "try again")
    # endregion
