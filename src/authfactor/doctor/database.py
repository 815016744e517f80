"""Checks of the stored data: undecryptable or weak secrets, pending deliveries, unsealed events."""

from typing import Final, NamedTuple

from authfactor.crypto import vault as vaults
from authfactor.crypto.vault import Vault
from authfactor.doctor.finding import DoctorFinding, ok, problem, warning
from authfactor.models import Clock
from authfactor.otp import totp
from authfactor.rules.audit.event_digests import SEALED, time_of
from authfactor.rules.factors.factor_secrets import secret_row
from authfactor.settings import Settings
from authfactor.store import Store, Tx, email_keys
from authfactor.store.queries.email_keys import StoredEmail

_PAGE: Final = 500
_HOUR_MS: Final = 3600 * 1000
_SHORT_BYTES: Final = 16
_SHOWN: Final = 3
_WELL_KNOWN: Final = frozenset({b"12345678901234567890", b"Hello!\xde\xad\xbe\xef"})
"""The secret of RFC 6238 appendix B, and the example of many authenticator apps."""


class FactorSecret(NamedTuple):
    """A decrypted secret of a factor; `owner` is its environment and user, None for a stand-alone factor."""

    factor_id: str
    value: bytes
    owner: tuple[int, str] | None

    def __repr__(self) -> str:
        """Omit the secret, for logs and tracebacks."""
        return f"FactorSecret({self.factor_id}, ***)"


async def open_secrets(store: Store, vault: Vault, findings: list[DoctorFinding]) -> list[FactorSecret]:
    """Decrypt and return every factor's secret; append findings about those that cannot be decrypted."""
    opened: list[FactorSecret] = []
    missing: dict[str, int] = {}
    broken: list[str] = []
    cursor = (0, "")
    while page := await store.read(lambda tx, at=cursor: tx.diagnostics.secrets(*at, _PAGE)):  # type: ignore[misc]  # bound now
        for row in page:
            try:
                value = vault.unseal(row.sealed, secret_row(row.environment, row.id))
                owner = None if row.user_id is None else (row.environment, row.user_id)
                opened.append(FactorSecret(row.id, value, owner))
            except vaults.UnknownKey as error:
                missing[error.key_id] = missing.get(error.key_id, 0) + 1
            except vaults.UnsealError:
                broken.append(row.id)
        cursor = (page[-1].environment, page[-1].id)
    findings += [
        problem(
            "secrets",
            f"{count} secrets are encrypted with the key '{key_id}', which is not on the key ring",
            "Restore the key ring from its backup.",
        )
        for key_id, count in missing.items()
    ]
    if broken:
        text = f"{len(broken)} secrets cannot be decrypted: they were damaged or moved ({_first_few(broken)})"
        findings.append(
            problem(
                "secrets",
                text,
                "Restore these rows from a backup, or delete these factors and enroll their users again.",
            )
        )
    if not missing and not broken:
        findings.append(ok("secrets", f"all {len(opened)} can be decrypted"))
    return opened


def weak(secrets: list[FactorSecret]) -> list[DoctorFinding]:
    """Find secrets that can be guessed: short (RFC 4226 section 4, R6), repetitive, or well known."""
    guessable = [
        secret.factor_id
        for secret in secrets
        if secret.value in _WELL_KNOWN or len(set(secret.value)) <= len(secret.value) // 4
    ]
    short = [secret.factor_id for secret in secrets if len(secret.value) < _SHORT_BYTES]
    findings = []
    if guessable:
        text = f"{len(guessable)} factors have a secret that can be guessed ({_first_few(guessable)})"
        findings.append(
            problem(
                "strength",
                text,
                "Delete these factors (authfactor factors delete) and enroll their users again.",
            )
        )
    if short:
        text = f"{len(short)} factors have a secret of less than 128 bits ({_first_few(short)})"
        findings.append(
            warning("strength", text, "They were imported. Enroll their users again at the next opportunity.")
        )
    return findings or [ok("strength", "no factor has a short or well-known secret")]


def duplicates(secrets: list[FactorSecret]) -> list[DoctorFinding]:
    """Find users who have one secret in several factors, as older releases allowed."""
    first: dict[tuple[tuple[int, str], bytes], str] = {}
    again: list[str] = []
    for secret in secrets:
        if secret.owner is None:
            continue
        key = secret.owner, totp.hmac_key(secret.value)
        if first.setdefault(key, secret.factor_id) != secret.factor_id:
            again.append(secret.factor_id)
    if not again:
        return [ok("duplicates", "no user has the same secret twice")]
    text = f"{len(again)} factors have the secret of an older factor of their user ({_first_few(again)})"
    advice = "Delete them (authfactor factors delete); the user's app works with the older factor."
    return [warning("duplicates", text, advice)]


