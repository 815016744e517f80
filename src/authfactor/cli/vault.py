"""`authfactor vault`: the keys that seal secrets."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

import click

from authfactor.cli import context

if TYPE_CHECKING:
    from authfactor.crypto.keyring import KeySource
    from authfactor.crypto.vault import Key
    from authfactor.rules.audit.audit_log import AuditLog
    from authfactor.rules.maintenance.key_rotation import KeyRotation, RotationProgress, RotationResult
    from authfactor.store import Store, Tx, Unit

T = TypeVar("T")
BAD_KEYS = 8
# A server takes a new key up within `look_again` seconds, and an answer under way may take its time.
_MARGIN_SECONDS = 2


@click.group("vault", no_args_is_help=True)
def vault() -> None:
    """The keys that seal secrets."""


@vault.command("status")
@click.pass_context
def status(ctx: click.Context) -> None:
    """List the keys and how many secrets each has sealed; exit code 8 when a needed key is missing.

    Example: authfactor vault status
    """
    options = context.chosen(ctx)

    async def work(source: KeySource, store: Store, sealing: KeyRotation) -> tuple[list[Key], dict[str, int]]:
        ring = source.read() if source.exists() else []
        counts = dict.fromkeys(await store.read(lambda tx: tx.vault_keys.ids()), 0)
        return ring, counts | await sealing.counts(store)

    ring, counts = _run(options, work)
    keys = [
        {"id": key.id, "state": "seals" if key is ring[-1] else "opens", "secrets": counts.pop(key.id, 0)}
        for key in ring
    ]
    keys += [{"id": key_id, "state": "missing", "secrets": count} for key_id, count in counts.items()]
    waiting = sum(int(key["secrets"]) for key in keys if key["state"] == "opens")

    def people() -> None:
        rows = [[str(key["id"]), str(key["state"]), str(key["secrets"])] for key in keys]
        context.table(["key", "state", "secrets"], rows, "There is no key ring yet.")
        if counts:
            print("A key that is needed is not on the ring. Put it back from the backup of the key ring.")
        elif waiting:
            print(f"{waiting} secrets are sealed with older keys. Seal them again: authfactor vault rotate")

    context.show(options, {"keys": keys}, people)
    if counts:
        raise SystemExit(BAD_KEYS)


@vault.command("rotate")
@click.option("--wait", type=click.IntRange(min=0), help="Seconds for servers to take the new key up.")
@click.pass_context
def rotate(ctx: click.Context, wait: int | None) -> None:
    """Add a key to the ring and seal every secret again with it, while servers run.

    When secrets are still sealed with older keys, as after an interruption, no key is added: the newest one
    of the ring is used. Older keys stay on the ring; backups need them. See authfactor vault retire.

    Example: authfactor vault rotate
    """
    from authfactor.core import system_clock
    from authfactor.crypto.vault import Vault
    from authfactor.rules.audit.audit_log import AuditLog

    options = context.chosen(ctx)

    async def work(source: KeySource, store: Store, sealing: KeyRotation) -> tuple[str, bool, RotationResult]:
        import asyncio

        async with sealing.lease(store):
            ring = source.read()
            counts = await sealing.counts(store)
            old = any(counts.get(key.id) for key in ring[:-1])
            known = await store.read(lambda tx: tx.vault_keys.ids())
            # A key that is on the ring and not noted yet was added by hand, or by the key service.
            added = not old and ring[-1].id in known
            if added:
                ring = source.add(os.urandom)  # noqa: TID251 - a key, in a command
            await sealing.record_keys_in_use(store, ring[-1].id)
            _say(options, f"Servers take the key {ring[-1].id} up within {source.recheck_seconds} s.")
            await asyncio.sleep(source.recheck_seconds + _MARGIN_SECONDS if wait is None else wait)
            vault_ = Vault(ring, os.urandom)  # noqa: TID251 - nonces
            done = await sealing.reseal(store, vault_, _counter(options))
            await store.write(_rotated(AuditLog(system_clock, os.urandom, vault_), ring[-1].id))  # noqa: TID251 - a key, in a command
            return ring[-1].id, added, done

    key_id, added, done = _run(options, work)

    def people() -> None:
        new = "the new key" if added else "the key"
        print(f"{done.values} secrets were sealed again with {new} {key_id}.")
        for row in done.broken:
            print(f"Left as it is, because no key opens it: {row}")

    shape = {"key": key_id, "added": added, "resealed": done.values, "broken": list(done.broken)}
    context.show(options, shape, people)
    if done.broken:
        raise SystemExit(BAD_KEYS)


@vault.command("retire")
@click.argument("key")
@context.reason_option
@click.pass_context
def retire(ctx: click.Context, key: str, reason: str | None) -> None:
    """Take a key off the ring once nothing in the database is sealed with it.

    Backups made while it was in use cannot be opened any more without it: that is how what was deleted since
    is made unreadable in them for good. Keep a copy for as long as you want to be able to restore them.

    Example: authfactor vault retire 3f9a1c
    """
    from authfactor.core import system_clock
    from authfactor.crypto import keyring
    from authfactor.crypto.vault import Vault
    from authfactor.rules.audit.audit_log import AuditLog

    options = context.chosen(ctx)

    async def work(source: KeySource, store: Store, sealing: KeyRotation) -> list[Key]:
        async with sealing.lease(store):
            if source.exists() and source.read()[-1].id == key:
                raise keyring.KeyRingUnusable(f"The key '{key}' is the newest one and seals; it has to stay.")
            # A ring that a command prints has lost the key already: entries' key is sealed with the newest.
            audit = AuditLog(system_clock, os.urandom, Vault(source.read(), os.urandom))  # noqa: TID251 - nonces, in a command
            await sealing.retire_key(
                store, key, lambda tx: audit.append(tx, context.actor(), "vault.retire", key, reason=reason)
            )
            return source.remove(key)

    ring = _run(options, work)
    context.show(
        options,
        {"retired": key, "keys": [each.id for each in ring]},
        lambda: print(f"The key {key} is off the ring. Left: {', '.join(each.id for each in ring)}"),
    )


def _rotated(audit: AuditLog, key_id: str) -> Unit[None]:
    """Leave the entry. Who got hold of an older key of the ring must not sign entries of from now on."""

    async def run(tx: Tx) -> None:
        await audit.renew_key(tx)
        await audit.append(tx, context.actor(), "vault.rotate", key_id)

    return run


def _run(options: context.GlobalOptions, work: Callable[[KeySource, Store, KeyRotation], Awaitable[T]]) -> T:
    """Open database and source of the ring, without the demand that every needed key be there."""
    from authfactor.core import system_clock
    from authfactor.crypto import keyring
    from authfactor.ids import IdGenerator
    from authfactor.rules.maintenance.key_rotation import KeyRotation
    from authfactor.store.opening import open_store

    settings = context.read_settings(options)

    async def inside() -> T:
        store = await open_store(settings)
        try:
            holder = IdGenerator(system_clock, os.urandom)("")  # noqa: TID251 - an id, in a command
            return await work(keyring.source_of(settings), store, KeyRotation(system_clock, holder))
        finally:
            await store.close()

    try:
        return context.finish(inside())
    except context.known() as error:
        context.fail(error)


def _say(options: context.GlobalOptions, text: str) -> None:
    if not options.as_json:
        click.echo(text, err=True)


def _counter(options: context.GlobalOptions) -> RotationProgress:
    """Tell on standard error how far it is, every 10,000 rows."""
    step = 10_000

    def tell(table: str, done: int) -> None:
        if done % step == 0:
            _say(options, f"{table}: {done}")

    return tell
