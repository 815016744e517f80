"""Imports over HTTP: the entries of a request, each judged for itself."""

from authfactor.errors import InvalidRequest, Item
from authfactor.factor_files import otpauth_uri
from authfactor.factor_files.entries import (
    FactorEntry,
    Refused,
    UnusableEntryError,
    drift_of,
    name_of,
    profile_of,
    secret_of,
)
from authfactor.models import Environment
from authfactor.rules.factors.imports import FactorImports, ImportOutcome, Owner, WantedFactor
from authfactor.store import Tx, Unit
from authfactor.wire.imports import ImportedEntry, ImportFactors, ImportObject, ImportResultObject, imported
from authfactor.wire.requests import without_nul

MOST = 1000


def prepare(imports: FactorImports, environment: Environment, request: ImportFactors) -> Unit[ImportObject]:
    """Prepare the import of a request's entries, as one unit. Raises `InvalidRequest`."""
    given = request.entries
    if not given:
        raise InvalidRequest(Item("entries", "entries_required", "entries: required, at least one."))
    if len(given) > MOST:
        raise InvalidRequest(Item("entries", "entries_too_many", f"entries: at most {MOST}."))
    read = [_read(each) for each in given]
    wanted = [each for each in read if isinstance(each, WantedFactor)]
    run = imports.run(environment, wanted, create_users=bool(request.create_users))

    async def work(tx: Tx) -> ImportObject:
        outcomes = iter(await run(tx))
        return imported(
            [
                _result(index, each if isinstance(each, ImportOutcome) else next(outcomes))
                for index, each in enumerate(read)
            ]
        )

    return work


def target_of(found: ImportObject) -> str:
    """Return what the audit entry of an import names."""
    return f"{found.imported} factors"


def _read(given: ImportedEntry) -> WantedFactor | ImportOutcome:
    owner = _owner(given)
    if owner is None:
        return ImportOutcome("user_unknown", "no_name")
    try:
        entry = _entry(given)
    except UnusableEntryError as error:
        return ImportOutcome("refused", Refused("", error.code, error.detail).reason)
    return WantedFactor(owner, entry)


def _owner(given: ImportedEntry) -> Owner | None:
    if given.user_id:
        return Owner("id", without_nul(given.user_id))
    if given.external_id:
        return Owner("external_id", without_nul(given.external_id))
    return Owner("email", without_nul(given.email)) if given.email else None


def _entry(given: ImportedEntry) -> FactorEntry:
    issuer, account, email = name_of(given.totp_issuer), name_of(given.totp_user), name_of(given.email)
    drift = drift_of(given.drift or 0)
    if given.uri is not None:
        if given.totp_secret is not None:
            raise UnusableEntryError("secret_and_uri_provided")
        entry = otpauth_uri.read("", given.uri)
        return entry._replace(
            issuer=issuer or entry.issuer, account=account or entry.account, email=email, drift=drift
        )
    profile = profile_of(given.algorithm, given.digits, given.period)
    return FactorEntry("", secret_of(given.totp_secret), profile, issuer, account, email, drift=drift)


def _result(index: int, outcome: ImportOutcome) -> ImportResultObject:
    return ImportResultObject(index, outcome.status, outcome.code, outcome.user_id, outcome.factor_id)
