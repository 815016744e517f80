"""Three days of attack by strangers: the right password and code sign in within the promised time.

The promises are those of decision 0034. Attackers use up every attempt that they are given, from their own
networks and from the victim's, just before each right sign-in.
"""

from collections.abc import Awaitable, Callable
from typing import Final

import pytest

from authfactor import errors
from authfactor.models import Enrollment, FailureRecord, SignedIn, UserRecord
from authfactor.otp import base32, totp
from authfactor.rules.audit.audit_log import Origin
from authfactor.rules.console.operator_sign_in import SignInForm, SignInPaced, StartedSession
from authfactor.rules.console.operators import CONSOLE
from authfactor.wire.requests import Authenticate
from tests.support.clock import DAY, MINUTE
from tests.support.installation import Installation
from tests.support.operators import first_token, set_up, start_session

PASSWORD: Final = "seven green bottles"
WRONG: Final = "eight green bottles"
SIGN_INS_A_DAY: Final = 48
VICTIMS_NETWORK: Final = "203.0.113.7"
ATTACKERS: Final = ("198.51.100.1", "198.51.100.2", VICTIMS_NETWORK)
SECRET: Final = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
REFUSALS: Final = (errors.SignInRefused, errors.TooManyAttempts)
# The longest wait that decision 0034 promises, in seconds.
PROMISE: Final = MINUTE

Attempt = Callable[[int], Awaitable[object]]


def days_of(installation: Installation) -> float:
    """Return how long to attack: PostgreSQL runs the same rules, more slowly."""
    return 0.25 if installation.af.settings.database_url else 3


async def waits_of(installation: Installation, attack: Attempt, attempt: Attempt) -> list[float]:
    """Attack before every try of a right sign-in; return how long each sign-in had to wait, in seconds."""
    waits = []
    for number in range(round(days_of(installation) * SIGN_INS_A_DAY)):
        installation.clock.advance(DAY / SIGN_INS_A_DAY)
        began = installation.clock.now
        while True:
            await attack(number)
            try:
                await attempt(number)
                break
            except REFUSALS:
                installation.clock.advance(totp.PERIOD_SECONDS)
                if installation.clock.now - began > 60 * PROMISE * 1000:
                    break
        waits.append((installation.clock.now - began) / 1000)
    return waits


async def set_up_operator(installation: Installation) -> tuple[str, Enrollment, StartedSession]:
    """Set up an owner; return their email, factor and first session."""
    account = await set_up(installation, await first_token(installation))
    return account.operator.email, account.enrolled, await start_session(installation, account)


@pytest.mark.parametrize("where", ["known device in an attacked network", "new device in its own network"])
async def test_operator_signs_in_at_once_however_long_strangers_guess(
    installation: Installation, where: str
) -> None:
    af = installation.af
    email, enrolled, session = await set_up_operator(installation)
    device, judged = session.device, 0

    async def attack(_: int) -> None:
        nonlocal judged
        for network in ATTACKERS:
            try:
                while True:
                    await submit(WRONG, "000000", network, None)
            except SignInPaced:
                continue

    async def submit(password: str, code: str, network: str, token: str | None) -> None:
        nonlocal device, judged
        form = SignInForm(email, password, code, device=token, origin=Origin(None, network))
        try:
            device = (await af.run(await af.operator_sign_in.prepare_sign_in(af.store, form))).device
        except errors.SignInRefused:
            judged += 1
            if password != WRONG:
                raise

    async def attempt(number: int) -> None:
        known = where.startswith("known")
        network = VICTIMS_NETWORK if known else f"192.0.2.{number % 250}"
        await submit(PASSWORD, installation.code(enrolled), network, device if known else None)

    waits = await waits_of(installation, attack, attempt)
    assert max(waits) == 0
    # The attackers were busy, and have not come near the codes.
    assert judged >= 10 * len(ATTACKERS) * len(waits)
    record = await af.read(lambda tx: tx.failures.of(CONSOLE.number, enrolled.factor.id))
    assert record == FailureRecord((), 0, None)


@pytest.mark.parametrize("where", ["network signed in from before", "new network, with the code"])
async def test_user_signs_in_within_the_promised_time_however_long_strangers_guess(
    installation: Installation, where: str
) -> None:
    user = await installation.user(password=PASSWORD)
    await installation.enroll(user, totp_secret=SECRET)
    await sign_in_with_code(installation, user, "192.0.2.1")
    elsewhere = [network for network in ATTACKERS if network != VICTIMS_NETWORK]

    async def attack(number: int) -> None:
        for network in elsewhere:
            await guess_until_refused(installation, user.email, network)
        # In the victim's own network, at accounts that no one there has.
        for made_up in range(3):
            await guess_until_refused(installation, f"{number}.{made_up}@example.org", VICTIMS_NETWORK)

    async def attempt(number: int) -> None:
        if where.startswith("new"):
            await sign_in_with_code(installation, user, f"192.0.2.{number % 250}")
        else:
            with pytest.raises(errors.StepUpRequired):
                await password_grant(installation, user.email, PASSWORD, VICTIMS_NETWORK)

    if where.startswith("network"):
        await sign_in_with_code(installation, user, VICTIMS_NETWORK, 1)
    waits = await waits_of(installation, attack, attempt)
    assert max(waits) <= PROMISE
    # Only a code distinguishes them from a stranger in a new network.
    with pytest.raises(errors.SignInRefused) as refused:
        await password_grant(installation, user.email, PASSWORD, "192.0.2.251")
    assert refused.value.code == "too_many_password_attempts"


async def password_grant(
    installation: Installation, email: str, password: str, network: str, code: str | None = None
) -> SignedIn:
    request = Authenticate(
        grant_type="password", email=email, password=password, ip_address=network, code=code
    )
    af = installation.af
    return await af.run(await af.sign_in.prepare_password(af.store, installation.environment, request))


async def sign_in_with_code(
    installation: Installation, user: UserRecord, network: str, ahead: int = 0
) -> SignedIn:
    step = totp.step_at(installation.clock.now // 1000) + ahead
    code = totp.code_at(base32.decode(SECRET, min_bytes=10), step)
    return await password_grant(installation, user.email, PASSWORD, network, code)


async def guess_until_refused(installation: Installation, email: str, network: str) -> None:
    while True:
        with pytest.raises(errors.SignInRefused) as refused:
            await password_grant(installation, email, WRONG, network)
        if refused.value.code == "too_many_password_attempts":
            return
