"""`authfactor vault`: manage the keys that encrypt secrets in the database."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

import click

from authfactor.cli import context, progress, terminal

if TYPE_CHECKING:
    from authfactor.crypto.keyring import KeySource
    from authfactor.crypto.vault import Key
    from authfactor.rules.audit.audit_log import AuditLog
    from authfactor.rules.maintenance.key_rotation import KeyRotation, RotationResult
    from authfactor.store import Store, Tx, Unit

T = TypeVar("T")
BAD_KEYS = 8
# Servers load a new key within `recheck_seconds`; requests in progress may still use the old one.
_MARGIN_SECONDS = 2


@click.group("vault", no_args_is_help=True)
def vault() -> None:
    """Manage the keys that encrypt secrets in the database."""


@vault.command("status")
@click.pass_context
def status(ctx: click.Context) -> None:
    """List the keys and how many secrets each encrypts. Exits with code 8 if a needed key is missing.

    Example: authfactor vault status
    """
    options = context.global_options(ctx)

    async def work(
        source: KeySource, store: Store, sealing: KeyRotation, _report: progress.Report
    ) -> tuple[list[Key], dict[str, int], dict[str, int]]:
        ring = source.read() if source.exists() else []
        counts = dict.fromkeys(await store.read(lambda tx: tx.vault_keys.ids()), 0)
        return ring, counts | await sealing.counts(store), await sealing.recovery_codes(store)

    ring, counts, codes = _run(options, "counting the secrets of each key", work)
    older = sum(count for key_id, count in codes.items() if not ring or key_id != ring[-1].id)
    keys = [
        {"id": key.id, "state": "seals" if key is ring[-1] else "opens", "secrets": counts.pop(key.id, 0)}
        for key in ring
    ]
    keys += [{"id": key_id, "state": "missing", "secrets": count} for key_id, count in counts.items()]
    waiting = sum(int(key["secrets"]) for key in keys if key["state"] == "opens")

    def print_text() -> None:
        rows = [[str(key["id"]), str(key["state"]), str(key["secrets"])] for key in keys]
        context.print_table(["key", "state", "secrets"], rows, "There is no key ring yet.")
        if older:
            print(f"{older} unused recovery codes need older keys, until their users make new ones.")
        if counts:
            print("A needed key is not on the ring. Restore the key ring from its backup.")
        elif waiting:
            print(
                f"{waiting} secrets are encrypted with older keys. Re-encrypt them: authfactor vault rotate"
            )

    context.print_result(options, {"keys": keys}, print_text)
    if counts:
        raise SystemExit(BAD_KEYS)


@vault.command("rotate")
@click.option(
    "--wait",
    type=click.IntRange(min=0),
    help="Seconds to wait until servers have loaded the new key. Default: as long as they need.",
)
@click.pass_context
def rotate(ctx: click.Context, wait: int | None) -> None:
    """Add a key to the ring and re-encrypt every secret with it, while servers run.

    If some secrets are still encrypted with older keys, for example after an interruption, no key is added
    and the newest one is used. Older keys stay on the ring, because backups need them; see authfactor vault
    retire.

    Example: authfactor vault rotate
    """
    from authfactor.core import system_clock
    from authfactor.crypto.vault import Vault
    from authfactor.rules.audit.audit_log import AuditLog

    options = context.global_options(ctx)

    async def work(
        source: KeySource, store: Store, sealing: KeyRotation, report: progress.Report
    ) -> tuple[str, bool, RotationResult]:
        async with sealing.lease(store):
            ring = source.read()
            counts = await sealing.counts(store)
            old = any(counts.get(key.id) for key in ring[:-1])
            known = await store.read(lambda tx: tx.vault_keys.ids())
            # A key on the ring that the database does not list was added by hand or by the key service.
            added = not old and ring[-1].id in known
            if added:
                ring = source.add(os.urandom)  # noqa: TID251 - a key, in a command
            await sealing.record_keys_in_use(store, ring[-1].id)
            seconds = source.recheck_seconds + _MARGIN_SECONDS if wait is None else wait
            await _wait(seconds, f"waiting until servers have loaded the key {ring[-1].id}", report)
            vault_ = Vault(ring, os.urandom)  # noqa: TID251 - nonces
            done = await sealing.reseal(
                store, vault_, lambda table, checked: report(f"re-encrypting {table}", checked)
            )
            await store.write(_rotate_audit_key(AuditLog(system_clock, os.urandom, vault_), ring[-1].id))  # noqa: TID251 - a key, in a command
            return ring[-1].id, added, done

    key_id, added, done = _run(options, "counting the secrets of each key", work)

    def print_text() -> None:
        new = "the new key" if added else "the key"
        print(f"Re-encrypted {done.values} secrets with {new} {key_id}.")
        for row in done.broken:
            terminal.show(f"Not changed, because no key decrypts it: {row}")

    shape = {"key": key_id, "added": added, "resealed": done.values, "broken": list(done.broken)}
    context.print_result(options, shape, print_text)
    if done.broken:
        raise SystemExit(BAD_KEYS)


@vault.command("retire")
@click.argument("key")
@context.reason_option
@click.pass_context
def retire(ctx: click.Context, key: str, reason: str | None) -> None:
    """Remove a key from the ring, if it encrypts nothing in the database.

    Backups made while the key was in use cannot be decrypted without it. This makes data that was deleted
    since unreadable in them too. Keep a copy of the key for as long as you may need to restore those backups.

    Example: authfactor vault retire 3f9a1c
    """
    from authfactor.core import system_clock
    from authfactor.crypto import keyring
    from authfactor.crypto.vault import Vault
    from authfactor.rules.audit.audit_log import AuditLog

    options = context.global_options(ctx)

    async def work(
        source: KeySource, store: Store, sealing: KeyRotation, _report: progress.Report
    ) -> list[Key]:
        async with sealing.lease(store):
            if source.exists() and source.read()[-1].id == key:
                raise keyring.KeyRingUnusable(
                    f"The key '{key}' cannot be removed: it is the newest key and in use."
                )
            # With a key command, the key may be off the ring already; audit entries need only the newest one.
            audit = AuditLog(system_clock, os.urandom, Vault(source.read(), os.urandom))  # noqa: TID251 - nonces, in a command
            await sealing.retire_key(
                store, key, lambda tx: audit.append(tx, context.actor(), "vault.retire", key, reason=reason)
            )
            return source.remove(key)

    ring = _run(options, "counting the secrets of each key", work)
    context.print_result(
        options,
        {"retired": key, "keys": [each.id for each in ring]},
        lambda: print(f"Removed the key {key}. Still on the ring: {', '.join(each.id for each in ring)}"),
    )


def _rotate_audit_key(audit: AuditLog, key_id: str) -> Unit[None]:
    """Renew the signing key of the audit log, since an older key of the ring may be known to an attacker."""

    async def run(tx: Tx) -> None:
        await audit.renew_key(tx)
        await audit.append(tx, context.actor(), "vault.rotate", key_id)

    return run


def _run(
    options: context.GlobalOptions,
    step: str,
    work: Callable[[KeySource, Store, KeyRotation, progress.Report], Awaitable[T]],
) -> T:
    """Open the database and the key ring even if needed keys are missing, call `work`, exit on errors.

    The progress bar begins with `step`.
    """
    from authfactor.core import system_clock
    from authfactor.crypto import keyring
    from authfactor.ids import IdGenerator
    from authfactor.rules.maintenance.key_rotation import KeyRotation
    from authfactor.store.opening import open_store

    settings = context.read_settings(options)

    async def open_and_run(report: progress.Report) -> T:
        store = await open_store(settings, create=False)
        try:
            holder = IdGenerator(system_clock, os.urandom)("")  # noqa: TID251 - an id, in a command
            return await work(keyring.source_of(settings), store, KeyRotation(system_clock, holder), report)
        finally:
            await store.close()

    try:
        with progress.bar(step, silent=options.as_json) as report:
            return context.run_async(open_and_run(report))
    except context.expected_errors() as error:
        context.fail(error)


async def _wait(seconds: int, step: str, report: progress.Report) -> None:
    import asyncio

    for passed in range(seconds):
        report(step, passed, seconds)
        await asyncio.sleep(1)
