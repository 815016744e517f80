"""The endpoints of recovery codes, and of factors of every type with their names."""

from functools import partial

from authfactor.http.api.parameters import FACTORS
from authfactor.http.request import Request
from authfactor.http.response import Response
from authfactor.http.routing import Route
from authfactor.wire import recovery_codes, requests, responses, user_factors

RECOVERY_CODES = "recovery codes"


async def create_recovery_codes(request: Request) -> Response:
    """Make a user's recovery codes."""
    user_id = request.ids[0]
    unit = request.af.recovery_codes.create(request.environment, user_id)
    render = partial(recovery_codes.created, user_id)
    return await request.administer(unit, render, "recovery_codes.create", user_id)


async def import_recovery_codes(request: Request) -> Response:
    """Replace a user's recovery codes by those of another system."""
    user_id = request.ids[0]
    body = request.read_body(recovery_codes.ImportRecoveryCodes)
    unit = request.af.recovery_codes.import_set(request.environment, user_id, body.codes)
    render = partial(recovery_codes.counted, user_id)
    return await request.administer(unit, render, "recovery_codes.import", user_id)


async def get_recovery_codes(request: Request) -> Response:
    """Count a user's recovery codes."""
    user_id = request.ids[0]
    unit = request.af.recovery_codes.count(request.environment, user_id)
    return await request.read(unit, partial(recovery_codes.counted, user_id))


async def delete_recovery_codes(request: Request) -> Response:
    """Delete a user's recovery codes."""
    unit = request.af.recovery_codes.delete(request.environment, request.ids[0])
    return await request.administer(unit, None, "recovery_codes.delete", request.ids[0])


async def list_all_factors(request: Request) -> Response:
    """List all factors of a user."""
    unit = request.af.factors.of_user(request.environment, request.ids[0])
    found = await request.af.read(unit)
    passkeys = {}
    if not all(each.is_totp for each in found):
        stored = await request.af.read(request.af.passkeys.of_user(request.environment, request.ids[0]))
        passkeys = {each.factor_id: each for each in stored}
    return Response(request.status, responses.encode(user_factors.user_factors(found, passkeys)))


async def rename_factor(request: Request) -> Response:
    """Name a factor."""
    body = request.read_body(requests.RenameFactor)
    unit = request.af.factors.rename(request.environment, request.ids[0], body)
    passkey = await request.af.read(request.af.passkeys.of_factor(request.environment, request.ids[0]))
    render = partial(user_factors.user_factor, passkey=passkey)
    return await request.administer(unit, render, "factor.rename", request.ids[0])


ROUTES = [
    Route(
        "POST",
        "/authfactor/users/{user_id}/recovery_codes",
        create_recovery_codes,
        201,
        "Create recovery codes",
        gives=recovery_codes.RecoveryCodesCreatedObject,
        refusals=(404, 422),
        tag=RECOVERY_CODES,
    ),
    Route(
        "PUT",
        "/authfactor/users/{user_id}/recovery_codes",
        import_recovery_codes,
        200,
        "Import recovery codes",
        takes=recovery_codes.ImportRecoveryCodes,
        requires=("codes",),
        gives=recovery_codes.RecoveryCodesObject,
        refusals=(404, 422),
        tag=RECOVERY_CODES,
    ),
    Route(
        "GET",
        "/authfactor/users/{user_id}/recovery_codes",
        get_recovery_codes,
        200,
        "Count recovery codes",
        gives=recovery_codes.RecoveryCodesObject,
        refusals=(404,),
        tag=RECOVERY_CODES,
    ),
    Route(
        "DELETE",
        "/authfactor/users/{user_id}/recovery_codes",
        delete_recovery_codes,
        204,
        "Delete recovery codes",
        refusals=(404,),
        tag=RECOVERY_CODES,
    ),
    Route(
        "GET",
        "/authfactor/users/{user_id}/factors",
        list_all_factors,
        200,
        "List all factors",
        gives=responses.ListOf[user_factors.UserFactorObject],
        refusals=(404,),
        tag=FACTORS,
    ),
    Route(
        "PATCH",
        "/authfactor/factors/{factor_id}",
        rename_factor,
        200,
        "Rename a factor",
        takes=requests.RenameFactor,
        requires=("name",),
        gives=user_factors.UserFactorObject,
        refusals=(404, 422),
        tag=FACTORS,
    ),
]
