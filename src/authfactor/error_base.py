"""The base of all errors, and one problem of a request."""

from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Item:
    """One problem of a request: the field, a stable code, and what to do about it."""

    field: str
    code: str
    message: str


class AuthfactorError(Exception):
    """Base of all errors this package raises on purpose."""

    code: str = "internal_error"
    commits: bool = False
    """Whether `Store.write` commits what the unit wrote before it raised this error."""

    def __init__(self, message: str) -> None:
        """`message` is for humans."""
        super().__init__(message)
        self.message = message

    def after_commit(self) -> Self:
        """Return self with `commits` set, for a refusal whose writes (a count, an event) must be kept.

        A class can be raised with and without it: a refusal after a lost race rolls back.
        """
        self.commits = True
        return self
