"""Every route of the console."""

from typing import Final

from authfactor.http.pages.console import entering, glance, history, keys, outgoing, people, staff, tenants

ROUTES: Final = [
    *entering.ROUTES,
    *glance.ROUTES,
    *tenants.ROUTES,
    *keys.ROUTES,
    *people.ROUTES,
    *history.ROUTES,
    *outgoing.ROUTES,
    *staff.ROUTES,
]
