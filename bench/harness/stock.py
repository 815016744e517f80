"""Users, factors and challenges of one server, created over HTTP before the load."""

import json
import time
from collections import defaultdict
from dataclasses import dataclass, field

from harness import totp
from harness.servers import Server
from harness.wrk import COLLECT_CONNECTIONS, Call, collect

FACTORS_PER_USER = 10
"""The servers' limit of factors per user."""
WINDOW = (0, 1)
"""The steps, from the current one, whose codes a run enters."""


@dataclass
class Factor:
    """A factor with its secret; `last_step` is the newest spent step."""

    id: str
    user_id: str
    secret: str
    last_step: int = 0

    def usable_steps(self, now_step: int) -> list[int]:
        """Return the steps whose codes are used now, oldest first: those of a phone whose clock is right.

        The current one comes first, and there are both or none, so that a server that learns how far a
        phone's clock is off never sees two codes in a row that are early. A factor with the same code in two
        nearby steps (a few in a million) has none, because that code spends the later step. The range has one
        more step because the run may begin a step later.
        """
        near = range(now_step - 1, now_step + WINDOW[-1] + 2)
        if len({totp.code(self.secret, step) for step in near}) < len(near):
            return []
        return [now_step + offset for offset in WINDOW] if now_step > self.last_step else []


@dataclass(frozen=True)
class OpenChallenge:
    """An open challenge and its factor."""

    id: str
    factor: Factor


@dataclass
class Stock:
    """What has been created on one server."""

    server: Server
    factors: list[Factor] = field(default_factory=list)
    vacancies: list[str] = field(default_factory=list)
    _users: int = 0

    def create_users(self, count: int) -> list[str]:
        """Create users and return their ids."""
        first, self._users = self._users, self._users + count
        calls = [
            Call("POST", "/user_management/users", json.dumps({"email": f"user{number}@bench.example"}))
            for number in range(first, first + count)
        ]
        return [json.loads(answer)["id"] for answer in collect(self.server, calls)]

    def reserve_vacancies(self, count: int) -> None:
        """Ensure that many vacancies, each for one more factor; those of the same user are far apart."""
        missing = count - len(self.vacancies)
        if missing > 0:
            fresh = self.create_users(-(-missing // FACTORS_PER_USER))
            self.vacancies += fresh * FACTORS_PER_USER

    def enroll(self, count: int, connections: int = COLLECT_CONNECTIONS) -> None:
        """Enroll that many more factors with secrets of ours, ten to a user."""
        users = self.create_users(-(-count // FACTORS_PER_USER))
        secrets = [(user, totp.new_secret()) for _ in range(FACTORS_PER_USER) for user in users][:count]
        calls = [
            Call(
                "POST",
                f"/user_management/users/{user}/auth_factors",
                json.dumps({"type": "totp", "totp_secret": secret}),
            )
            for user, secret in secrets
        ]
        for answer in collect(self.server, calls, connections):
            shown = json.loads(answer)["authentication_factor"]
            self.factors.append(Factor(shown["id"], shown["user_id"], shown["totp"]["secret"]))

    def open_challenges(self, count: int) -> list[OpenChallenge]:
        """Open challenges that can each be verified now with a different code.

        A factor has up to three valid codes: of the previous, the current and the next step, in that order.
        If these are too few, more factors are enrolled.
        """
        now_step = int(time.time()) // totp.PERIOD
        passes = [
            [factor for factor in self.factors if len(factor.usable_steps(now_step)) > turn]
            for turn in range(len(WINDOW))
        ]
        missing = count - sum(map(len, passes))
        if missing > 0:
            known = len(self.factors)
            self.enroll(-(-missing // len(WINDOW)))
            for turn, members in enumerate(passes):
                fresh = self.factors[known:]
                members += [factor for factor in fresh if len(factor.usable_steps(now_step)) > turn]
        wanted = [factor for members in passes for factor in members][:count]
        calls = [Call("POST", f"/auth/factors/{factor.id}/challenge", "{}") for factor in wanted]
        opened: dict[str, list[str]] = defaultdict(list)
        for answer in collect(self.server, calls):
            challenge = json.loads(answer)
            opened[challenge["authentication_factor_id"]].append(challenge["id"])
        return [OpenChallenge(opened[factor.id].pop(), factor) for factor in wanted]
