"""The policy of an environment and what operators decide about single users (decision 0045)."""

from typing import Final

import msgspec

from authfactor import errors
from authfactor.errors import InvalidRequest, Item
from authfactor.models import Clock, Environment
from authfactor.models.mfa_policies import OwnPolicy, StoredUserPolicy, UserPolicyInForce
from authfactor.rules.authentication.applied_policy import options_of, policy_in
from authfactor.rules.authentication.user_policies import (
    DAY,
    NOTHING_STORED,
    latest_time,
    running_deadline,
)
from authfactor.rules.events import event_log
from authfactor.rules.events.event_log import EventLog
from authfactor.rules.tenants import policy_documents
from authfactor.rules.tenants.environments import Environments
from authfactor.rules.tenants.policy_documents import PolicyDocument, read_time
from authfactor.rules.tenants.policy_outcomes import OutcomeReport, outcome_of
from authfactor.rules.unit import Scope, unit
from authfactor.store import Unit
from authfactor.wire.events import ExemptedUser, StartedGrace
from authfactor.wire.mfa_policies import SetMfaPolicy, SetUserMfaPolicy

MAX_DAYS: Final = 90
MAX_REASON: Final = 300


def document_of(environment: Environment) -> PolicyDocument:
    """Return the policy that is stored."""
    options = options_of(environment.options)
    return PolicyDocument(
        environment.mfa_policy, options.mfa, options.trusted_devices, options.trusted_device_days
    )


