"""The pages behind mailed links: a new password, an invitation. Opening a link changes nothing.

A link names no environment: its token does.
"""

import contextlib
from typing import NamedTuple

from authfactor import errors
from authfactor.email_errors import ResetTokenUnknown, SignInMethodOff
from authfactor.models import BrandingRecord, Clock, Environment, UserRecord
from authfactor.rules.authentication.applied_policy import allows, options_of
from authfactor.rules.email_flows import invitation_use
from authfactor.rules.email_flows.link_tokens import token_hash
from authfactor.rules.email_flows.password_resets import PasswordResets
from authfactor.rules.hosted_sign_in.flow_progress import FlowProgress, FlowVisit
from authfactor.rules.hosted_sign_in.flow_refusals import FlowIncomplete
from authfactor.rules.hosted_sign_in.page_throttling import charge_mail
from authfactor.rules.hosted_sign_in.sign_in_flows import OpenFlow
from authfactor.rules.unit import InstallationScope, installation_unit
from authfactor.store import Store, Unit

RESET = "password_reset"


class LinkedPage(NamedTuple):
    """A page behind a mailed link: the environment, and its branding."""

    environment: Environment
    branding: BrandingRecord | None


class MailedLinkPages:
    """Asks for resets, and finds what a link is for."""

    def __init__(self, clock: Clock, progress: FlowProgress, resets: PasswordResets) -> None:
        """Keep the collaborators."""
        self._clock = clock
        self._progress = progress
        self._resets = resets

    @installation_unit
    async def view_forgotten(self, scope: InstallationScope, visit: FlowVisit) -> OpenFlow:
        """Return what the page shows that asks for a reset. Raises `FlowIncomplete` where none is mailed."""
        opened = await self._progress.load(scope, visit)
        if not mails_resets(opened.environment):
            raise FlowIncomplete
        return opened

    async def ask(self, store: Store, visit: FlowVisit, email: str) -> OpenFlow:
        """Mail a link to the user with this email. The answer does not tell whether there is one.

        Raises what `view_forgotten` raises, and `TooManyRequests`.
        """
        opened = await store.write(self._charge(visit))
        unknown = errors.NotFound, errors.InvalidRequest, errors.SendLimitReached, SignInMethodOff
        with contextlib.suppress(*unknown):
            await store.write(self._resets.create(opened.environment, email))
        return opened

    @installation_unit
    async def _charge(self, scope: InstallationScope, visit: FlowVisit) -> OpenFlow:
        opened = await self.view_forgotten(visit)(scope.tx)
        await charge_mail(scope.within(opened.environment), visit.ip_address)
        return opened

    @installation_unit
    async def find_reset(self, scope: InstallationScope, token: str) -> LinkedPage:
        """Return the page of an open reset. Raises `ResetTokenUnknown`, which does not say why."""
        hashed = token_hash(token)
        found = await self._page(scope, await scope.tx.password_resets.environment_of(hashed))
        if found is None:
            raise ResetTokenUnknown(token)
        reset = await scope.tx.password_resets.by_hash(found.environment.number, hashed)
        if reset is None or reset.used_at is not None or reset.expires_at <= scope.now:
            raise ResetTokenUnknown(token)
        return found

    async def prepare_reset(
        self, store: Store, page: LinkedPage, token: str, password: str
    ) -> Unit[UserRecord]:
        """Prepare the new password of an open reset; raises what confirming one raises."""
        return await self._resets.prepare_confirm(store, page.environment, token, password)

    @installation_unit
    async def find_invitation(self, scope: InstallationScope, token: str) -> LinkedPage:
        """Return the page of an open invitation. Raises `OAuthRefused`, which does not say why."""
        number = await scope.tx.invitations.environment_of(token_hash(token))
        found = await self._page(scope, number)
        inside = None if found is None else scope.within(found.environment)
        if found is None or inside is None or await invitation_use.find_pending(inside, token) is None:
            raise invitation_use.invalid()
        return found

    async def _page(self, scope: InstallationScope, number: int | None) -> LinkedPage | None:
        environment = None if number is None else await scope.tx.environments.by_number(number)
        if environment is None:
            return None
        return LinkedPage(environment, await scope.tx.brandings.of(environment.number))


def mails_resets(environment: Environment) -> bool:
    """Return whether a forgotten password can be replaced by mail."""
    mail = options_of(environment.options).mail
    return mail is not None and RESET not in mail.off and allows(environment, "password")
