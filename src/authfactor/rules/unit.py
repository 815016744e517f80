"""Units: rules that run inside one transaction.

`@unit` turns `async def get(self, scope, user_id)` into `users.get(environment, user_id)`, which prepares a
`Unit`: it reads the clock and touches nothing else. `Store.write` or `Store.read` runs the unit, and runs it
again after a conflict. A step that another rule calls inside its own unit is a plain method that takes the
`Scope`. A rule that validates first is a plain method that returns a unit; one that hashes, signs or reads
first is `async def prepare_...` and returns a unit with the time that it used.
"""

# Without this, each call evaluates the annotations of the function that `__get__` defines: 6 µs a request.
from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar

from authfactor.models import Clock, Environment
from authfactor.store import Shared, Single, Tx, Unit

P = ParamSpec("P")
T = TypeVar("T")


class HasClock(Protocol):
    """A rule object: units read its clock when they are prepared."""

    _clock: Clock


class InstallationScope:
    """What a unit works with outside any environment: its transaction and the time of its preparation."""

    __slots__ = ("now", "tx")

    def __init__(self, tx: Tx, now: int) -> None:
        """`now` in milliseconds of the epoch."""
        self.tx = tx
        self.now = now

    def within(self, environment: Environment) -> Scope:
        """Return the same transaction and time with an environment."""
        return Scope(self.tx, environment, self.now)


class Scope(InstallationScope):
    """What a unit works with: its transaction, its environment, and the time of its preparation."""

    __slots__ = ("environment", "number")

    def __init__(self, tx: Tx, environment: Environment, now: int) -> None:
        """`now` in milliseconds of the epoch; `number` is the environment's, the first part of every key."""
        self.tx = tx
        self.now = now
        self.environment = environment
        self.number = environment.number


class unit(Generic[P, T]):  # noqa: N801 - used as a decorator
    """A method that runs in a transaction of one environment. Its object has a `_clock`."""

    def __init__(self, method: Callable[Concatenate[Any, Scope, P], Awaitable[T]]) -> None:
        """Wrap `method`, which takes a scope before its own arguments."""
        self._method = method
        self._name = method.__name__
        functools.update_wrapper(self, method)  # type: ignore[arg-type]  # a descriptor is not callable

    def __get__(
        self, rules: HasClock, owner: type | None = None
    ) -> Callable[Concatenate[Environment, P], Unit[T]]:
        """Return the function that prepares the unit."""
        method = self._method

        def prepare(environment: Environment, /, *args: P.args, **kwargs: P.kwargs) -> Unit[T]:
            now = rules._clock()  # noqa: SLF001 - the protocol of this decorator
            return lambda tx: method(rules, Scope(tx, environment, now), *args, **kwargs)

        # Found before the descriptor from now on, like the value of a `functools.cached_property`.
        vars(rules)[self._name] = prepare
        return prepare


class shared_unit(unit[P, T]):  # noqa: N801 - used as a decorator
    """A unit that may share statements and a commit with others of its kind that wait."""

    def __get__(
        self, rules: HasClock, owner: type | None = None
    ) -> Callable[Concatenate[Environment, P], Unit[T]]:
        """Return the function that prepares the unit."""
        prepare, kind = super().__get__(rules, owner), self._method.__qualname__

        def shared(environment: Environment, /, *args: P.args, **kwargs: P.kwargs) -> Unit[T]:
            return Shared(kind, prepare(environment, *args, **kwargs))

        vars(rules)[self._name] = shared
        return shared


class single_unit(unit[P, T]):  # noqa: N801 - used as a decorator
    """A shared unit of one statement, which needs no BEGIN and COMMIT around it when it runs alone."""

    def __get__(
        self, rules: HasClock, owner: type | None = None
    ) -> Callable[Concatenate[Environment, P], Unit[T]]:
        """Return the function that prepares the unit."""
        prepare, kind = super().__get__(rules, owner), self._method.__qualname__

        def single(environment: Environment, /, *args: P.args, **kwargs: P.kwargs) -> Unit[T]:
            return Shared(kind, Single(prepare(environment, *args, **kwargs)))

        vars(rules)[self._name] = single
        return single


class installation_unit(Generic[P, T]):  # noqa: N801 - used as a decorator
    """A method that runs in a transaction and belongs to no environment. Its object has a `_clock`."""

    def __init__(self, method: Callable[Concatenate[Any, InstallationScope, P], Awaitable[T]]) -> None:
        """Wrap `method`, which takes a scope before its own arguments."""
        self._method = method
        self._name = method.__name__
        functools.update_wrapper(self, method)  # type: ignore[arg-type]  # a descriptor is not callable

    def __get__(self, rules: HasClock, owner: type | None = None) -> Callable[P, Unit[T]]:
        """Return the function that prepares the unit."""
        method = self._method

        def prepare(*args: P.args, **kwargs: P.kwargs) -> Unit[T]:
            now = rules._clock()  # noqa: SLF001 - the protocol of this decorator
            return lambda tx: method(rules, InstallationScope(tx, now), *args, **kwargs)

        vars(rules)[self._name] = prepare
        return prepare
