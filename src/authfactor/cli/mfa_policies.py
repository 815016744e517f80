"""`authfactor policy` and `authfactor reports`: when sign-ins require a factor, and what that leads to."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from authfactor.cli import context
from authfactor.models import Environment
from authfactor.models.mfa_policies import OutcomeCounts

if TYPE_CHECKING:
    from authfactor.core import Authfactor
    from authfactor.wire.mfa_policies import MfaPolicyObject, PolicyOutcomesObject, SetMfaPolicy

_TITLES = {
    "not_asked": "never asked for a code",
    "password_only": "password only, no factor",
    "exempt": "exempt, no factor",
    "code": "asked for a code",
    "in_grace": "no factor, in grace",
    "must_enroll": "must enroll to sign in",
}


@click.group("policy", no_args_is_help=True)
def policy() -> None:
    """Show, set and preview when sign-ins require a factor."""


@click.group("reports", no_args_is_help=True)
def reports() -> None:
    """Report on the users of an environment."""


@policy.command("show")
@click.pass_context
def show(ctx: click.Context) -> None:
    """Show the policy, as JSON that `policy set` takes. Example: authfactor policy show > policy.json"""
    options = context.global_options(ctx)

    async def work(af: Authfactor, environment: Environment) -> Environment:
        return await af.read(af.mfa_policies.get(environment))

    _print(_shape(context.run(options, work)))


@policy.command("set")
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
@click.option("--yes", is_flag=True, help="Do not ask for confirmation if the policy gets weaker.")
@context.reason_option
@click.pass_context
def set_policy(ctx: click.Context, file: Path, yes: bool, reason: str | None) -> None:
    """Replace the policy as a whole by the JSON in a file (- is standard input).

    What is absent gets its default; trusted devices are then off. Try it first with `policy preview`.

    Example: authfactor policy set policy.json --reason "rollout, step 2"
    """
    options = context.global_options(ctx)
    request = _read(file)

    async def work(af: Authfactor, environment: Environment) -> Environment:
        from authfactor.rules.tenants import policy_documents
        from authfactor.rules.tenants.mfa_policies import document_of

        known = await af.read(af.mfa_policies.get(environment))
        weaker = policy_documents.check(request).is_weaker(document_of(known))
        if weaker:
            question = "This may ask some users for less than now, or trust devices for longer. Go on?"
            context.confirm(question, yes=yes)
        unit = af.mfa_policies.set(environment, request, if_updated_at=known.updated_at)
        target = environment.client_id
        return await context.run_audited(af, environment, unit, "mfa_policy.update", target, reason)

    _print(_shape(context.run(options, work)))


@policy.command("preview")
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
@click.pass_context
def preview(ctx: click.Context, file: Path) -> None:
    """Count users by what a policy in a file would lead to. Nothing is changed.

    Example: authfactor policy preview policy.json
    """
    options = context.global_options(ctx)
    request = _read(file)

    async def work(af: Authfactor, environment: Environment) -> OutcomeCounts:
        from authfactor.rules.tenants import policy_documents

        document = policy_documents.check(request)
        return await af.mfa_policies.outcomes.count(af.store, environment, document)

    from authfactor.wire import mfa_policies

    found = mfa_policies.preview(context.run(options, work))
    lines = _lines(found.users, found.outcomes, complete=found.complete)
    context.print_result(options, found, lambda: context.print_pairs(lines))


@reports.command("coverage")
@click.pass_context
def coverage(ctx: click.Context) -> None:
    """Count users by method, and by what the policy leads to. Example: authfactor reports coverage"""
    options = context.global_options(ctx)

    async def work(af: Authfactor, environment: Environment) -> OutcomeCounts:
        from authfactor.rules.tenants.mfa_policies import document_of

        known = await af.read(af.mfa_policies.get(environment))
        return await af.mfa_policies.outcomes.count(af.store, known, document_of(known))

    from authfactor.wire import mfa_policies

    found = mfa_policies.coverage(context.run(options, work))
    methods: list[tuple[str, object]] = [
        (f"with {name.replace('_', ' ')}", count) for name, count in sorted(found.enrolled.items())
    ]
    lines = [*_lines(found.users, found.outcomes, complete=found.complete), *methods]
    context.print_result(options, found, lambda: context.print_pairs(lines))


def _read(file: Path) -> SetMfaPolicy:
    """Read a policy, or exit with a line for each member that is wrong."""
    from authfactor.wire import mfa_policies

    try:
        content = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
        return mfa_policies.read(mfa_policies.SetMfaPolicy, content)
    except context.expected_errors() as error:
        context.fail(error)


def _shape(environment: Environment) -> MfaPolicyObject:
    from authfactor.rules.authentication.applied_policy import options_of
    from authfactor.wire import mfa_policies

    return mfa_policies.policy(environment, options_of(environment.options))


def _print(shape: MfaPolicyObject) -> None:
    """Print JSON with and without --json: the output is the input of `policy set`."""
    context.print_result(context.GlobalOptions(as_json=True), shape, lambda: None)


def _lines(users: int, outcomes: PolicyOutcomesObject, *, complete: bool) -> list[tuple[str, object]]:
    counted = users if complete else f"{users} (there are more: only these were counted)"
    return [("users", counted), *((title, getattr(outcomes, name)) for name, title in _TITLES.items())]
