"""What is stored: sealed secrets that open, secrets that are worth the name, deliveries that wait."""

from typing import Final, NamedTuple

from authfactor.crypto import vault as vaults
from authfactor.crypto.vault import Vault
from authfactor.doctor.finding import DoctorFinding, ok, problem, warning
from authfactor.models import Clock
from authfactor.rules.audit.event_digests import SEALED, moment_of
from authfactor.rules.factors.challenges import secret_row
from authfactor.settings import Settings
from authfactor.store import Store

_PAGE: Final = 500
_HOUR_MS: Final = 3600 * 1000
_SHORT: Final = 16
_SHOWN: Final = 3
_WELL_KNOWN: Final = frozenset({b"12345678901234567890", b"Hello!\xde\xad\xbe\xef"})
"""The secret of RFC 6238 appendix B, and the one of many authenticator apps' manuals."""


class FactorSecret(NamedTuple):
    """A factor's secret in the clear."""

    factor_id: str
    value: bytes

    def __repr__(self) -> str:
        """Show the id alone."""
        return f"Secret({self.factor_id}, ***)"


async def open_secrets(store: Store, vault: Vault, findings: list[DoctorFinding]) -> list[FactorSecret]:
    """Open every factor's secret; add a finding about those that do not open."""
    opened: list[FactorSecret] = []
    missing: dict[str, int] = {}
    broken: list[str] = []
    place = (0, "")
    while page := await store.read(lambda tx, at=place: tx.diagnostics.secrets(*at, _PAGE)):  # type: ignore[misc]  # bound now
        for row in page:
            try:
                opened.append(
                    FactorSecret(row.id, vault.unseal(row.sealed, secret_row(row.environment, row.id)))
                )
            except vaults.UnknownKey as error:
                missing[error.key_id] = missing.get(error.key_id, 0) + 1
            except vaults.UnsealError:
                broken.append(row.id)
        place = (page[-1].environment, page[-1].id)
    findings += [
        problem(
            "secrets",
            f"{count} secrets are sealed with the key '{key_id}', which is not on the ring",
            "Put the key back on the ring.",
        )
        for key_id, count in missing.items()
    ]
    if broken:
        text = f"{len(broken)} secrets do not open: they were damaged or moved ({_some(broken)})"
        findings.append(
            problem("secrets", text, "Restore these rows from a backup, or enrol these users again.")
        )
    if not missing and not broken:
        findings.append(ok("secrets", f"all {len(opened)} open"))
    return opened


def weak(secrets: list[FactorSecret]) -> list[DoctorFinding]:
    """Find secrets that can be guessed: short (RFC 4226 section 4, R6), of few bytes, or out of a book."""
    guessable = [
        secret.factor_id
        for secret in secrets
        if secret.value in _WELL_KNOWN or len(set(secret.value)) <= len(secret.value) // 4
    ]
    short = [secret.factor_id for secret in secrets if len(secret.value) < _SHORT]
    findings = []
    if guessable:
        text = f"{len(guessable)} factors have a secret that can be guessed ({_some(guessable)})"
        findings.append(problem("strength", text, "Delete these factors and enrol their users again."))
    if short:
        text = f"{len(short)} factors have a secret of less than 128 bits ({_some(short)})"
        findings.append(
            warning("strength", text, "They were imported; enrol their users again when they come by.")
        )
    return findings or [ok("strength", "no factor has a short or well-known secret")]


async def webhooks(store: Store, clock: Clock) -> list[DoctorFinding]:
    """Find endpoints that have not taken their deliveries for an hour."""
    before = clock() - _HOUR_MS
    findings = []
    for environment in await store.read(lambda tx: tx.environments.all()):
        number = environment.number
        for backlog in await store.read(lambda tx, n=number: tx.diagnostics.backlogs(n, before)):  # type: ignore[misc]  # bound now
            hours = (clock() - backlog.since) / _HOUR_MS
            text = f"{backlog.waiting} deliveries to {backlog.endpoint_id} wait, the oldest for {hours:.0f} h"
            advice = f"See: authfactor --environment '{environment.name}' webhooks deliveries"
            findings.append(warning("webhooks", text, advice))
    return findings or [ok("webhooks", "no delivery has waited for an hour")]


async def operators(settings: Settings, store: Store) -> list[DoctorFinding]:
    """See that somebody can sign in to the console that is served."""
    known = await store.read(lambda tx: tx.diagnostics.operators())
    if known or not settings.console:
        return []
    text = "the console is served and has no operator yet"
    return [warning("console", text, "Run: authfactor operators invite; or set AUTHFACTOR_CONSOLE=false.")]


async def seals(store: Store) -> list[DoctorFinding]:
    """See that events are sealed while servers run: the newest event tells until when they did."""
    sealed = await store.read(lambda tx: tx.audit.newest_of(SEALED))
    oldest = await store.read(lambda tx: tx.event_ranges.first(sealed.target if sealed else ""))
    newest = await store.read(lambda tx: tx.event_ranges.newest())
    if oldest is None or newest is None:
        return [ok("events", "all are sealed")]
    late = moment_of(newest) - moment_of(oldest)
    if late < _HOUR_MS:
        return [ok("events", "sealed but for the latest")]
    text = f"events wait to be sealed that are {late / _HOUR_MS:.0f} h older than the newest one"
    advice = "A running server seals them; if one runs, its log says why it was put off."
    return [warning("events", text, advice)]


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
