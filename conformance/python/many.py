# ruff: noqa: T201 - programs report by printing
"""Sign in many users through the newest workos, several at a time: `python many.py EMAIL...`.

Prints `signed in EMAIL` for each, or `not signed in EMAIL: why`.
"""

import sys
from concurrent.futures import ThreadPoolExecutor

import steps
import workos
from steps import refused, same
from workos._errors import MfaChallengeError
from workos.user_management import PasswordPlaintext

AT_ONCE = 6


def sign_in(client: workos.WorkOSClient, email: str) -> None:
    users, mfa = client.user_management, client.multi_factor_auth
    user = users.create_user(email=email, password=PasswordPlaintext(steps.PASSWORD))
    made = mfa.create_user_auth_factor(user.id, type="totp")
    secret = made.authentication_factor.totp.secret
    verified = mfa.verify_challenge(made.authentication_challenge.id, code=steps.code(secret))
    same("valid", verified.valid, True)
    with refused(MfaChallengeError) as caught:
        users.authenticate_with_password(email=email, password=steps.PASSWORD)
    challenge = mfa.challenge_factor(made.authentication_factor.id)
    signed_in = users.authenticate_with_totp(
        # The code of now is spent; the next is good already.
        code=steps.code_at(secret, steps.now() + 1),
        authentication_challenge_id=challenge.id,
        pending_authentication_token=caught.error.response_json["pending_authentication_token"],
    )
    same("user", signed_in.user.id, user.id)


def main(emails: list[str]) -> int:
    client = workos.WorkOSClient(api_key=steps.API_KEY, client_id=steps.CLIENT_ID, base_url=steps.BASE_URL)

    def told(email: str) -> str:
        try:
            sign_in(client, email)
        except Exception as error:  # noqa: BLE001 - whatever is raised kept this user out
            return f"not signed in {email}: {type(error).__name__}: {error}"
        return f"signed in {email}"

    with ThreadPoolExecutor(AT_ONCE) as threads:
        print(*threads.map(told, emails), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