class EnvironmentPolicies:
    """Reads and changes policies."""

    def __init__(self, clock: Clock, log: EventLog, environments: Environments) -> None:
        """Keep the collaborators."""
        self._clock = clock
        self._log = log
        self._environments = environments
        self.outcomes = OutcomeReport(clock)

    @unit
    async def get(self, scope: Scope) -> Environment:
        """Return the environment as it is stored now, with its policy. Raises `NotFound`."""
        return _found(await scope.tx.environments.by_number(scope.number), scope.environment)

    def set(
        self, environment: Environment, request: SetMfaPolicy, *, if_updated_at: int | None = None
    ) -> Unit[Environment]:
        """Replace the policy as a whole. Raises `InvalidRequest`.

        The unit raises `Outdated` when the environment has changed since the `updated_at` of the request, or
        without one since `if_updated_at`.
        """
        items: list[Item] = []
        seen = read_time(request.updated_at, "updated_at", items)
        if items:
            raise InvalidRequest(*items)
        document = policy_documents.check(request)
        return self._set(environment, document, if_updated_at if seen is None else seen)

    @unit
    async def _set(self, scope: Scope, document: PolicyDocument, if_updated_at: int | None) -> Environment:
        known = _found(await scope.tx.environments.lock(scope.number), scope.environment)
        if if_updated_at not in {None, known.updated_at}:
            raise errors.Outdated(f"{known.mfa_policy}, {len(document_of(known).options.rules)} rules")
        options = options_of(known.options)
        mfa = msgspec.structs.replace(
            document.options,
            users_differ=options.mfa.users_differ,
            grace_given=options.mfa.grace_given,
        )
        changed = msgspec.structs.replace(
            options,
            mfa=mfa,
            trusted_devices=document.trusted_devices,
            trusted_device_days=document.trusted_device_days,
        )
        return await self._environments.change(scope, known, document.policy, changed)

    @unit
    async def of_user(self, scope: Scope, user_id: str) -> UserPolicyInForce:
        """Return the policy in force for a user, and why. Raises `NotFound`."""
        return await self._in_force(scope, user_id)

    def set_for_user(
        self, environment: Environment, user_id: str, request: SetUserMfaPolicy
    ) -> Unit[UserPolicyInForce]:
        """Store what an operator decides about a user. Raises `InvalidRequest`; the unit `NotFound`."""
        now, items = self._clock(), list[Item]()
        until = read_time(request.until, "until", items)
        grace_until = read_time(request.grace_until, "grace_until", items)
        reason = " ".join((request.reason or "").replace("\0", " ").split())
        policy = request.policy
        if policy is None:
            items.append(_item("policy", "required: default, required or exempt"))
        if len(reason) > MAX_REASON:
            items.append(_item("reason", f"at most {MAX_REASON} characters"))
        if not reason and (policy == "exempt" or grace_until is not None):
            items.append(_item("reason", "an exemption and a new deadline need one"))
        if policy == "exempt" and request.until is None:
            items.append(_item("until", f"an exemption ends within {MAX_DAYS} days"))
        if policy == "default" and request.until is not None:
            items.append(_item("until", "default has no end"))
        for member, time, is_short in (
            ("until", until, policy == "exempt"),
            ("grace_until", grace_until, True),
        ):
            if time is not None and not now < time <= (now + MAX_DAYS * DAY if is_short else time):
                ends = f"within {MAX_DAYS} days" if is_short else "in the future"
                items.append(_item(member, f"a time {ends}"))
        if items or policy is None:
            raise InvalidRequest(*items)
        return self._set_for_user(environment, user_id, policy, until, reason or None, grace_until)

    @unit
    async def _set_for_user(
        self,
        scope: Scope,
        user_id: str,
        policy: OwnPolicy,
        until: int | None,
        reason: str | None,
        grace_until: int | None,
    ) -> UserPolicyInForce:
        if await scope.tx.users.lock(scope.number, user_id) is None:
            raise errors.NotFound("User", user_id)
        stored_reason = None if policy == "default" else reason
        await scope.tx.user_mfa_policies.set_policy(
            scope.number, user_id, policy, until, stored_reason, scope.now
        )
        if policy == "exempt" and until is not None:
            exempted = ExemptedUser.until_time(user_id, until, reason or "")
            await self._log.append(scope, event_log.EXEMPTED, user_id, exempted)
        if grace_until is not None:
            await self._grant(scope, user_id, grace_until)
        await self._note(scope, differs=policy == "required", given=grace_until is not None)
        return await self._in_force(scope, user_id)

    def grant_grace(
        self, environment: Environment, user_id: str, *, days: int, reason: str
    ) -> Unit[UserPolicyInForce]:
        """Give a user a new deadline, in days from now. Raises `InvalidRequest`; the unit `NotFound`."""
        items = []
        if not 0 < days <= MAX_DAYS:
            items.append(_item("days", f"1 to {MAX_DAYS}"))
        if not reason.strip():
            items.append(_item("reason", "a new deadline needs one"))
        if items:
            raise InvalidRequest(*items)
        return self._grant_grace(environment, user_id, self._clock() + days * DAY)

    @unit
    async def _grant_grace(self, scope: Scope, user_id: str, deadline: int) -> UserPolicyInForce:
        if await scope.tx.users.lock(scope.number, user_id) is None:
            raise errors.NotFound("User", user_id)
        await self._grant(scope, user_id, deadline)
        await self._note(scope, differs=False, given=True)
        return await self._in_force(scope, user_id)

    @unit
    async def reset_user(self, scope: Scope, user_id: str) -> None:
        """Forget what an operator has decided about a user; a deadline stays. Raises `NotFound`."""
        if await scope.tx.users.lock(scope.number, user_id) is None:
            raise errors.NotFound("User", user_id)
        if await scope.tx.user_mfa_policies.of(scope.number, user_id) is not None:
            await scope.tx.user_mfa_policies.set_policy(
                scope.number, user_id, "default", None, None, scope.now
            )

    async def _grant(self, scope: Scope, user_id: str, deadline: int) -> None:
        await scope.tx.user_mfa_policies.grant_grace(scope.number, user_id, deadline, scope.now)
        started = StartedGrace.until(user_id, deadline)
        await self._log.append(scope, event_log.GRACE_STARTED, user_id, started)

    async def _note(self, scope: Scope, *, differs: bool, given: bool) -> None:
        """Note in the environment that sign-ins must look at single users; once, and never taken back."""
        options = options_of(scope.environment.options)
        if (options.mfa.users_differ or not differs) and (options.mfa.grace_given or not given):
            return
        known = _found(await scope.tx.environments.lock(scope.number), scope.environment)
        options = options_of(known.options)
        mfa = msgspec.structs.replace(
            options.mfa,
            users_differ=options.mfa.users_differ or differs,
            grace_given=options.mfa.grace_given or given,
        )
        await self._environments.change(
            scope, known, known.mfa_policy, msgspec.structs.replace(options, mfa=mfa)
        )

    async def _in_force(self, scope: Scope, user_id: str) -> UserPolicyInForce:
        environment = _found(await scope.tx.environments.by_number(scope.number), scope.environment)
        subject = await scope.tx.policy_subjects.of_user(scope.number, user_id)
        if subject is None:
            raise errors.NotFound("User", user_id)
        document = document_of(environment)
        applied = policy_in(document.policy, document.options, subject, scope.now)
        stored: StoredUserPolicy = subject.own or NOTHING_STORED
        own = stored.own(scope.now)
        mode = applied.mode
        if own == "required":
            mode = "required"
        elif own == "exempt" and mode == "required":
            mode = "if_enrolled"
        return UserPolicyInForce(
            user_id,
            stored,
            own,
            applied,
            mode,
            outcome_of(subject, applied, scope.now),
            running_deadline(applied, stored, latest_time(scope.now, subject.last_sign_in_at)),
        )


def _found(environment: Environment | None, wanted: Environment) -> Environment:
    if environment is None:
        raise errors.NotFound("Environment", wanted.client_id)
    return environment


def _item(member: str, text: str) -> Item:
    return Item(member, f"{member}_invalid", f"{member}: {text}.")
