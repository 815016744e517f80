"""Factors that tests import, and the codes that their phones show."""

from typing import TYPE_CHECKING, Any

from authfactor.factor_files.entries import FactorEntry
from authfactor.models import FactorDetails, UserRecord, Verification
from authfactor.otp import totp
from authfactor.rules.factors.imports import ImportOutcome, Owner, WantedFactor

if TYPE_CHECKING:
    from tests.support.installation import Installation

SECRET = bytes(range(20, 40))


def wanted(user: str, secret: bytes = SECRET, **fields: Any) -> WantedFactor:  # noqa: ANN401 - of an entry
    """Return an entry for the user with this email or id."""
    profile = fields.pop("profile", totp.STANDARD)
    owner = Owner("email", user) if "@" in user else Owner("id", user)
    return WantedFactor(fields.pop("owner", owner), FactorEntry("line 1", secret, profile, **fields))


async def run(installation: "Installation", *entries: WantedFactor, **options: Any) -> list[ImportOutcome]:  # noqa: ANN401 - of the import
    return await installation.af.run(
        installation.af.imports.run(installation.environment, entries, **options)
    )


class Phone:
    """An imported factor on its phone or token, whose clock may be off by some steps."""

    def __init__(
        self, installation: "Installation", factor_id: str, profile: totp.CodeProfile, secret: bytes = SECRET
    ) -> None:
        self.installation = installation
        self.factor_id = factor_id
        self.profile = profile
        self.secret = secret

    def code(self, ahead: int = 0) -> str:
        step = totp.step_at(self.installation.clock.now // 1000, self.profile.period) + ahead
        return totp.code_at(self.secret, step, self.profile)

    async def answer(self, code: str) -> Verification:
        """Verify on a new challenge."""
        installation = self.installation
        challenge = await installation.af.run(
            installation.af.challenges.create(installation.environment, self.factor_id)
        )
        return await installation.verify(challenge, code)

    async def details(self) -> FactorDetails:
        number = self.installation.environment.number
        found = await self.installation.af.read(lambda tx: tx.factors.details(number, self.factor_id))
        assert found is not None
        return found


async def phone(
    installation: "Installation",
    user: UserRecord,
    profile: totp.CodeProfile = totp.STANDARD,
    *,
    secret: bytes = SECRET,
    wait: float = 300,
    **fields: Any,  # noqa: ANN401 - of an entry
) -> Phone:
    """Import a factor of a user, and let the steps pass that the import has spent."""
    (outcome,) = await run(installation, wanted(user.email, secret, profile=profile, **fields))
    assert outcome.status == "imported"
    installation.clock.advance(wait)
    return Phone(installation, outcome.factor_id or "", profile, secret)
