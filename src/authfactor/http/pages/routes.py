"""All routes of pages. None of them is in the OpenAPI document."""

from typing import Final

from authfactor.http.pages.console.routes import ROUTES as CONSOLE
from authfactor.http.pages.deferred_pages import file, page

ROUTES: Final = [
    file("/assets/{name}", "assets.serve", "A static file"),
    file("/assets/brand/{client_id}/{file}", "page_branding.serve", "A style sheet or logo"),
    file("/", "landing_page.show", "What runs here"),
    file("/docs/", "landing_page.redirect_to_reference", "The API reference"),
    file("/console/", "landing_page.redirect_to_console", "The console"),
    file("/favicon.ico", "assets.serve_icon", "The icon"),
    page("GET", "/link/{token}", "link_pages.show_link", "Start page of a link"),
    page("POST", "/link/{token}", "link_pages.open_link", "Open a link"),
    page("GET", "/enroll/{link_id}", "link_pages.show_step", "Enroll in a factor"),
    page("POST", "/enroll/{link_id}", "link_pages.submit_code", "Confirm a factor"),
    page("POST", "/enroll/{link_id}/recovery-codes", "recovery_code_pages.make_codes", "Make recovery codes"),
    page("POST", "/enroll/{link_id}/recovery-codes.txt", "recovery_code_pages.download_codes", "Download"),
    page("GET", "/challenge/{link_id}", "link_pages.show_step", "Enter a code"),
    page("POST", "/challenge/{link_id}", "link_pages.submit_code", "Check a code"),
    page("GET", "/docs", "docs_pages.show_index", "The API reference"),
    page("GET", "/docs/{name}", "docs_pages.show_page", "A page of the API reference"),
    *CONSOLE,
]
