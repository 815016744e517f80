"""`authfactor doctor`: checks an installation and reports problems and how to fix them.

Every check returns findings and changes nothing. A check that cannot run is a finding too, so the doctor also
works if the server does not start.
"""

from collections.abc import Sequence
from pathlib import Path

from authfactor import errors
from authfactor.crypto.vault import Vault
from authfactor.doctor import authenticators, clock, database, files, keys, messages, plaintext_secrets
from authfactor.doctor import backups as encrypted_backups
from authfactor.doctor.finding import DoctorFinding, Level, ok, problem, warning
from authfactor.models import Clock, Entropy
from authfactor.settings import Settings, server_url
from authfactor.store import opening, schema

__all__ = ["DoctorFinding", "Level", "examine"]


async def examine(
    settings: Settings,
    at: Clock,
    entropy: Entropy,
    *,
    config: Path | None = None,
    url: str | None = None,
    backups: Sequence[Path] = (),
) -> list[DoctorFinding]:
    """Run every check and return the findings.

    Args:
        settings: Settings of the installation.
        at: The clock of this machine.
        entropy: Source of random bytes, for the vault.
        config: The settings file, whose permissions are checked.
        url: URL of a running server, to compare clocks with.
        backups: Files to search for secrets in plaintext, besides the database. Encrypted backups are
            decrypted first.
    """
    findings = [*files.modes(settings, config), *files.space(settings), *_base_url(settings)]
    ring = keys.ring(settings, findings)
    vault = Vault(ring, entropy) if ring else None
    if url is not None:
        findings += await clock.against_server(url, at)
    try:
        version = await opening.schema_version(settings)
    except errors.AuthfactorError as error:
        text = getattr(error, "message", None) or str(error)
        return [*findings, problem("database", text, "Check that the database is running and accessible.")]
    findings.append(_schema(settings, version))
    if version != schema.NEEDED:
        return findings
    findings += files.integrity(settings)
    store = opening.open_existing_store(settings)
    try:
        findings += [*await clock.against_database(settings, store, at), *await database.webhooks(store, at)]
        findings += await database.operators(settings, store)
        findings += await database.emails(store)
        findings += [*await database.seals(store), *await messages.examine(store, vault)]
        findings += await authenticators.examine(settings, store, at)
        findings += await keys.needed(store, vault, at)
        if vault is not None:
            findings += await database.recovery_codes(store, vault)
            secrets = await database.open_secrets(store, vault, findings)
            findings += database.weak(secrets)
            findings += database.duplicates(secrets)
            encrypted = [path for path in backups if encrypted_backups.is_encrypted(path)]
            plain = [path for path in backups if path not in encrypted]
            findings += plaintext_secrets.search(secrets, [*files.of_database(settings), *plain])
            findings += encrypted_backups.examine(encrypted, ring, secrets)
            if settings.sqlite_path is None:
                findings += await plaintext_secrets.search_tables(store, secrets)
    except errors.AuthfactorError as error:
        findings.append(
            problem("database", error.message, "Check that the database is running and accessible.")
        )
    finally:
        await store.close()
    return findings


def _base_url(settings: Settings) -> list[DoctorFinding]:
    text = server_url.warning(settings, settings.host)
    if text is None:
        return [ok("base URL", f"links point to {server_url.resolved(settings).base_url}")]
    problem_text, _, advice = text.rpartition(". ")
    return [warning("base URL", problem_text, advice)]


def _schema(settings: Settings, version: str | None) -> DoctorFinding:
    if version is None:
        text, _, advice = opening.NoInstallation(settings).message.partition(". ")
        return problem("schema", f"{text[0].lower()}{text[1:]}", advice)
    if version == schema.NEEDED:
        return ok("schema", f"{version}, the version that this release needs")
    if version < schema.NEEDED:
        return problem(
            "schema", f"{version}, but this release needs {schema.NEEDED}", "Run: authfactor migrate"
        )
    return problem(
        "schema", f"{version} belongs to a newer release", "Run the newer release, or restore a backup."
    )
