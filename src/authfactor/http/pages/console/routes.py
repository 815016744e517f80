"""All routes of the console."""

from typing import Final

from authfactor.http.pages.console import (
    activity,
    api_keys,
    dashboard,
    environments,
    operators,
    sign_in,
    users,
    webhooks,
)

ROUTES: Final = [
    *sign_in.ROUTES,
    *dashboard.ROUTES,
    *environments.ROUTES,
    *api_keys.ROUTES,
    *users.ROUTES,
    *activity.ROUTES,
    *webhooks.ROUTES,
    *operators.ROUTES,
]
