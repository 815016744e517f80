"""The endpoints of users."""

from authfactor.http.api.parameters import PAGE, USERS
from authfactor.http.request import Request
from authfactor.http.response import Response
from authfactor.http.routing import Route
from authfactor.wire import requests, responses


async def create_user(call: Request) -> Response:
    """Create a user."""
    unit = await call.af.users.create(call.environment, call.read_body(requests.CreateUser))
    return await call.write(unit, responses.user)


async def get_user(call: Request) -> Response:
    """Read a user."""
    return await call.read(call.af.users.get(call.environment, call.ids[0]), responses.user)


async def get_user_by_external_id(call: Request) -> Response:
    """Read a user by the application's own id."""
    return await call.read(call.af.users.by_external_id(call.environment, call.ids[0]), responses.user)


async def list_users(call: Request) -> Response:
    """List users."""
    query = call.query()
    unit = call.af.users.page(call.environment, call.page_query(query), query.get("email"))
    return await call.read(unit, responses.users)


async def update_user(call: Request) -> Response:
    """Change a user."""
    unit = await call.af.users.update(call.environment, call.ids[0], call.read_body(requests.UpdateUser))
    return await call.write(unit, responses.user)


async def delete_user(call: Request) -> Response:
    """Delete a user."""
    unit = call.af.users.delete(call.environment, call.ids[0])
    return await call.administer(unit, None, "user.delete", call.ids[0])


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
        query=(*PAGE, "email", "organization_id"),
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
]
