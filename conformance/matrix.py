"""What the programs said: lines read into results, results shown as a matrix and written as a document."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from authfactor.http.api import unserved
from conformance.rows import ROWS, STEPS, Row

LINE: Final = re.compile(r"(ok|not ok) (.+)")
LONGEST: Final = 300  # of a reason; answers may be quoted in it
SIGNS: Final = {"ok": "ok", "not ok": "NOT OK", None: "-"}


@dataclass(frozen=True, slots=True)
class Outcome:
    """One row's results by step, the reasons of its failures, and why it did not run at all."""

    row: Row
    results: dict[str, str] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    missing: str = ""
    seconds: float = 0.0

    @property
    def failed(self) -> list[str]:
        """The steps that went wrong."""
        return [step for step, result in self.results.items() if result == "not ok"]

    @property
    def passed(self) -> bool:
        """Whether the row ran and every step of it went well."""
        return not self.missing and bool(self.results) and not self.failed


def read(row: Row, output: str, exit_code: int, seconds: float) -> Outcome:
    """Read `ok STEP`, `not ok STEP` and the `# reason` after it; a program that broke off has failed."""
    results: dict[str, str] = {}
    reasons: dict[str, str] = {}
    last = ""
    for line in output.splitlines():
        if found := LINE.fullmatch(line):
            result, last = found.groups()
            results[last] = "not ok" if result == "not ok" or last not in STEPS else "ok"
        elif line.startswith("# ") and last:
            reasons.setdefault(last, line[2 : 2 + LONGEST])
    if not results or (exit_code != 0 and "not ok" not in results.values()):
        results["whole program"] = "not ok"
        reasons["whole program"] = f"exit code {exit_code}: {' '.join(output.split())[-400:]}"
    return Outcome(row, results, reasons, seconds=seconds)


def tally(outcomes: Sequence[Outcome], *, strict: bool) -> tuple[int, int]:
    """Return how many rows passed and how many failed; a row that could not run fails only if `strict`."""
    passed = sum(outcome.passed for outcome in outcomes)
    left_out = sum(bool(outcome.missing) for outcome in outcomes)
    return passed, len(outcomes) - passed - (0 if strict else left_out)


def table(outcomes: Sequence[Outcome]) -> str:
    """Return the matrix as text: a line per step, a column per row."""
    columns = [str(number) for number in range(1, len(outcomes) + 1)]
    lines = [f"{column:>3}  {outcome.row.name}" for column, outcome in zip(columns, outcomes, strict=True)]
    width = max(map(len, STEPS))
    lines += ["", " " * width + "".join(f"{column:>7}" for column in columns)]
    for step in STEPS:
        signs = "".join(f"{SIGNS[outcome.results.get(step)]:>7}" for outcome in outcomes)
        lines.append(f"{step:<{width}}{signs}")
    return "\n".join(lines)


def remarks(outcomes: Sequence[Outcome]) -> list[str]:
    """Return one line for each failed step and each row that could not run."""
    said = [f"NOT RUN {outcome.row.name}: {outcome.missing}" for outcome in outcomes if outcome.missing]
    for outcome in outcomes:
        said += [
            f"FAILED {outcome.row.name}, {step}: {outcome.reasons.get(step, '')}" for step in outcome.failed
        ]
    return said


HEAD: Final = """\
# Compatibility

Written by `make conformance`; do not edit. A row walks the whole life of a user and its factors through an
SDK's own methods and error classes, against a real server: create a user, enroll, read the QR code, verify,
be refused, sign in with password and code, refresh, list, revoke, verify and sign in with recovery codes,
delete. Codes of the app are computed by the program, never taken from the server. A recorded row sends again
what that SDK sent, byte for byte, and checks that the answers hold every field the SDK reads.

`ok`: went well. `NOT OK`: did not. `-`: not part of this row.
"""
HOW: Final = """
## Pointing an SDK here

| SDK | setting |
|---|---|
| python | `WorkOSClient(api_key=..., client_id=..., base_url="http://127.0.0.1:8080/")` (5 needs the slash) |
| js | `new WorkOS(key, { apiHostname: "127.0.0.1", port: 8080, https: false, clientId })` |
| go 6 | `client.Endpoint = "http://127.0.0.1:8080"` on each package's client |
| java 7 | `WorkOS.builder().apiKey(key).clientId(...).apiBaseUrl("http://127.0.0.1:8080").build()` |
| curl | `Authorization: Bearer KEY` and a JSON body |
"""
NOT_SERVED: Final = """
## Not served

What the WorkOS API has and this server does not is refused, never silently ignored
([0039](decisions/0039-refused-instead-of-ignored.md)). A running server shows this at `/docs/compatibility`.

### Refused parameters

A value other than null or an empty string gets a 422 `invalid_request_parameters` with the item
`NAME_not_supported`. In the query of a list they are refused even if empty, and so is every parameter
that is not documented (`parameter_unknown`): a misspelled filter would list everything.

| parameter | operations |
|---|---|"""
IGNORED: Final = """
### Parameters without an effect

Accepted, because nothing depends on them. Fields of a body that neither API knows are ignored too, as SDKs
send such fields.

| parameter | operations | why it is safe |
|---|---|---|"""
ENDPOINTS: Final = """
### Endpoints

A request gets a 501 with the code `not_supported`; the SDK for Java and Kotlin retries it three times, as it
does with every 5xx. Nothing is served of these products: {areas}. Of the others, these are not served:

| path | methods |
|---|---|"""


def not_served() -> str:
    """Return the section on what the server refuses or ignores, written from its own tables."""
    refused = [f"| `{name}` | {operations} |" for name, operations in unserved.REFUSED_PARAMETERS.items()]
    ignored = [
        f"| {', '.join(f'`{each}`' for each in name.split(', '))} | {operations} | {reason} |"
        for name, (operations, reason) in unserved.IGNORED_PARAMETERS.items()
    ]
    areas = ", ".join(f"`/{area}`" for area in sorted(unserved.AREAS))
    paths: dict[str, list[str]] = {}
    for method, path in unserved.OPERATIONS:
        paths.setdefault(path, []).append(method)
    operations = [f"| `{path}` | {', '.join(methods)} |" for path, methods in paths.items()]
    return "\n".join(
        [NOT_SERVED, *refused, IGNORED, *ignored, ENDPOINTS.format(areas=areas), *operations, ""]
    )


def document(outcomes: Sequence[Outcome]) -> str:
    """Return docs/compatibility.md: the steps across, a row per SDK, and notes."""
    head = "| SDK | " + " | ".join(STEPS) + " |"
    lines = [HEAD, head, "|---" * (len(STEPS) + 1) + "|"]
    for outcome in outcomes:
        signs = " | ".join(SIGNS[outcome.results.get(step)] for step in STEPS)
        lines.append(f"| {outcome.row.name} | {signs} |")
    notes: dict[str, list[str]] = {}
    for row in ROWS:
        if row.note:
            notes.setdefault(row.note, []).append(row.name)
    lines += ["", *(f"- {', '.join(names)}: {note}" for note, names in notes.items())]
    return "\n".join(lines) + "\n" + HOW + not_served()
