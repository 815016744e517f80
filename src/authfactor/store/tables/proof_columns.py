"""The columns that several tables of hosted sign-in have: how a user was authenticated."""

from typing import TYPE_CHECKING, Any, Final

from authfactor.models.hosted_sign_in import AuthenticationProof

if TYPE_CHECKING:
    from authfactor.store.db import Row

PROOF_COLUMNS: Final = "user_id, password_mark, auth_method, amr, authenticated_at, mfa_at, trusted_device_id"
PROOF_WIDTH: Final = len(AuthenticationProof.__struct_fields__)


def proof_values(proof: AuthenticationProof | None) -> list[Any]:
    """Return the values of the columns, all NULL without a proof."""
    if proof is None:
        return [None] * PROOF_WIDTH
    return [getattr(proof, name) for name in AuthenticationProof.__struct_fields__]


def read_proof(row: "Row", start: int) -> AuthenticationProof | None:
    """Return the proof whose columns begin at `start`; None if they are NULL."""
    values = row[start : start + PROOF_WIDTH]
    return None if values[0] is None else AuthenticationProof(*values)


def stored_proof(row: "Row", start: int) -> AuthenticationProof:
    """Return the proof of a row that always has one."""
    return AuthenticationProof(*row[start : start + PROOF_WIDTH])
