"""Operators of an installation, as the rules see them: set up, signed in, refused."""

from dataclasses import dataclass

import pytest

from authfactor import errors
from authfactor.models import Enrollment, Operator, OperatorContext
from authfactor.otp import totp
from authfactor.rules.audit.audit_log import Origin
from authfactor.rules.console.operator_sign_in import SignInForm, StartedSession
from tests.support.installation import Installation

EMAIL = "kim@example.org"
PASSWORD = "seven green bottles"


@dataclass(frozen=True)
class OperatorAccount:
    """An operator who has been set up, and their enrolled factor."""

    operator: Operator
    enrolled: Enrollment


async def begin_set_up(
    installation: Installation, token: str, email: str = EMAIL, password: str = PASSWORD
) -> Enrollment:
    return await installation.af.run(
        await installation.af.operator_set_up.prepare_set_up(installation.af.store, token, email, password)
    )


async def set_up(installation: Installation, token: str, email: str = EMAIL) -> OperatorAccount:
    enrolled = await begin_set_up(installation, token, email)
    operator, outcome = await installation.af.run(
        installation.af.operator_set_up.finish_set_up(token, installation.code(enrolled))
    )
    assert outcome.valid
    installation.clock.advance(totp.PERIOD_SECONDS)
    return OperatorAccount(operator, enrolled)


async def first_token(installation: Installation) -> str:
    token = await installation.af.run(installation.af.operators.first_link())
    assert token is not None
    return token


async def sign_in(
    installation: Installation,
    account: OperatorAccount,
    *,
    password: str = PASSWORD,
    code: str | None = None,
    email: str = "",
    old: str = "",
    device: str = "",
    address: str | None = None,
) -> StartedSession:
    attempt = SignInForm(
        email=email or account.operator.email,
        password=password,
        code=installation.code(account.enrolled) if code is None else code,
        old_token=old or None,
        device=device or None,
        origin=Origin(None, address),
    )
    return await installation.af.run(
        await installation.af.operator_sign_in.prepare_sign_in(installation.af.store, attempt)
    )


async def start_session(
    installation: Installation, account: OperatorAccount, old: str = ""
) -> StartedSession:
    result = await sign_in(installation, account, old=old)
    installation.clock.advance(totp.PERIOD_SECONDS)
    return result


async def assert_refused(
    installation: Installation, account: OperatorAccount, why: str = "invalid_credentials", **attempt: str
) -> None:
    with pytest.raises(errors.SignInRefused) as refusal:
        await sign_in(installation, account, **attempt)
    assert refusal.value.code == why


async def context_of(
    installation: Installation, token: str, *, active: bool = True
) -> OperatorContext | None:
    return await installation.af.operator_sign_in.context_of(installation.af.store, token, active=active)


async def add_operator(
    installation: Installation, email: str = "lee@example.org", role: str = "owner"
) -> OperatorAccount:
    _, token = await installation.af.run(installation.af.operators.invite(email, role))  # type: ignore[arg-type]  # a role's name
    return await set_up(installation, token)
