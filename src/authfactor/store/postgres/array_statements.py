"""One statement for the same statement of several units: its parameters become arrays (decision 0040).

The text is derived, so that a statement is written once and means the same alone and for many. In the
derived text `k` is the unnested parameters: `p1`, `p2`, … stand for `$1`, `$2`, …, and `at` numbers the
units from 1. What does not have one of the shapes below is executed once per unit.
"""

import functools
import re
from enum import Enum
from typing import Final, NamedTuple

from authfactor.store.queries.attempts import CHARGE_IN_ONE_STATEMENT, CHARGE_MANY

_INDEXED_BY: Final = re.compile(r"\s+INDEXED BY \w+")
PARAMETER: Final = re.compile(r"\$(\d+)")
_INSERT: Final = re.compile(
    r"INSERT INTO (\w+) \((\w+), (\w+)([\w, ]*)\)\s+"
    r"(?:VALUES \(([$\d, ]+)\)(\s+ON CONFLICT DO NOTHING)?|SELECT ([$\d, ]+)\s+WHERE (EXISTS .*))",
    re.DOTALL,
)
_UPDATE: Final = re.compile(
    r"(UPDATE \w+\s+SET [^()]*?(?:COALESCE\([^()]*\)[^()]*?)?)\s+WHERE (.*)", re.DOTALL
)
_DELETE: Final = re.compile(r"DELETE FROM (\w+)\s+WHERE (.*)", re.DOTALL)


class ResultKind(Enum):
    """What the rows of an array statement are."""

    ROWS = "the rows of the units' own statements, each with `at` in front"
    COUNTS = "`at` and 1 for each row that was affected, or, of a chain, how many statements affected one"
    KEYS = "the key of each row that was inserted: the unit's own first two parameters"


class ArrayStatement(NamedTuple):
    """A derived statement; it takes one array for each parameter of the unit's own.

    `locks`: it locks the rows that it returns, so two units with the same row cannot share it. `writes`: each
    row that it returns stands for a write.
    """

    text: str
    result: ResultKind
    locks: bool = False
    writes: bool = False


@functools.cache
def dialect(statement: str) -> str:
    """Drop `INDEXED BY`: PostgreSQL chooses its indexes itself."""
    return _INDEXED_BY.sub("", statement)


def derive(statement: str, types: tuple[str, ...]) -> ArrayStatement | None:
    """Return the array statement of one statement whose parameters have these types; None without one."""
    if not types:
        return None
    keys, text = _keys(types), _named(dialect(statement).strip(), 0)
    if statement == CHARGE_IN_ONE_STATEMENT:
        return ArrayStatement(
            dialect(CHARGE_MANY.format(keys=keys)), ResultKind.ROWS, locks=True, writes=True
        )
    if text.startswith("SELECT "):
        rows = f"SELECT k.at, r.* FROM {keys} CROSS JOIN LATERAL ({text}) r ORDER BY k.at"
        return ArrayStatement(rows, ResultKind.ROWS, locks=text.endswith("FOR UPDATE"))
    if found := _INSERT.fullmatch(statement.strip()):
        return _insert(found, keys)
    change = _change(text, keys)
    return None if change is None else ArrayStatement(f"{change} RETURNING k.at, 1", ResultKind.COUNTS)


def derive_chain(statements: tuple[tuple[str, int], ...], types: tuple[str, ...]) -> ArrayStatement | None:
    """Return the array statement of statements that run while each affects a row, or None.

    Each is given with its number of parameters; `types` are those of all.
    """
    if not types:
        return None
    parts, shift = [f"k AS MATERIALIZED (SELECT * FROM {_keys(types)})"], 0
    for number, (statement, parameters) in enumerate(statements):
        source = "k" if number == 0 else f"k JOIN s{number - 1} USING (at)"
        change = _change(_named(dialect(statement).strip(), shift), source)
        if change is None:
            return None
        parts.append(f"s{number} AS ({change} RETURNING {'k.' if number == 0 else ''}at)")
        shift += parameters
    each = " UNION ALL ".join(f"SELECT at FROM s{number}" for number in range(len(statements)))
    text = f"WITH {', '.join(parts)} SELECT at, count(*) FROM ({each}) matched GROUP BY at"
    return ArrayStatement(text, ResultKind.COUNTS)


def _insert(found: re.Match[str], keys: str) -> ArrayStatement | None:
    table, environment, key, others, values, conflict, selected, condition = found.groups()
    if not (values or selected).startswith("$1, $2"):
        return None
    head = f"INSERT INTO {table} ({environment}, {key}{others})"
    rows = f"SELECT {_named(values or selected, 0)} FROM {keys}"
    tail = f" WHERE {_named(condition, 0)}" if condition else conflict or ""
    return ArrayStatement(f"{head} {rows}{tail} RETURNING {environment}, {key}", ResultKind.KEYS)


def _keys(types: tuple[str, ...]) -> str:
    arrays = ", ".join(f"${number}::{name}[]" for number, name in enumerate(types, 1))
    names = ", ".join(f"p{number}" for number in range(1, len(types) + 1))
    return f"unnest({arrays}) WITH ORDINALITY AS k ({names}, at)"


def _named(text: str, shift: int) -> str:
    return PARAMETER.sub(lambda found: f"k.p{int(found[1]) + shift}", text)


def _change(text: str, source: str) -> str | None:
    """Return an UPDATE or DELETE that takes its values from `source`, without its RETURNING clause."""
    if "RETURNING" in text or "SELECT" in text:
        return None
    if found := _UPDATE.fullmatch(text):
        return f"{found[1]} FROM {source} WHERE {found[2]}"
    if found := _DELETE.fullmatch(text):
        return f"DELETE FROM {found[1]} USING {source} WHERE {found[2]}"
    return None


@functools.cache
def chain_text(statements: tuple[tuple[str, int], ...]) -> str:
    """Combine statements, each given with its number of parameters, into one that counts the matches.

    Each becomes a CTE that runs only if the previous one affected a row. All of them see one snapshot, but
    each waits for row locks and rechecks its WHERE clause by itself, exactly as it would alone.
    """
    parts, shift = [], 0
    for at, (statement, parameters) in enumerate(statements):
        text = PARAMETER.sub(lambda found: f"${int(found[1]) + shift}", statement)  # noqa: B023 - used at once
        needs = f" AND EXISTS (SELECT 1 FROM s{at - 1})" if at else ""
        parts.append(f"s{at} AS ({text.strip()}{needs} RETURNING 1)")
        shift += parameters
    counts = " + ".join(f"(SELECT count(*) FROM s{at})" for at in range(len(statements)))
    return f"WITH {', '.join(parts)} SELECT {counts}"
