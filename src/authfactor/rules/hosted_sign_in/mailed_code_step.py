"""A mailed code instead of the password, and the code that verifies the email after it.

What `send` does is the same for known and unknown emails as far as its answer tells: strangers learn nothing
about who has an account.
"""

import contextlib

from authfactor import errors
from authfactor.models import Clock, Environment, UserRecord
from authfactor.models.hosted_sign_in import AuthenticationProof
from authfactor.models.mailed import MailedCode
from authfactor.rules.authentication.applied_policy import allows, options_of
from authfactor.rules.authentication.session_state import BY_MAGIC_CODE, MAGIC_CODE
from authfactor.rules.authentication.step_up import password_mark
from authfactor.rules.email_flows.email_verifications import PURPOSE as VERIFICATION
from authfactor.rules.email_flows.email_verifications import EmailVerifications
from authfactor.rules.email_flows.magic_auth import PURPOSE as MAGIC
from authfactor.rules.email_flows.magic_auth import MagicCodes
from authfactor.rules.email_flows.magic_sign_in import MagicSignIn
from authfactor.rules.email_flows.mailed_codes import MailedCodes
from authfactor.rules.email_flows.sign_in_refusals import sign_in_refusal
from authfactor.rules.hosted_sign_in.flow_progress import (
    FlowAdvance,
    FlowProgress,
    FlowVisit,
    page_of,
    require_proof,
    require_user,
)
from authfactor.rules.hosted_sign_in.flow_refusals import FlowIncomplete
from authfactor.rules.hosted_sign_in.page_throttling import charge_mail
from authfactor.rules.hosted_sign_in.sign_in_flows import OpenFlow
from authfactor.rules.unit import InstallationScope, Scope, installation_unit
from authfactor.store import Store


class MailedCodeStep:
    """Proves that a user reads their mail."""

    def __init__(
        self,
        clock: Clock,
        progress: FlowProgress,
        codes: MailedCodes,
        magic_auth: MagicCodes,
        magic_sign_in: MagicSignIn,
        verifications: EmailVerifications,
    ) -> None:
        """Keep the collaborators."""
        self._clock = clock
        self._progress = progress
        self._codes = codes
        self._magic_auth = magic_auth
        self._magic_sign_in = magic_sign_in
        self._verifications = verifications

    async def send(self, store: Store, visit: FlowVisit, email: str) -> OpenFlow:
        """Mail a code to the user who has this email or may sign up with it, and keep the email.

        Raises what loading the flow raises, `TooManyRequests`, and `FlowIncomplete` where none is mailed.
        """
        opened = await store.write(self._begin(visit, email.strip()))
        invitation = opened.invitation_token
        with contextlib.suppress(errors.InvalidRequest, errors.OAuthRefused, errors.SendLimitReached):
            create = self._magic_auth.create(opened.environment, email)
            try:
                await store.write(create)
            except errors.OAuthRefused:
                if invitation is None:
                    raise
                # Sign-up is closed, but an invitation opens it.
                await store.write(self._magic_auth.create(opened.environment, email, invitation))
        return opened

    @installation_unit
    async def _begin(self, scope: InstallationScope, visit: FlowVisit, email: str) -> OpenFlow:
        opened, inside = await self._progress.open(scope, visit)
        if not mails_codes(opened.environment):
            raise FlowIncomplete
        await charge_mail(inside, visit.ip_address)
        await self._progress.flows.set_email(inside, opened.flow, email)
        return opened

    @installation_unit
    async def check(self, scope: InstallationScope, visit: FlowVisit, code: str) -> FlowAdvance:
        """Use the code that was mailed to the flow's email.

        Raises `SignInRefused`, after the commit of what was counted, and `FlowIncomplete`.
        """
        opened = await self._progress.load(scope, visit)
        inside, email = scope.within(opened.environment), opened.flow.email
        if not mails_codes(opened.environment) or not email:
            raise FlowIncomplete
        found = await scope.tx.users.by_email(inside.number, email)
        request = visit.attempt(email=email, code=code)
        user = await self._magic_sign_in.redeem(inside, None if found is None else found.id, request)
        await self._progress.discard_enrollment(inside, opened)
        mark = password_mark(user.password_hash)
        proof = AuthenticationProof(user.id, mark, MAGIC_CODE, BY_MAGIC_CODE, scope.now)
        return await self._progress.after(inside, opened, user, proof)

    @installation_unit
    async def view_verification(self, scope: InstallationScope, visit: FlowVisit) -> OpenFlow:
        """Return what the page shows. Raises `FlowIncomplete` if the flow is at another step."""
        opened, inside = await self._progress.open(scope, visit)
        await self._unverified(inside, opened)
        return opened

    @installation_unit
    async def resend(self, scope: InstallationScope, visit: FlowVisit) -> FlowAdvance:
        """Mail another code to the user. Raises `FlowIncomplete` and `SendLimitReached`."""
        opened, inside = await self._progress.open(scope, visit)
        await self._verifications.mail_once_more(inside, await self._unverified(inside, opened))
        return FlowAdvance(opened, "verify")

    @installation_unit
    async def verify(self, scope: InstallationScope, visit: FlowVisit, code: str) -> FlowAdvance:
        """Verify the user's email with the code that was mailed, and go on.

        Raises `FlowIncomplete`, and `SignInRefused` after the commit of what was counted.
        """
        opened, inside = await self._progress.open(scope, visit)
        user, request = await self._unverified(inside, opened), visit.attempt(opened.user, code=code)
        found = await self._codes.redeem(inside, user, VERIFICATION, code)
        if not isinstance(found, MailedCode):
            refusal = sign_in_refusal(found)
            await self._verifications.emit_failed(inside, user, found, refusal, request)
            raise refusal.after_commit()
        verified = await self._verifications.complete(inside, user, request)
        return await self._progress.after(inside, opened, verified, require_proof(opened))

    async def _unverified(self, scope: Scope, opened: OpenFlow) -> UserRecord:
        if page_of(await self._progress.flows.next_step(scope, opened)) != "verify":
            raise FlowIncomplete
        return require_user(opened)


def mails_codes(environment: Environment) -> bool:
    """Return whether codes by mail replace passwords on the pages."""
    mail = options_of(environment.options).mail
    return mail is not None and MAGIC not in mail.off and allows(environment, "magic_auth")
