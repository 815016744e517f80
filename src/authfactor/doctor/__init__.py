"""`authfactor doctor`: looks at an installation and says what is wrong and what to do about it.

Every check returns findings; none changes anything, and one that fails is a finding itself. It works on an
installation that does not start.
"""

from collections.abc import Sequence
from pathlib import Path

from authfactor import errors
from authfactor.crypto.vault import Vault
from authfactor.doctor import backups as archives
from authfactor.doctor import clock, database, files, keys, plaintext_secrets
from authfactor.doctor.finding import DoctorFinding, Level, ok, problem, warning
from authfactor.models import Clock, Entropy
from authfactor.settings import Settings
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
    """Run every check and return what each found, in the order a person would go.

    `config`: the settings' file. `url`: a running server, to compare clocks with. `backups`: files to search
    for secrets in the clear, besides the database's own; encrypted backups must open and are searched inside.
    """
    findings = [*files.modes(settings, config), *files.space(settings)]
    ring = keys.ring(settings, findings)
    vault = Vault(ring, entropy) if ring else None
    if url is not None:
        findings += await clock.against_server(url, at)
    try:
        version = await opening.schema_version(settings)
    except errors.AuthfactorError as error:
        text = getattr(error, "message", None) or str(error)
        return [*findings, problem("database", text, "See that the database runs and may be read.")]
    findings.append(_schema(version))
    if version != schema.NEEDED:
        return findings
    findings += files.integrity(settings)
    store = opening.store_as_it_is(settings)
    try:
        findings += await clock.against_database(settings, store, at)
        findings += await database.webhooks(store, at)
        findings += await database.operators(settings, store)
        findings += await database.seals(store)
        findings += await keys.needed(store, vault, at)
        if vault is not None:
            secrets = await database.open_secrets(store, vault, findings)
            findings += database.weak(secrets)
            encrypted = [path for path in backups if archives.is_encrypted(path)]
            plain = [path for path in backups if path not in encrypted]
            findings += plaintext_secrets.search(secrets, [*files.of_database(settings), *plain])
            findings += archives.examine(encrypted, ring, secrets)
            if settings.sqlite_path is None:
                findings += await plaintext_secrets.search_tables(store, secrets)
    except errors.AuthfactorError as error:
        findings.append(problem("database", error.message, "See that the database runs and may be read."))
    finally:
        await store.close()
    return findings


def _schema(version: str | None) -> DoctorFinding:
    if version is None:
        return warning("schema", "the database is empty or not there", "Run: authfactor serve")
    if version == schema.NEEDED:
        return ok("schema", f"{version}, as this release needs it")
    if version < schema.NEEDED:
        return problem("schema", f"{version}, this release needs {schema.NEEDED}", "Run: authfactor migrate")
    return problem("schema", f"{version} is of a newer release", "Run that release, or restore a backup.")
