"""No table method reads or changes another environment, even with an id that exists there."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import msgspec
import pytest

from authfactor.models import (
    BrandingRecord,
    FailureRecord,
    IdempotencyClaim,
    LinkRecord,
    PageQuery,
    PendingSignIn,
    RecoveryCodeCount,
    SessionRecord,
    SigningKey,
    TrustedDeviceRecord,
)
from authfactor.models.mailed import InvitationRecord, MailedCode, PasswordResetRecord
from authfactor.models.passkeys import PasskeyCeremony, PasskeyFactor, PasskeyRecord
from authfactor.store import CodeAttempt, SpendResult, Store, Tx
from authfactor.store.tables.challenges import CLOSE

if TYPE_CHECKING:
    from tests.store.conftest import Rows

USER, FACTOR, CHALLENGE, KEY = "user_0001", "auth_factor_0001", "auth_challenge_0001", "api_key_1"
VERIFIED, WITHDRAWN = "auth_challenge_0002", "auth_challenge_0003"
DEVICE = "trusted_device_1"
TOKEN, SPENT = b"token hash", b"spent token hash"
OWN, OTHER = 1, 2
TABLES = (
    "api_keys",
    "users",
    "factors",
    "challenges",
    "failures",
    "idempotency",
    "events",
    "pending_sign_ins",
    "sessions",
    "refresh_tokens",
    "signing_keys",
    "links",
    "brandings",
    "throttles",
    "recovery_codes",
    "user_mfa_policies",
    "trusted_devices",
    "trusted_device_tokens",
    "passkeys",
    "passkey_handles",
    "passkey_ceremonies",
    "mailed_codes",
    "password_resets",
    "invitations",
)
# Attributes of `Tx` that are made when they are needed.
LAZY = (
    "recovery_codes",
    "trusted_devices",
    "user_mfa_policies",
    "passkeys",
    "mailed_codes",
    "password_resets",
    "invitations",
)
# These insert into the environment they name, or find a caller by the hash of a secret.
CREATORS = {"insert", "insert_refresh", "append", "append_all", "claim", "active_by_hash", "put", "replace"}
CREATORS |= {"failures.charge", "throttles.charge"}
CREATORS |= {"by_token", "by_session", "insert_token"}
CREATORS |= {"set_policy", "start_grace", "grant_grace", "record_held_factor"}
CREATORS |= {"password_resets.environment_of", "invitations.environment_of"}
CREATORS |= {"passkeys.keep_handle", "passkeys.open_ceremony", "passkeys.use_authentication"}

PASSKEY_FACTOR = PasskeyFactor("auth_factor_passkey", USER, "Acme", "kim", "sealed", None, 1)
PASSKEY = PasskeyRecord(
    PASSKEY_FACTOR.id, USER, "example.org", b"id", 1, "", "", True, False, None, None, "none", "none"
)
CEREMONY = PasskeyCeremony("passkey_registration_1", "registration", USER, None, b"challenge", 9)

CODE = MailedCode("magic_auth_1", "magic_auth", USER, "u1@example.com", "digest", "sealed", 0, 1, 9)
RESET = PasswordResetRecord("password_reset_1", USER, "u1@example.com", b"mark", "sealed", 1, 9)
INVITATION = InvitationRecord(
    "invitation_1", "u9@example.com", None, None, None, None, None, "sealed", 9, None, None, 1, 1
)

SESSION = SessionRecord("session_1", USER, None, None, "password", "pwd", 1, None, 1, 9, None, 1, 1)
PROVEN = msgspec.structs.replace(SESSION, amr="pwd otp mfa", updated_at=2)
EMPTY = FailureRecord((), 0, None)
LOCKED = FailureRecord((9,), 9, 9)


def attempt(rows: "Rows", stored: FailureRecord | None) -> CodeAttempt:
    return CodeAttempt(
        rows.challenge(1), rows.factor(1), FailureRecord((5,), 1, None), charged=True, stored=stored
    )


READS: dict[str, tuple[Callable[[Tx], Awaitable[object]], object]] = {
    "api_keys.of_environment": (lambda tx: tx.api_keys.of_environment(OTHER), []),
    "users.by_id": (lambda tx: tx.users.by_id(OTHER, USER), None),
    "users.lock": (lambda tx: tx.users.lock(OTHER, USER), None),
    "users.by_email": (lambda tx: tx.users.by_email(OTHER, "u1@example.com"), None),
    "users.by_external_id": (lambda tx: tx.users.by_external_id(OTHER, "x"), None),
    "users.page": (lambda tx: tx.users.page(OTHER, PageQuery(), None), ([], False, False)),
    "users.page by email": (
        lambda tx: tx.users.page(OTHER, PageQuery(), "u1@example.com"),
        ([], False, False),
    ),
    "users.search": (lambda tx: tx.users.search(OTHER, "u1@", "", 9), []),
    "users.count": (lambda tx: tx.users.count(OTHER, 9), 0),
    "factors.by_id": (lambda tx: tx.factors.by_id(OTHER, FACTOR), None),
    "factors.of_user": (lambda tx: tx.factors.of_user(OTHER, USER), []),
    "factors.details_of_user": (lambda tx: tx.factors.details_of_user(OTHER, USER), []),
    "factors.details": (lambda tx: tx.factors.details(OTHER, FACTOR), None),
    "user_mfa_policies.of": (lambda tx: tx.user_mfa_policies.of(OTHER, USER), None),
    "passkeys.of_user": (lambda tx: tx.passkeys.of_user(OTHER, USER), []),
    "passkeys.is_restored_since": (lambda tx: tx.passkeys.is_restored_since(OTHER, 1), False),
    "passkeys.of_factor": (lambda tx: tx.passkeys.of_factor(OTHER, PASSKEY.factor_id), None),
    "passkeys.by_credential": (lambda tx: tx.passkeys.by_credential(OTHER, "example.org", b"id"), None),
    "passkeys.count_by_rp_id": (lambda tx: tx.passkeys.count_by_rp_id(OTHER), {}),
    "passkeys.count_by_user": (lambda tx: tx.passkeys.count_by_user(OTHER), {}),
    "passkeys.handle_of": (lambda tx: tx.passkeys.handle_of(OTHER, USER), None),
    "passkeys.ceremony": (lambda tx: tx.passkeys.ceremony(OTHER, CEREMONY.id), None),
    "mailed_codes.by_id": (lambda tx: tx.mailed_codes.by_id(OTHER, CODE.id), None),
    "mailed_codes.current": (lambda tx: tx.mailed_codes.current(OTHER, USER, "magic_auth"), None),
    "password_resets.by_id": (lambda tx: tx.password_resets.by_id(OTHER, RESET.id), None),
    "password_resets.by_hash": (lambda tx: tx.password_resets.by_hash(OTHER, TOKEN), None),
    "invitations.by_id": (lambda tx: tx.invitations.by_id(OTHER, INVITATION.id), None),
    "invitations.by_hash": (lambda tx: tx.invitations.by_hash(OTHER, TOKEN), None),
    "invitations.page": (
        lambda tx: tx.invitations.page(OTHER, PageQuery(), INVITATION.email),
        ([], False, False),
    ),
    "pending_sign_ins.awaiting": (lambda tx: tx.pending_sign_ins.awaiting(OTHER, b"mail", "email"), None),
    "recovery_codes.count": (lambda tx: tx.recovery_codes.count(OTHER, USER), RecoveryCodeCount(0, 0, None)),
    "recovery_codes.use_of": (lambda tx: tx.recovery_codes.use_of(OTHER, USER, ["spent"]), None),
    "recovery_codes.imported_bits": (lambda tx: tx.recovery_codes.imported_bits(OTHER, USER), None),
    "trusted_devices.by_id": (lambda tx: tx.trusted_devices.by_id(OTHER, DEVICE), None),
    "trusted_devices.of_user": (lambda tx: tx.trusted_devices.of_user(OTHER, USER), []),
    "trusted_devices.token_by_hash": (lambda tx: tx.trusted_devices.token_by_hash(OTHER, TOKEN), None),
    "factors.ids_of_user": (lambda tx: tx.factors.ids_of_user(OTHER, USER), []),
    "factors.page": (lambda tx: tx.factors.page(OTHER, USER, PageQuery()), ([], False, False)),
    "challenges.with_factor": (lambda tx: tx.challenges.with_factor(OTHER, CHALLENGE), None),
    "challenges.by_id": (lambda tx: tx.challenges.by_id(OTHER, CHALLENGE), None),
    "challenges.allows_recovery": (lambda tx: tx.challenges.allows_recovery(OTHER, VERIFIED), False),
    "events.by_id": (lambda tx: tx.events.by_id(OTHER, "event_1"), None),
    "events.page": (lambda tx: tx.events.page(OTHER, ("x",), PageQuery(), 0, 9), ([], False, False)),
    "events.recent": (lambda tx: tx.events.recent(OTHER, PageQuery()), ([], False, False)),
    "events.recent_of_user": (lambda tx: tx.events.recent_of_user(OTHER, USER, 9, 9), []),
    "events.counts": (lambda tx: tx.events.counts(OTHER, "x", ["event_", "event_2"], 9), [0]),
    "pending_sign_ins.by_hash": (lambda tx: tx.pending_sign_ins.by_hash(OTHER, TOKEN), None),
    "pending_sign_ins.answer": (lambda tx: tx.pending_sign_ins.answer(OTHER, SPENT, 0, 9), None),
    "sessions.by_id": (lambda tx: tx.sessions.by_id(OTHER, "session_1"), None),
    "sessions.active_page": (
        lambda tx: tx.sessions.active_page(OTHER, USER, PageQuery(), 2, -1),
        ([], False, False),
    ),
    "sessions.refresh_by_hash": (lambda tx: tx.sessions.refresh_by_hash(OTHER, TOKEN), None),
    "signing_keys.published": (lambda tx: tx.signing_keys.published(OTHER, 1), []),
    "links.by_id": (lambda tx: tx.links.by_id(OTHER, "link_1"), None),
    "links.abandoned": (lambda tx: tx.links.abandoned(OTHER, USER, 99), []),
    "sign_in_history.newest": (lambda tx: tx.sign_in_history.newest(OTHER, USER, 1, -1, 10), []),
    "sign_in_history.count_others": (lambda tx: tx.sign_in_history.count_others(OTHER, USER, 1, -1, ""), 0),
    "brandings.of": (lambda tx: tx.brandings.of(OTHER), None),
    "sessions.ip_addresses_of": (lambda tx: tx.sessions.ip_addresses_of(OTHER, USER), []),
    "throttles.tat": (lambda tx: tx.throttles.tat(OTHER, USER), 0),
    "failures.of": (lambda tx: tx.failures.of(OTHER, USER), FailureRecord((), 0, None)),
}
WRITES: dict[str, tuple[Callable[[Tx, "Rows"], Awaitable[object]], object]] = {
    "api_keys.revoke": (lambda tx, _: tx.api_keys.revoke(OTHER, KEY, 9), False),
    "api_keys.touch": (lambda tx, _: tx.api_keys.touch(OTHER, KEY, 9), None),
    "users.update": (lambda tx, rows: tx.users.update(OTHER, rows.user(1, name="changed")), False),
    "users.record_sign_in": (lambda tx, _: tx.users.record_sign_in(OTHER, USER, 9), None),
    "users.replace_password_hash": (
        lambda tx, _: tx.users.replace_password_hash(OTHER, USER, "hash", "new"),
        False,
    ),
    "users.delete": (lambda tx, _: tx.users.delete(OTHER, USER), False),
    "factors.reseal": (lambda tx, _: tx.factors.reseal(OTHER, FACTOR, "sealed", "new"), None),
    "factors.resync": (lambda tx, _: tx.factors.resync(OTHER, FACTOR, 9, 1, 9), False),
    "factors.rename": (lambda tx, _: tx.factors.rename(OTHER, FACTOR, "name", 9), False),
    "user_mfa_policies.end_grace": (lambda tx, _: tx.user_mfa_policies.end_grace(OTHER, USER, 9), False),
    "user_mfa_policies.delete": (lambda tx, _: tx.user_mfa_policies.delete(OTHER, USER), False),
    "passkeys.count": (
        lambda tx, _: tx.passkeys.count(OTHER, PASSKEY.factor_id, 1, 2, backed_up=True),
        False,
    ),
    "mailed_codes.charge": (lambda tx, _: tx.mailed_codes.charge(OTHER, CODE.id, 5), False),
    "mailed_codes.spend": (lambda tx, _: tx.mailed_codes.spend(OTHER, CODE.id, CODE.digest, 2), False),
    "mailed_codes.void_of_user": (lambda tx, _: tx.mailed_codes.void_of_user(OTHER, USER, 2), 0),
    "mailed_codes.delete_of_user": (lambda tx, _: tx.mailed_codes.delete_of_user(OTHER, USER), 0),
    "password_resets.spend": (lambda tx, _: tx.password_resets.spend(OTHER, RESET.id, 2), False),
    "password_resets.delete_of_user": (lambda tx, _: tx.password_resets.delete_of_user(OTHER, USER), 0),
    "invitations.accept": (lambda tx, _: tx.invitations.accept(OTHER, INVITATION.id, 2, USER), False),
    "invitations.revoke": (lambda tx, _: tx.invitations.revoke(OTHER, INVITATION.id, 2), False),
    "invitations.touch": (lambda tx, _: tx.invitations.touch(OTHER, INVITATION.id, 2), False),
    "invitations.delete_of_user": (
        lambda tx, _: tx.invitations.delete_of_user(OTHER, USER, INVITATION.email),
        0,
    ),
    "passkeys.suspect": (lambda tx, _: tx.passkeys.suspect(OTHER, PASSKEY.factor_id, 9), False),
    "factors.use_passkey": (lambda tx, _: tx.factors.use_passkey(OTHER, PASSKEY.factor_id, 9), False),
    "challenges.charge": (lambda tx, _: tx.challenges.charge(OTHER, CHALLENGE, 5), False),
    "passkeys.delete": (lambda tx, _: tx.passkeys.delete(OTHER, PASSKEY.factor_id), False),
    "passkeys.delete_of_user": (lambda tx, _: tx.passkeys.delete_of_user(OTHER, USER), 0),
    "passkeys.close_ceremony": (lambda tx, _: tx.passkeys.close_ceremony(OTHER, CEREMONY.id, 1), False),
    "recovery_codes.delete_of_user": (lambda tx, _: tx.recovery_codes.delete_of_user(OTHER, USER), 0),
    "recovery_codes.replace_imported": (
        lambda tx, _: tx.recovery_codes.replace_imported(OTHER, USER, [["new"]], "abcdef", 9, 41),
        None,
    ),
    "recovery_codes.spend": (
        lambda tx, _: tx.recovery_codes.spend(OTHER, USER, ["unused"], 9, CHALLENGE, 0),
        False,
    ),
    "factors.delete": (lambda tx, _: tx.factors.delete(OTHER, FACTOR), False),
    "factors.delete_pending": (lambda tx, _: tx.factors.delete_pending(OTHER, FACTOR), False),
    "factors.delete_of_user": (lambda tx, _: tx.factors.delete_of_user(OTHER, USER), 0),
    "challenges.insert_for_factor": (
        lambda tx, rows: tx.challenges.insert_for_factor(OTHER, rows.challenge(9)),
        False,
    ),
    "challenges.close": (lambda tx, _: tx.challenges.close(OTHER, CHALLENGE, 9), False),
    "attempts.charge": (lambda tx, _: tx.attempts.charge(OTHER, CHALLENGE, 5, 9), None),
    "attempts.spend": (
        lambda tx, rows: tx.attempts.spend(OTHER, attempt(rows, None), 9, EMPTY, 9, learned=(0, 0)),
        0,
    ),
    "attempts.spend, counted with the outcome": (
        lambda tx, rows: tx.attempts.spend(OTHER, attempt(rows, EMPTY), 9, EMPTY, 9, learned=(0, 0)),
        0,
    ),
    "attempts.write_without_spending": (
        lambda tx, rows: tx.attempts.write_without_spending(OTHER, attempt(rows, None), LOCKED),
        None,
    ),
    "attempts.write_without_spending, counted with the outcome": (
        lambda tx, rows: tx.attempts.write_without_spending(OTHER, attempt(rows, EMPTY), EMPTY),
        None,
    ),
    "failures.write": (
        lambda tx, _: tx.failures.write(OTHER, USER, LOCKED),
        None,
    ),
    "failures.clear": (lambda tx, _: tx.failures.clear(OTHER, USER), False),
    "pending_sign_ins.spend": (lambda tx, _: tx.pending_sign_ins.spend(OTHER, TOKEN, 2, "answer"), False),
    "pending_sign_ins.forget_answer": (lambda tx, _: tx.pending_sign_ins.forget_answer(OTHER, SPENT), None),
    "challenges.withdraw_step": (lambda tx, _: tx.challenges.withdraw_step(OTHER, VERIFIED, 0, 9), None),
    "challenges.restore_step": (lambda tx, _: tx.challenges.restore_step(OTHER, WITHDRAWN), None),
    "attempts.spend_duplicate": (lambda tx, _: tx.attempts.spend_duplicate(OTHER, FACTOR, 9), None),
    "sessions.touch": (lambda tx, _: tx.sessions.touch(OTHER, "session_1", 2), False),
    "sessions.end": (lambda tx, _: tx.sessions.end(OTHER, "session_1", 2), False),
    "sessions.end_of_user": (lambda tx, _: tx.sessions.end_of_user(OTHER, USER, 2), []),
    "sessions.end_of_device": (lambda tx, _: tx.sessions.end_of_device(OTHER, USER, DEVICE, 2), []),
    "trusted_devices.touch": (lambda tx, _: tx.trusted_devices.touch(OTHER, DEVICE, 2), False),
    "trusted_devices.end": (lambda tx, _: tx.trusted_devices.end(OTHER, DEVICE, 2), False),
    "trusted_devices.end_of_user": (lambda tx, _: tx.trusted_devices.end_of_user(OTHER, USER, 2), []),
    "trusted_devices.delete": (lambda tx, _: tx.trusted_devices.delete(OTHER, DEVICE), None),
    "trusted_devices.delete_of_user": (lambda tx, _: tx.trusted_devices.delete_of_user(OTHER, USER), 0),
    "trusted_devices.spend_token": (
        lambda tx, _: tx.trusted_devices.spend_token(OTHER, TOKEN, 2, "sealed"),
        False,
    ),
    "sessions.clear_second_factor": (lambda tx, _: tx.sessions.clear_second_factor(OTHER, USER, "pwd", 2), 0),
    "challenges.allow_recovery": (lambda tx, _: tx.challenges.allow_recovery(OTHER, CHALLENGE), None),
    "sessions.raise_session": (
        lambda tx, _: tx.sessions.raise_session(OTHER, "session_1", USER, 2, -1),
        None,
    ),
    "sessions.reauthenticate": (
        lambda tx, _: tx.sessions.reauthenticate(OTHER, "session_1", USER, 2, -1),
        None,
    ),
    "sessions.set_methods": (lambda tx, _: tx.sessions.set_methods(OTHER, "session_1", "pwd otp mfa"), None),
    "sessions.set_proof": (lambda tx, _: tx.sessions.set_proof(OTHER, PROVEN, SESSION), False),
    "sessions.delete_of_user": (lambda tx, _: tx.sessions.delete_of_user(OTHER, USER), None),
    "sessions.refresh_with_session": (lambda tx, _: tx.sessions.refresh_with_session(OTHER, TOKEN), None),
    "sessions.spend_refresh": (lambda tx, _: tx.sessions.spend_refresh(OTHER, TOKEN, 2, "new"), False),
    "signing_keys.retire_others": (lambda tx, _: tx.signing_keys.retire_others(OTHER, "other", 2), 0),
    "links.open": (lambda tx, _: tx.links.open(OTHER, "link_1", 2, b"session", 9), False),
    "links.attach": (lambda tx, _: tx.links.attach(OTHER, "link_1", "other", "other"), False),
    "links.complete": (lambda tx, _: tx.links.complete(OTHER, "link_1", 2, "totp"), False),
    "links.confirm": (lambda tx, _: tx.links.confirm(OTHER, "link_1", b"session", 2), False),
    "links.leave": (lambda tx, _: tx.links.leave(OTHER, "link_1", 2), False),
    "links.delete_of_user": (lambda tx, _: tx.links.delete_of_user(OTHER, USER), 0),
    "throttles.refund": (lambda tx, _: tx.throttles.refund(OTHER, USER, 1), None),
    "throttles.clear": (lambda tx, _: tx.throttles.clear(OTHER, USER), False),
    "idempotency.store_response": (
        lambda tx, _: tx.idempotency.store_response(IdempotencyClaim(OTHER, b"k", b"b", 9), "new"),
        None,
    ),
}


async def fill(tx: Tx, rows: "Rows", environment: int) -> None:
    await tx.api_keys.insert(rows.api_key(environment, 1), b"hash %d" % environment)
    await tx.users.insert(environment, rows.user(1, external_id="x", password_hash="hash"))
    await tx.factors.insert(environment, rows.factor(1))
    for number in (1, 2, 3):
        await tx.challenges.insert(environment, rows.challenge(number))
    for number in (2, 3):
        await tx.db.run(CLOSE, environment, rows.challenge(number).id, 1, 7)
    await tx.challenges.withdraw_step(environment, WITHDRAWN, 0, 9)
    await tx.challenges.allow_recovery(environment, VERIFIED)
    await tx.failures.charge(environment, USER, 5)
    await tx.throttles.charge(environment, USER, 5, 10, 3)
    await tx.passkeys.insert(environment, PASSKEY_FACTOR, PASSKEY)
    await tx.passkeys.keep_handle(environment, USER, b"handle")
    await tx.passkeys.open_ceremony(environment, CEREMONY)
    await tx.mailed_codes.put(environment, CODE)
    await tx.password_resets.insert(environment, RESET, TOKEN)
    await tx.invitations.insert(environment, INVITATION, TOKEN)
    mail = PendingSignIn(USER, b"mark", 1, 9, None, awaits="email")
    await tx.pending_sign_ins.insert(environment, b"mail", mail)
    await tx.recovery_codes.replace_imported(environment, USER, [["unused"], ["spent"]], "abcdef", 1, 64)
    await tx.recovery_codes.spend(environment, USER, ["spent"], 1, CHALLENGE, 0)
    await tx.user_mfa_policies.start_grace(environment, USER, 5, 1)
    await tx.idempotency.claim(IdempotencyClaim(environment, b"k", b"b", 9), 1)
    await tx.idempotency.store_response(IdempotencyClaim(environment, b"k", b"b", 9), "answer")
    await tx.events.append(environment, "event_1", "x", None, "{}", 1)
    for token in (TOKEN, SPENT):
        await tx.pending_sign_ins.insert(environment, token, PendingSignIn(USER, b"mark", 1, 9, None))
    await tx.pending_sign_ins.spend(environment, SPENT, 1, "answer")
    await tx.sessions.insert(environment, msgspec.structs.replace(SESSION, trusted_device_id=DEVICE))
    device = TrustedDeviceRecord(DEVICE, USER, SESSION.id, "mark", None, None, None, 1, None, 9, None)
    await tx.trusted_devices.insert(environment, device)
    await tx.trusted_devices.insert_token(environment, TOKEN, DEVICE, 1)
    await tx.sessions.insert_refresh(environment, TOKEN, SESSION.id, 1)
    link = LinkRecord(
        environment, "link_1", "enrollment", USER, FACTOR, None, None, None, None, 1, 9, None, None
    )
    await tx.links.insert(link, b"token %d" % environment)
    await tx.brandings.put(environment, BrandingRecord("name", None, None, 1))
    await tx.signing_keys.insert(environment, SigningKey("key_1", "sealed", "certificate", 1, 1, None))


async def contents(store: Store) -> dict[str, list[tuple[object, ...]]]:
    """Return every row of the tables."""

    async def unit(tx: Tx) -> dict[str, list[tuple[object, ...]]]:
        return {
            table: [tuple(row) for row in await tx.db.all(f"SELECT * FROM {table} ORDER BY 1, 2")]  # noqa: S608 - names from above
            for table in TABLES
        }

    return await store.read(unit)


@pytest.fixture
async def filled(store: Store, rows: "Rows") -> Store:
    await rows.put(store, rows.environment(OWN))
    await rows.put(store, rows.environment(OTHER))
    await store.write(lambda tx: fill(tx, rows, OWN))
    return store


@pytest.mark.parametrize("method", READS)
async def test_read_returns_no_row_of_another_environment(filled: Store, method: str) -> None:
    unit, expected = READS[method]
    assert await filled.write(unit) == expected


@pytest.mark.parametrize("method", WRITES)
async def test_write_changes_no_row_of_another_environment(filled: Store, rows: "Rows", method: str) -> None:
    unit, expected = WRITES[method]
    before = await contents(filled)
    assert await filled.write(lambda tx: unit(tx, rows)) == expected
    after = await contents(filled)
    assert {table: [row for row in after[table] if row[0] == OWN] for table in TABLES} == before


async def test_same_ids_are_independent_in_two_environments(filled: Store, rows: "Rows") -> None:
    before = await contents(filled)
    await filled.write(lambda tx: fill(tx, rows, OTHER))
    after = await contents(filled)
    for table in TABLES:
        assert [row for row in after[table] if row[0] == OWN] == before[table]
        assert len(after[table]) == 2 * len(before[table]) > 0
    spent = await filled.write(
        lambda tx: tx.attempts.spend(OTHER, attempt(rows, None), 9, EMPTY, 9, learned=(0, 0))
    )
    assert spent == SpendResult.ALL
    unaffected = await filled.read(lambda tx: tx.factors.by_id(OWN, FACTOR))
    assert unaffected == rows.factor(1)


def test_every_table_method_with_an_environment_is_listed() -> None:
    """A method added to one of these tables must be added above."""
    listed = {name.split(" ")[0] for name in (*READS, *WRITES)}
    tx = Tx(None)  # type: ignore[arg-type]  # only the classes are inspected
    methods = {
        f"{table}.{method}"
        for table in {*TABLES, "attempts"} & {*Tx.__slots__, *LAZY}
        for method in vars(type(getattr(tx, table)))
        if not method.startswith("_") and not {method, f"{table}.{method}"} & CREATORS
    }
    assert methods <= listed
