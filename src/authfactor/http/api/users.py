"""The endpoints of users."""

from authfactor.http.api.parameters import PAGE, USERS, list_query
from authfactor.http.request import Request
from authfactor.http.response import Response
from authfactor.http.routing import Route
from authfactor.wire import requests, responses


async def create_user(request: Request) -> Response:
    """Create a user."""
    unit = await request.af.users.prepare_create(request.environment, request.read_body(requests.CreateUser))
    return await request.write(unit, responses.user)


async def get_user(request: Request) -> Response:
    """Get a user."""
    return await request.read(request.af.users.get(request.environment, request.ids[0]), responses.user)


async def get_user_by_external_id(request: Request) -> Response:
    """Get a user by the application's own id."""
    return await request.read(
        request.af.users.by_external_id(request.environment, request.ids[0]), responses.user
    )


async def list_users(request: Request) -> Response:
    """List users."""
    query = list_query(request, "email")
    unit = request.af.users.page(request.environment, request.page_query(query), query.get("email"))
    return await request.read(unit, responses.users)


async def update_user(request: Request) -> Response:
    """Update a user."""
    unit = await request.af.users.prepare_update(
        request.environment, request.ids[0], request.read_body(requests.UpdateUser)
    )
    return await request.write(unit, responses.user)


async def delete_user(request: Request) -> Response:
    """Delete a user."""
    unit = request.af.users.delete(request.environment, request.ids[0])
    return await request.administer(unit, None, "user.delete", request.ids[0])


async def list_identities(request: Request) -> Response:
    """List a user's identities at social providers: this server has none."""
    unit = request.af.users.get(request.environment, request.ids[0])
    return await request.read(unit, _no_identities)


def _no_identities(_: object) -> list[responses.IdentityObject]:
    return []


ROUTES = [
    Route(
        "POST",
        "/user_management/users",
        create_user,
        201,
        "Create a user",
        takes=requests.CreateUser,
        requires=("email",),
        gives=responses.UserObject,
        refusals=(400, 422),
        tag=USERS,
    ),
    Route(
        "GET",
        "/user_management/users",
        list_users,
        200,
        "List users",
        gives=responses.ListOf[responses.UserObject],
        query=(*PAGE, "email"),
        refusals=(422,),
        tag=USERS,
    ),
    Route(
        "GET",
        "/user_management/users/external_id/{external_id}",
        get_user_by_external_id,
        200,
        "Get a user by external id",
        gives=responses.UserObject,
        refusals=(404,),
        tag=USERS,
    ),
    Route(
        "GET",
        "/user_management/users/{user_id}",
        get_user,
        200,
        "Get a user",
        gives=responses.UserObject,
        refusals=(404,),
        tag=USERS,
    ),
    Route(
        "PUT",
        "/user_management/users/{user_id}",
        update_user,
        200,
        "Update a user",
        takes=requests.UpdateUser,
        gives=responses.UserObject,
        refusals=(400, 404, 422),
        tag=USERS,
    ),
    Route(
        "DELETE",
        "/user_management/users/{user_id}",
        delete_user,
        200,
        "Delete a user",
        refusals=(404,),
        tag=USERS,
    ),
    Route(
        "GET",
        "/user_management/users/{user_id}/identities",
        list_identities,
        200,
        "List identities",
        gives=list[responses.IdentityObject],
        refusals=(404,),
        tag=USERS,
    ),
]
