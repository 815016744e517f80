"""Tables of hosted sign-in: no method reaches another environment; rows expire, and end with a restore."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import msgspec
import pytest

from authfactor.models import PageQuery
from authfactor.models.hosted_sign_in import (
    AuthenticationProof,
    AuthorizationCode,
    BrowserSession,
    CorsOriginRecord,
    DeviceAuthorization,
    FlowRequest,
    RedirectUriRecord,
    SignInFlow,
)
from authfactor.store import Store, Tx
from authfactor.store.queries.retention import HOSTED_SIGN_IN

if TYPE_CHECKING:
    from tests.store.conftest import Rows

OWN, OTHER = 1, 2
USER = "user_0001"
HASH, OTHER_HASH = b"hash", b"other hash"
PROOF = AuthenticationProof(USER, b"mark", "password", "pwd otp mfa", 1, 1, "trusted_device_1")
REQUEST = FlowRequest(
    "https://a.example/", "state", "challenge", "sign-up", "kim", "login", 9, "::1", "agent ä"
)
FLOW = SignInFlow(
    OWN, "flow_1", REQUEST, "device_1", "browser_1", True, "kim@example.org", PROOF, "f", "c", 1, 9, None
)
CODE = AuthorizationCode(
    OWN, "https://a.example/", "challenge", PROOF, "::1", "agent", "browser_1", "s", 1, 9, None, None
)
BROWSER = BrowserSession("browser_1", PROOF, "session_1", 1, 2, 9)
DEVICE = DeviceAuthorization(
    OWN, "device_1", "BCDFGHJK", "::1", "agent", 5, None, None, None, None, None, 1, 9
)
URI = RedirectUriRecord("redir_1", "https://*.a.example/", False, 1, 1)
DEFAULT = RedirectUriRecord("redir_2", "https://a.example/", True, 1, 1)
ORIGIN = CorsOriginRecord("cors_origin_1", "https://a.example", 1, 1)
TABLES = (
    "redirect_uris",
    "cors_origins",
    "sign_in_flows",
    "authorization_codes",
    "browser_sessions",
    "device_authorizations",
)
# These insert, or find by a secret or a code that is one in all environments.
ANYWHERE = {
    *(f"{table}.insert" for table in TABLES),
    "sign_in_flows.by_secret",
    "authorization_codes.by_hash",
    "device_authorizations.by_user_code",
    "cors_origins.any_has",
}
METHODS: dict[str, tuple[Callable[[Tx], Awaitable[object]], object]] = {
    "redirect_uris.by_id": (lambda tx: tx.redirect_uris.by_id(OTHER, URI.id), None),
    "redirect_uris.by_uri": (lambda tx: tx.redirect_uris.by_uri(OTHER, URI.uri), None),
    "redirect_uris.all": (lambda tx: tx.redirect_uris.all(OTHER), []),
    "redirect_uris.patterns": (lambda tx: tx.redirect_uris.patterns(OTHER), []),
    "redirect_uris.page": (lambda tx: tx.redirect_uris.page(OTHER, PageQuery()), ([], False, False)),
    "redirect_uris.set_default": (lambda tx: tx.redirect_uris.set_default(OTHER, URI.id, 2), False),
    "redirect_uris.delete": (lambda tx: tx.redirect_uris.delete(OTHER, URI.id), False),
    "cors_origins.by_id": (lambda tx: tx.cors_origins.by_id(OTHER, ORIGIN.id), None),
    "cors_origins.has": (lambda tx: tx.cors_origins.has(OTHER, ORIGIN.origin), False),
    "cors_origins.page": (lambda tx: tx.cors_origins.page(OTHER, PageQuery()), ([], False, False)),
    "cors_origins.delete": (lambda tx: tx.cors_origins.delete(OTHER, ORIGIN.id), False),
    "sign_in_flows.set_email": (lambda tx: tx.sign_in_flows.set_email(OTHER, FLOW.id, 2, "x"), False),
    "sign_in_flows.set_proof": (
        lambda tx: tx.sign_in_flows.set_proof(OTHER, FLOW.id, 2, OTHER_HASH, PROOF),
        False,
    ),
    "sign_in_flows.attach": (lambda tx: tx.sign_in_flows.attach(OTHER, FLOW.id, 2, "x", "x"), False),
    "sign_in_flows.factors_of_user": (lambda tx: tx.sign_in_flows.factors_of_user(OTHER, USER), []),
    "sign_in_flows.complete": (lambda tx: tx.sign_in_flows.complete(OTHER, FLOW.id, 2), False),
    "authorization_codes.use": (lambda tx: tx.authorization_codes.use(OTHER, HASH, 2, "s"), False),
    "browser_sessions.by_secret": (lambda tx: tx.browser_sessions.by_secret(OTHER, HASH), None),
    "browser_sessions.by_id": (lambda tx: tx.browser_sessions.by_id(OTHER, BROWSER.id), None),
    "browser_sessions.touch": (lambda tx: tx.browser_sessions.touch(OTHER, BROWSER.id, 5), False),
    "browser_sessions.renew": (
        lambda tx: tx.browser_sessions.renew(OTHER, BROWSER.id, 5, OTHER_HASH, PROOF),
        False,
    ),
    "browser_sessions.set_last_session": (
        lambda tx: tx.browser_sessions.set_last_session(OTHER, BROWSER.id, "x"),
        False,
    ),
    "browser_sessions.end": (lambda tx: tx.browser_sessions.end(OTHER, BROWSER.id, 5), False),
    "browser_sessions.end_of_user": (lambda tx: tx.browser_sessions.end_of_user(OTHER, USER, 5, ""), 0),
    "device_authorizations.by_hash": (lambda tx: tx.device_authorizations.by_hash(OTHER, HASH), None),
    "device_authorizations.by_id": (lambda tx: tx.device_authorizations.by_id(OTHER, DEVICE.id), None),
    "device_authorizations.poll": (lambda tx: tx.device_authorizations.poll(OTHER, DEVICE.id, 5, 9), None),
    "device_authorizations.approve": (
        lambda tx: tx.device_authorizations.approve(OTHER, DEVICE.id, 2, "browser_1", PROOF),
        False,
    ),
    "device_authorizations.deny": (lambda tx: tx.device_authorizations.deny(OTHER, DEVICE.id, 2), False),
    "device_authorizations.use": (lambda tx: tx.device_authorizations.use(OTHER, DEVICE.id, 2, "s"), False),
    "hosted_sign_ins.clear_second_factor": (
        lambda tx: tx.hosted_sign_ins.clear_second_factor(OTHER, USER, "pwd"),
        None,
    ),
    "hosted_sign_ins.delete_of_user": (lambda tx: tx.hosted_sign_ins.delete_of_user(OTHER, USER), None),
}


async def fill(tx: Tx) -> None:
    await tx.redirect_uris.insert(OWN, URI)
    await tx.redirect_uris.insert(OWN, DEFAULT)
    await tx.cors_origins.insert(OWN, ORIGIN)
    await tx.sign_in_flows.insert(FLOW, HASH)
    await tx.authorization_codes.insert(HASH, CODE)
    await tx.browser_sessions.insert(OWN, HASH, BROWSER)
    assert await tx.device_authorizations.insert(HASH, DEVICE)
    assert await tx.device_authorizations.approve(OWN, DEVICE.id, 2, "browser_1", PROOF)


async def contents(store: Store) -> dict[str, list[tuple[object, ...]]]:
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
    await store.write(fill)
    return store


@pytest.mark.parametrize("method", METHODS)
async def test_method_reaches_no_row_of_another_environment(filled: Store, method: str) -> None:
    unit, expected = METHODS[method]
    before = await contents(filled)
    assert all(before.values())
    assert await filled.write(unit) == expected
    assert await contents(filled) == before


def test_every_method_with_an_environment_is_listed() -> None:
    """A method added to one of these tables must be added above."""
    tx = Tx(None)  # type: ignore[arg-type]  # only the classes are inspected
    methods = {
        f"{table}.{method}"
        for table in (*TABLES, "hosted_sign_ins")
        for method in vars(type(getattr(tx, table)))
        if not method.startswith("_")
    }
    assert methods - ANYWHERE == set(METHODS)


async def test_stored_rows_are_read_as_they_were(filled: Store) -> None:
    assert await filled.read(lambda tx: tx.sign_in_flows.by_secret(HASH, FLOW.id)) == FLOW
    assert await filled.read(lambda tx: tx.sign_in_flows.by_secret(OTHER_HASH, FLOW.id)) is None
    assert await filled.read(lambda tx: tx.sign_in_flows.by_secret(HASH, "flow_2")) is None
    assert await filled.read(lambda tx: tx.authorization_codes.by_hash(HASH)) == CODE
    assert await filled.read(lambda tx: tx.browser_sessions.by_id(OWN, BROWSER.id)) == BROWSER
    approved = msgspec.structs.replace(DEVICE, approved_at=2, browser_session_id="browser_1", proof=PROOF)
    assert await filled.read(lambda tx: tx.device_authorizations.by_id(OWN, DEVICE.id)) == approved
    assert await filled.read(lambda tx: tx.device_authorizations.by_user_code("BCDFGHJK")) == approved
    assert await filled.read(lambda tx: tx.redirect_uris.all(OWN)) == [URI, DEFAULT]
    assert await filled.read(lambda tx: tx.redirect_uris.patterns(OWN)) == [URI]


async def test_user_code_that_is_in_use_is_not_inserted_again(filled: Store) -> None:
    other = msgspec.structs.replace(DEVICE, environment=OTHER, id="device_2")
    assert not await filled.write(lambda tx: tx.device_authorizations.insert(OTHER_HASH, other))


async def test_hosted_session_of_another_user_is_not_renewed(filled: Store) -> None:
    other = msgspec.structs.replace(PROOF, user_id="user_2")
    assert not await filled.write(lambda tx: tx.browser_sessions.renew(OWN, BROWSER.id, 5, OTHER_HASH, other))


async def test_everything_of_a_user_is_cleared_and_deleted(filled: Store) -> None:
    await filled.write(lambda tx: tx.hosted_sign_ins.clear_second_factor(OWN, USER, "pwd"))
    flow = await filled.read(lambda tx: tx.sign_in_flows.by_secret(HASH, FLOW.id))
    code = await filled.read(lambda tx: tx.authorization_codes.by_hash(HASH))
    browser = await filled.read(lambda tx: tx.browser_sessions.by_id(OWN, BROWSER.id))
    device = await filled.read(lambda tx: tx.device_authorizations.by_id(OWN, DEVICE.id))
    for row in (flow, code, browser, device):
        assert row is not None
        assert row.proof is not None
        assert (row.proof.amr, row.proof.mfa_at) == ("pwd", None)
    await filled.write(lambda tx: tx.hosted_sign_ins.delete_of_user(OWN, USER))
    left = await contents(filled)
    assert {table for table in TABLES if left[table]} == {"redirect_uris", "cors_origins"}


@pytest.mark.parametrize("table", HOSTED_SIGN_IN)
async def test_expired_rows_are_deleted(filled: Store, table: str) -> None:
    assert await filled.write(lambda tx: tx.expired_rows.hosted_sign_in(table, 8)) == 0
    assert await filled.write(lambda tx: tx.expired_rows.hosted_sign_in(table, 9)) == 1
    assert (await contents(filled))[table] == []


async def test_nothing_older_than_a_restore_goes_on_after_it(filled: Store) -> None:
    await filled.write(lambda tx: tx.restored_rows.expire_rest(5))
    rows = await contents(filled)
    for table in HOSTED_SIGN_IN:
        statement = f"SELECT count(*) FROM {table} WHERE expires_at > 5"  # noqa: S608 - names of tables
        count = await filled.read(lambda tx, statement=statement: tx.db.all(statement))  # type: ignore[misc]  # a default
        assert (tuple(count[0]), len(rows[table])) == ((0,), 1)
