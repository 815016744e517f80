"""The clock: a code is good for seconds, so a server that is late refuses the right ones."""

import asyncio
import urllib.error
import urllib.request
from email.utils import parsedate_to_datetime
from typing import Final

from authfactor.doctor.finding import DoctorFinding, ok, problem, warning
from authfactor.models import Clock
from authfactor.settings import Settings
from authfactor.store import Store

_ADVICE: Final = "Set the clock, and let NTP keep it (timedatectl set-ntp true)."
_SECONDS: Final = 5
_WARNING_MS: Final = 2_000
_PROBLEM_MS: Final = 15_000
_OLDEST_MS: Final = 1_735_689_600_000
"""The beginning of 2025: no release of this program is older."""


def judge(name: str, ours: int, theirs: int, *, grain: int = 0) -> DoctorFinding:
    """Compare two clocks, in milliseconds of the epoch; `grain` is what the other one rounds down to."""
    apart = ours - theirs
    apart = 0 if 0 <= apart <= grain else apart - (grain if apart > 0 else 0)
    way = "ahead of" if apart > 0 else "behind"
    text = f"our clock is {abs(apart) / 1000:.1f} s {way} {name}"
    if abs(apart) >= _PROBLEM_MS:
        return problem("clock", text, _ADVICE)
    if abs(apart) >= _WARNING_MS:
        return warning("clock", text, _ADVICE)
    return ok("clock", f"our clock and {name} agree")


async def against_server(url: str, clock: Clock) -> list[DoctorFinding]:
    """Compare with the `Date` of an HTTP answer (RFC 9110 section 6.6.1: whole seconds)."""
    try:
        text = await asyncio.to_thread(_date_of, url)
        theirs = int(parsedate_to_datetime(text).timestamp() * 1000)
    except (OSError, ValueError) as error:
        return [warning("clock", f"{url} tells no time: {error}", "Give a URL that answers.")]
    return [judge(url, clock(), theirs, grain=1000)]


def _date_of(url: str) -> str:
    if not url.startswith(("http://", "https://")):
        raise ValueError("not an http or https URL")
    try:
        with urllib.request.urlopen(url, timeout=_SECONDS) as answer:  # noqa: S310 - checked above
            return str(answer.headers.get("Date", ""))
    except urllib.error.HTTPError as refusal:
        return str(refusal.headers.get("Date", ""))


async def against_database(settings: Settings, store: Store, clock: Clock) -> list[DoctorFinding]:
    """Compare with PostgreSQL's clock, and with the newest row: time must not have gone back."""
    now = clock()
    findings = []
    if now < _OLDEST_MS:
        findings.append(problem("clock", "our clock is years behind", _ADVICE))
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
        text = f"the newest row is {ahead / 1000:.1f} s in the future: the clock was ahead, or went back"
        findings.append(warning("clock", text, _ADVICE))
    return findings or [ok("clock", "nothing in the database is from the future")]
