def sample(workos, challenge_id, code):
    # region
    answer = workos.mfa.verify_challenge(
        authentication_challenge_id=challenge_id,
        code=code,
    )

    print("welcome" if answer.valid else "try again")
    # endregion
