"""The part of `client.user_management` that asks again within a session."""

from collections.abc import Sequence
from typing import Literal

from authfactor.client.operations import ApiCall, Group, decoder, drop_none, operation, path
from authfactor.client.own_types import SessionCheck
from authfactor.client.types import AuthenticationChallenge

Acr = Literal["urn:authfactor:acr:1", "urn:authfactor:acr:2", "urn:authfactor:acr:3"]


class SessionCheckMethods(Group):
    """The methods, written once for both clients. `errors` lists what every method can raise."""

    @operation
    def check_session(
        self,
        session_id: str,
        *,
        max_age: int | None = None,
        acr: Acr | None = None,
        methods: Sequence[str] | None = None,
    ) -> ApiCall[SessionCheck]:
        """Check how, and how long ago, the user of a session proved who they are.

        Args:
            session_id: The session: the claim `sid` of its access token.
            max_age: Seconds since the last proof, at most: of a second factor if `acr` or `methods` ask for
                one, else of the password. 0 is never satisfied.
            acr: The class that is needed.
            methods: Values of the claim `amr` that are needed, such as `otp`.

        Raises `NotFoundError`, `UnprocessableEntityError`.
        """
        body = drop_none(max_age=max_age, acr=acr, methods=None if methods is None else list(methods))
        return ApiCall("POST", path("/authfactor/sessions/{}/check", session_id), decoder(SessionCheck), body)

    @operation
    def challenge_session(
        self, session_id: str, *, factor_id: str | None = None, allow_recovery: bool | None = None
    ) -> ApiCall[AuthenticationChallenge]:
        """Create a challenge whose right code raises a session; verify it with `mfa.verify_challenge`.

        Args:
            session_id: The session.
            factor_id: An active factor of its user. Default: the newest.
            allow_recovery: Whether a recovery code raises the session too. Default: False.

        Raises `NotFoundError`, `UnprocessableEntityError`, and `ConflictError` if the session has ended or
        its user has no active factor.
        """
        body = drop_none(factor_id=factor_id, allow_recovery=allow_recovery)
        url_path = path("/authfactor/sessions/{}/challenges", session_id)
        return ApiCall("POST", url_path, decoder(AuthenticationChallenge), body)

    @operation
    def reauthenticate_session(
        self,
        session_id: str,
        *,
        password: str,
        ip_address: str | None = None,
        user_agent: str | None = None,
    ) -> ApiCall[SessionCheck]:
        """Check the password of a session's user again, and return what the session has now.

        Args:
            session_id: The session.
            password: Password that the user typed.
            ip_address: IP address of the user's browser.
            user_agent: User agent of the user's browser.

        Raises `NotFoundError`, `BadRequestError` (`code` is `invalid_credentials`) for a wrong password, and
        `ConflictError` if the session has ended.
        """
        body = drop_none(password=password, ip_address=ip_address, user_agent=user_agent)
        url_path = path("/authfactor/sessions/{}/reauthenticate", session_id)
        return ApiCall("POST", url_path, decoder(SessionCheck), body)