async def recovery_codes(store: Store, vault: Vault) -> list[DoctorFinding]:
    """Count the recovery codes that need an older key, or a key that is not on the ring."""
    counts = await store.read(lambda tx: tx.diagnostics.recovery_codes_by_key())
    lost = {key_id: count for key_id, count in counts.items() if key_id not in vault.key_ids}
    if lost:
        text = f"{sum(lost.values())} codes need keys that are not on the ring ({', '.join(sorted(lost))})"
        return [problem("recovery codes", text, "Restore the key ring from its backup.")]
    older = sum(count for key_id, count in counts.items() if key_id != vault.newest)
    text = f"{sum(counts.values())} unused, {older} of them need an older key"
    return [ok("recovery codes", text)]


async def webhooks(store: Store, clock: Clock) -> list[DoctorFinding]:
    """Find endpoints with deliveries that have been pending for an hour."""
    before = clock() - _HOUR_MS
    findings = []
    for environment in await store.read(lambda tx: tx.environments.all()):
        number = environment.number
        for backlog in await store.read(lambda tx, n=number: tx.diagnostics.backlogs(n, before)):  # type: ignore[misc]  # bound now
            hours = (clock() - backlog.since) / _HOUR_MS
            text = f"{backlog.waiting} deliveries to {backlog.endpoint_id} pending, oldest for {hours:.0f} h"
            advice = f"Run: authfactor --environment '{environment.name}' webhooks deliveries"
            findings.append(warning("webhooks", text, advice))
    return findings or [ok("webhooks", "no delivery has been pending for an hour")]


async def emails(store: Store) -> list[DoctorFinding]:
    """Find users and operators that emails do not find: their key is taken, or not recomputed."""
    names = {each.number: each.name for each in await store.read(lambda tx: tx.environments.all())}
    found = []
    waiting = 0
    for row in await email_keys.outdated(store):
        other = await store.read(lambda tx, row=row: _other_with_email(tx, row))  # type: ignore[misc]  # bound now
        if other is None:
            waiting += 1
            continue
        text = f"{row.id} has the same email as {other}, spelled differently; the email finds {other} only"
        if row.environment is None:
            advice = f"Disable the one that is not needed: authfactor operators disable {row.id}"
        else:
            command = f"authfactor --environment '{names.get(row.environment)}' users"
            advice = f"Run: {command} update {row.id} --email OTHER. Or: {command} delete {row.id}"
        found.append(warning("emails", text, advice))
    if waiting:
        text = f"{waiting} emails were stored by a server of an earlier release, and are not found"
        found.append(warning("emails", text, "Stop such servers, then run: authfactor migrate"))
    return found or [ok("emails", "each user and operator is found by email")]


async def _other_with_email(tx: Tx, row: StoredEmail) -> str | None:
    """Return the id of the user or operator that is stored under the key of another one's email."""
    if row.environment is None:
        operator = await tx.operators.by_email(row.email)
        return None if operator is None else operator.id
    user = await tx.users.by_email(row.environment, row.email)
    return None if user is None else user.id


async def operators(settings: Settings, store: Store) -> list[DoctorFinding]:
    """Check that the console, if enabled, has an operator."""
    known = await store.read(lambda tx: tx.diagnostics.operators())
    if known or not settings.console:
        return []
    text = "the console is enabled, but has no operator"
    return [
        warning(
            "console",
            text,
            "Run: authfactor operators invite EMAIL. Or set AUTHFACTOR_CONSOLE=false",
        )
    ]


async def seals(store: Store) -> list[DoctorFinding]:
    """Check that servers seal events: compare the oldest unsealed event with the newest event."""
    sealed = await store.read(lambda tx: tx.audit.newest_of(SEALED))
    oldest = await store.read(lambda tx: tx.event_ranges.first(sealed.target if sealed else ""))
    newest = await store.read(lambda tx: tx.event_ranges.newest())
    if oldest is None or newest is None:
        return [ok("events", "all events are sealed")]
    lag = time_of(newest) - time_of(oldest)
    if lag < _HOUR_MS:
        return [ok("events", "all but the most recent events are sealed")]
    text = f"the oldest unsealed event is {lag / _HOUR_MS:.0f} h older than the newest event"
    advice = "A running server seals events. If one is running, look in its log for the reason."
    return [warning("events", text, advice)]


def _first_few(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
