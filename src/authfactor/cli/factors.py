"""`authfactor factors`: enroll, list, name, challenge, verify, resync and delete factors."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click
from msgspec import UNSET

from authfactor.cli import context
from authfactor.models import (
    ChallengeRecord,
    Enrollment,
    Environment,
    FactorDetails,
    FactorRecord,
    PageQuery,
    RecordPage,
    Verification,
)
from authfactor.wire import responses, timestamps, user_factors
from authfactor.wire.clock_resync import ResyncFactor
from authfactor.wire.requests import EnrollUserFactor, RenameFactor

if TYPE_CHECKING:
    from authfactor.core import Authfactor
    from authfactor.models.passkeys import PasskeyRecord


@click.group("factors", no_args_is_help=True)
def factors() -> None:
    """Enroll, list, name, challenge, verify, resync and delete factors."""


@factors.command("enroll")
@click.argument("user_id")
@click.option("--issuer", help="Name of your application. Default: the team name.")
@click.option("--account", help="Name of the account. Default: the user's email.")
@click.option(
    "--secret",
    help="Base32 secret to import; - reads it from standard input, so that process lists do not show it."
    " Default: a new random one.",
)
@click.pass_context
def enroll(
    ctx: click.Context, user_id: str, issuer: str | None, account: str | None, secret: str | None
) -> None:
    """Enroll a user in a factor, show its QR code and create the first challenge.

    Example: authfactor factors enroll user_01… --issuer Acme

    To import a secret: authfactor factors enroll user_01… --secret - < secret.txt
    """
    options = context.global_options(ctx)
    given = None if secret is None else context.secret_argument(secret)
    request = EnrollUserFactor("totp", totp_issuer=issuer, totp_user=account, totp_secret=given)

    async def work(af: Authfactor, environment: Environment) -> Enrollment:
        unit = af.factors.enroll(environment, user_id, request)
        return await context.run_audited(af, environment, unit, "factor.enroll", lambda it: it.factor.id)

    made = context.run(options, work)

    def print_text() -> None:
        from authfactor.otp import qr

        print(qr.terminal(qr.encode(made.uri), color=sys.stdout.isatty()))
        groups = " ".join(made.secret[at : at + 4] for at in range(0, len(made.secret), 4))
        challenge_id = made.challenge.id if made.challenge else "-"
        context.print_pairs(
            [("factor", made.factor.id), ("challenge", challenge_id), ("secret", groups), ("uri", made.uri)]
        )
        print(f"\nScan the QR code, then run: authfactor factors verify {challenge_id} CODE")

    context.print_result(options, responses.enrolled(made), print_text)


@factors.command("list")
@click.argument("user_id")
@click.option("--limit", type=click.IntRange(min=1, max=100), default=10, show_default=True)
@click.pass_context
def list_factors(ctx: click.Context, user_id: str, limit: int) -> None:
    """List a user's factors of the types that the environment lists: TOTP unless others were added.

    Example: authfactor factors list user_01…
    """
    options = context.global_options(ctx)

    async def work(af: Authfactor, environment: Environment) -> RecordPage[FactorRecord]:
        return await af.read(af.factors.page(environment, user_id, PageQuery(limit=limit)))

    page = context.run(options, work)
    rows = [[item.id, item.issuer, item.account, _state(item), _last_used(item)] for item in page.items]
    columns = ["id", "issuer", "account", "state", "last code"]
    context.print_result(
        options, responses.factors(page), lambda: context.print_table(columns, rows, "No factors.")
    )


@factors.command("passkeys")
@click.argument("user_id")
@click.pass_context
def list_passkeys(ctx: click.Context, user_id: str) -> None:
    """List a user's passkeys; rename and delete them as any factor.

    A suspect passkey may have been copied, and is refused. The model is all zeros where the authenticator
    does not tell it.

    Example: authfactor factors passkeys user_01…
    """
    options = context.global_options(ctx)

    async def work(
        af: Authfactor, environment: Environment
    ) -> tuple[list[FactorDetails], list[PasskeyRecord]]:
        found = await af.read(af.factors.of_user(environment, user_id))
        return found, await af.read(af.passkeys.of_user(environment, user_id))

    found, passkeys = context.run(options, work)
    by_id = {each.factor_id: each for each in passkeys}
    shape = user_factors.user_factors([each for each in found if each.id in by_id], by_id)
    columns = ["id", "name", "model", "backed up", "state", "last used"]
    rows = [_passkey_row(each) for each in shape.data]
    context.print_result(options, shape, lambda: context.print_table(columns, rows, "No passkeys."))


@factors.command("get")
@click.argument("factor_id")
@click.pass_context
def get(ctx: click.Context, factor_id: str) -> None:
    """Show a factor, without its secret. Example: authfactor factors get auth_factor_01…"""
    options = context.global_options(ctx)

    async def work(af: Authfactor, environment: Environment) -> FactorRecord:
        return await af.read(af.factors.get(environment, factor_id))

    found = context.run(options, work)
    lines: list[tuple[str, object]] = [
        ("id", found.id),
        ("user", found.user_id),
        ("type", found.type),
        ("state", _state(found)),
        ("created", timestamps.format_ms(found.created_at)),
    ]
    if found.is_totp:
        lines[3:3] = [("issuer", found.issuer), ("account", found.account)]
        lines[-1:-1] = [("last code", _last_used(found))]
    context.print_result(options, responses.factor(found), lambda: context.print_pairs(lines))


@factors.command("challenge")
@click.argument("factor_id")
@click.pass_context
def challenge(ctx: click.Context, factor_id: str) -> None:
    """Create a challenge for a factor. Example: authfactor factors challenge auth_factor_01…"""
    options = context.global_options(ctx)

    async def work(af: Authfactor, environment: Environment) -> ChallengeRecord:
        return await af.run(af.challenges.create(environment, factor_id))

    made = context.run(options, work)
    lines: list[tuple[str, object]] = [
        ("challenge", made.id),
        ("expires", timestamps.format_ms(made.expires_at)),
    ]
    context.print_result(options, responses.challenge(made), lambda: context.print_pairs(lines))


@factors.command("verify")
@click.argument("challenge_id")
@click.argument("code")
@click.pass_context
def verify(ctx: click.Context, challenge_id: str, code: str) -> None:
    """Verify a code, or with - the one on standard input. Exits with code 5 if it is not valid.

    Example: authfactor factors verify auth_challenge_01… 123456
    """
    options = context.global_options(ctx)
    code = context.secret_argument(code)

    async def work(af: Authfactor, environment: Environment) -> Verification:
        return await af.run(af.challenges.verify(environment, challenge_id, code))

    outcome = context.run(options, work)

    def print_text() -> None:
        if outcome.valid:
            left = outcome.recovery_codes_remaining
            print("Valid." + ("" if left is None else f" Recovery codes left: {left}."))
        else:
            reason = REASONS[outcome.reason or "code_mismatch"]
            left = outcome.attempts_remaining
            behind = f" It is {-outcome.offset_seconds} s behind." if outcome.offset_seconds else ""
            print(f"Not valid: {reason}{behind}" + ("" if left is None else f" Attempts left: {left}."))

    context.print_result(options, responses.verification(outcome), print_text)
    from authfactor.cli import exit_codes

    raise SystemExit(0 if outcome.valid else exit_codes.REFUSED)


@factors.command("rename")
@click.argument("factor_id")
@click.argument("name")
@click.pass_context
def rename(ctx: click.Context, factor_id: str, name: str) -> None:
    """Name a factor; an empty name removes it.

    Example: authfactor factors rename auth_factor_01… "Blue phone"
    """
    options = context.global_options(ctx)

    async def work(af: Authfactor, environment: Environment) -> tuple[FactorDetails, PasskeyRecord | None]:
        unit = af.factors.rename(environment, factor_id, RenameFactor(name or None))
        renamed = await context.run_audited(af, environment, unit, "factor.rename", factor_id)
        return renamed, await af.read(af.passkeys.of_factor(environment, factor_id))

    found, passkey = context.run(options, work)
    context.print_result(
        options,
        user_factors.user_factor(found, passkey),
        lambda: print(f"{factor_id} is now {found.name or 'without a name'}."),
    )


@factors.command("resync")
@click.argument("factor_id")
@click.argument("codes", nargs=2, metavar="CODE CODE")
@click.pass_context
def resync(ctx: click.Context, factor_id: str, codes: tuple[str, str]) -> None:
    """Accept the codes of a phone whose clock is up to ten minutes off.

    The two codes are those that the phone shows one after the other; - reads one from standard input. Both
    are used up. A wrong pair counts as one wrong code.

    Example: authfactor factors resync auth_factor_01… 123456 234567
    """
    options = context.global_options(ctx)
    request = ResyncFactor([context.secret_argument(code) for code in codes])

    async def work(af: Authfactor, environment: Environment) -> FactorDetails:
        unit = af.clock_resync.resync(environment, factor_id, request)
        return await context.run_audited(af, environment, unit, "factor.resync", factor_id)

    found = context.run(options, work)
    context.print_result(
        options,
        user_factors.user_factor(found),
        lambda: print(f"Resynced: this phone's clock is {_off(found)}. Its next codes are accepted."),
    )


@factors.command("delete")
@click.argument("factor_id")
@context.yes_option
@context.reason_option
@click.pass_context
def delete(ctx: click.Context, factor_id: str, yes: bool, reason: str | None) -> None:
    """Delete a factor. Example: authfactor factors delete auth_factor_01… --yes"""
    options = context.global_options(ctx)
    context.confirm(f"Delete {factor_id}? Its app's codes, or its passkey, will stop working.", yes=yes)

    async def work(af: Authfactor, environment: Environment) -> None:
        unit = af.factors.delete(environment, factor_id)
        await context.run_audited(af, environment, unit, "factor.delete", factor_id, reason)

    context.run(options, work)
    context.print_result(options, {"id": factor_id, "deleted": True}, lambda: print(f"Deleted {factor_id}."))


REASONS = {
    "code_mismatch": "the code does not match.",
    "code_already_used": "the code was already used; wait for the next one.",
    "clock_drift": "the code is too old; check the phone's clock.",
    "method_not_allowed": "the policy does not accept this kind of code; it was neither counted nor used up.",
    "code_malformed": "this is neither six digits nor a recovery code, and was not counted.",
}


def _passkey_row(found: user_factors.UserFactorObject) -> list[str]:
    passkey = found.webauthn
    model, backed_up = ("", False) if passkey is UNSET else (passkey.aaguid, passkey.backed_up)
    last_used = found.last_used_at or "never"
    return [found.id, found.name or "", model, "yes" if backed_up else "no", found.state, last_used]


def _off(factor: FactorRecord) -> str:
    if factor.drift == 0:
        return "right"
    seconds = abs(factor.drift) * factor.period
    return f"about {seconds} s {'ahead' if factor.drift > 0 else 'behind'}"


def _state(factor: FactorRecord) -> str:
    return "pending" if factor.activated_at is None else "active"


def _last_used(factor: FactorRecord) -> str:
    if factor.activated_at is None or not factor.is_totp:
        return "never" if factor.is_totp else "-"
    # After a restore, `last_step` is the restore's time step, for which there was no code.
    return timestamps.format_ms(min(factor.last_step * factor.period * 1000, factor.updated_at))
