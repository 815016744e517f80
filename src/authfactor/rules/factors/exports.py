"""Exports of factors with their secrets, for the command line alone (decision 0054)."""

from authfactor import errors
from authfactor.crypto.vault import Vault
from authfactor.factor_files.writing import ExportedFactor, ExportedUser
from authfactor.models import Clock
from authfactor.models.exports import StoredUser
from authfactor.rules.factors.factor_secrets import profile_of, secret_row
from authfactor.rules.unit import Scope, unit


class FactorExports:
    """Reads users with the secrets of their active factors."""

    def __init__(self, clock: Clock, vault: Vault) -> None:
        """Keep the collaborators; `vault` opens the secrets."""
        self._clock = clock
        self._vault = vault

    @unit
    async def users_after(self, scope: Scope, after: str) -> list[ExportedUser]:
        """Return the next users in the order of their ids, after `after`; none at the end.

        Raises `vault.UnsealError` for a secret that no key of the ring opens.
        """
        found = await scope.tx.exports.users_after(scope.number, after)
        return [self._opened(scope, each) for each in found]

    @unit
    async def user(self, scope: Scope, user_id: str) -> ExportedUser:
        """Return one user. Raises `NotFound`, and `vault.UnsealError`."""
        found = await scope.tx.exports.user(scope.number, user_id)
        if found is None:
            raise errors.NotFound("User", user_id)
        return self._opened(scope, found)

    def _opened(self, scope: Scope, stored: StoredUser) -> ExportedUser:
        factors = [
            ExportedFactor(
                factor.id,
                self._vault.unseal(factor.secret, secret_row(scope.number, factor.id)),
                profile_of(factor),
                factor.issuer,
                factor.account,
                factor.drift,
                factor.name,
            )
            for factor in stored.factors
            if factor.activated_at is not None and factor.is_totp
        ]
        return ExportedUser(stored.user, factors, [code._asdict() for code in stored.codes])
