"""Check of the clock: with a clock that is seconds off, a server rejects valid codes."""

import asyncio
import urllib.error
import urllib.request
from email.utils import parsedate_to_datetime
from typing import Final

from authfactor.doctor.finding import DoctorFinding, ok, problem, warning
from authfactor.models import Clock
from authfactor.settings import Settings
from authfactor.store import Store

_ADVICE: Final = "Set the clock and keep it synchronized with NTP. Run: timedatectl set-ntp true"
_TIMEOUT_SECONDS: Final = 5
_WARNING_MS: Final = 2_000
_PROBLEM_MS: Final = 15_000
_OLDEST_MS: Final = 1_735_689_600_000
"""2025-01-01, before the first release of this program."""


def judge(name: str, ours: int, theirs: int, *, grain: int = 0) -> DoctorFinding:
    """Compare our clock with another one, both in milliseconds since the epoch.

    `grain` is the unit to which the other clock is rounded down, in milliseconds.
    """
    offset = ours - theirs
    offset = 0 if 0 <= offset <= grain else offset - (grain if offset > 0 else 0)
    direction = "ahead of" if offset > 0 else "behind"
    text = f"this machine's clock is {abs(offset) / 1000:.1f} s {direction} {name}"
    if abs(offset) >= _PROBLEM_MS:
        return problem("clock", text, _ADVICE)
    if abs(offset) >= _WARNING_MS:
        return warning("clock", text, _ADVICE)
    return ok("clock", f"this machine's clock and {name} agree")


async def against_server(url: str, clock: Clock) -> list[DoctorFinding]:
    """Compare with the `Date` of an HTTP response, in whole seconds (RFC 9110 section 6.6.1)."""
    try:
        text = await asyncio.to_thread(_date_of, url)
        theirs = int(parsedate_to_datetime(text).timestamp() * 1000)
    except (OSError, ValueError) as error:
        return [warning("clock", f"cannot get the time from {url}: {error}", "Check --url and the server.")]
    return [judge(url, clock(), theirs, grain=1000)]


def _date_of(url: str) -> str:
    if not url.startswith(("http://", "https://")):
        raise ValueError("not an http or https URL")
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_SECONDS) as response:  # noqa: S310 - checked above
            return str(response.headers.get("Date", ""))
    except urllib.error.HTTPError as error:
        return str(error.headers.get("Date", ""))


async def against_database(settings: Settings, store: Store, clock: Clock) -> list[DoctorFinding]:
    """Compare with PostgreSQL's clock and with the newest row, which must not be in the future."""
    now = clock()
    findings = []
    if now < _OLDEST_MS:
        findings.append(problem("clock", "this machine's clock is years behind", _ADVICE))
    if settings.sqlite_path is None:
        theirs = await store.read(lambda tx: tx.diagnostics.database_clock())
        findings.append(judge("the database", now, theirs))
    environments = await store.read(lambda tx: tx.environments.all())
    newest = [
        await store.read(lambda tx, number=each.number: tx.diagnostics.newest(number))  # type: ignore[misc]  # bound now
        for each in environments
    ]
    ahead = max(newest, default=0) - now
    if ahead >= _WARNING_MS:
        text = f"the newest row is {ahead / 1000:.1f} s in the future: the clock was ahead, or was set back"
        findings.append(warning("clock", text, _ADVICE))
    return findings or [ok("clock", "no row in the database is in the future")]
