"""All routes of pages. None of them is in the OpenAPI document."""

from typing import Final

from authfactor.http.pages.console.routes import ROUTES as CONSOLE
from authfactor.http.pages.deferred_pages import file, page

_PASSKEY: Final = "/enroll/{link_id}/passkey"
_FACTORS: Final = "/factors/{link_id}"

_FLOW: Final = "/sign-in/{flow_id}"

_SIGN_IN_ROUTES: Final = [
    page("GET", _FLOW, "hosted_sign_in.first_step_page.show", "Sign in"),
    page("POST", _FLOW, "hosted_sign_in.first_step_page.submit", "Check a password or a passkey"),
    page("POST", f"{_FLOW}/account", "hosted_sign_in.flow_choice_pages.continue_as", "Continue as a user"),
    page("POST", f"{_FLOW}/start-over", "hosted_sign_in.flow_choice_pages.start_over", "Be someone else"),
    page("POST", f"{_FLOW}/cancel", "hosted_sign_in.flow_choice_pages.cancel", "Leave the sign-in"),
    page("POST", f"{_FLOW}/email-code/send", "hosted_sign_in.mailed_code_page.send", "Mail a code"),
    page("GET", f"{_FLOW}/email-code", "hosted_sign_in.mailed_code_page.show", "Enter a mailed code"),
    page("POST", f"{_FLOW}/email-code", "hosted_sign_in.mailed_code_page.submit", "Check a mailed code"),
    page("GET", f"{_FLOW}/verify", "hosted_sign_in.mailed_code_page.show_verification", "Verify the email"),
    page("POST", f"{_FLOW}/verify", "hosted_sign_in.mailed_code_page.verify", "Verify the email"),
    page("POST", f"{_FLOW}/verify/send", "hosted_sign_in.mailed_code_page.resend", "Mail another code"),
    page("GET", f"{_FLOW}/sign-up", "hosted_sign_in.sign_up_page.show", "Sign up"),
    page("POST", f"{_FLOW}/sign-up", "hosted_sign_in.sign_up_page.submit", "Sign up"),
    page("GET", f"{_FLOW}/forgotten", "hosted_sign_in.mailed_link_pages.show_forgotten", "Reset a password"),
    page("POST", f"{_FLOW}/forgotten", "hosted_sign_in.mailed_link_pages.ask_for_reset", "Mail a link"),
    page("GET", "/reset-password", "hosted_sign_in.mailed_link_pages.show_reset", "Choose a password"),
    page("POST", "/reset-password", "hosted_sign_in.mailed_link_pages.reset", "Set a password"),
    page("GET", "/invitation", "hosted_sign_in.mailed_link_pages.show_invitation", "An invitation"),
    page("POST", "/invitation", "hosted_sign_in.mailed_link_pages.accept_invitation", "Follow an invitation"),
    page("GET", f"{_FLOW}/code", "hosted_sign_in.code_page.show", "Enter a code"),
    page("POST", f"{_FLOW}/code", "hosted_sign_in.code_page.submit", "Check a code"),
    page("GET", f"{_FLOW}/enroll", "hosted_sign_in.enrollment_page.show", "Enroll in a factor"),
    page("POST", f"{_FLOW}/enroll", "hosted_sign_in.enrollment_page.submit", "Confirm a factor"),
    page("POST", f"{_FLOW}/enroll/app", "hosted_sign_in.enrollment_page.start", "Enroll in an app"),
    page("GET", f"{_FLOW}/enroll/passkey", "hosted_sign_in.passkey_enrollment_page.go_back", "Add a passkey"),
    page("POST", f"{_FLOW}/enroll/passkey", "hosted_sign_in.passkey_enrollment_page.submit", "Add a passkey"),
    page("GET", f"{_FLOW}/finish", "hosted_sign_in.finish_page.show", "Go on to the application"),
    page("POST", f"{_FLOW}/finish", "hosted_sign_in.finish_page.submit", "Go on to the application"),
    page("POST", f"{_FLOW}/recovery-codes", "hosted_sign_in.finish_page.make_codes", "Make recovery codes"),
    page("POST", f"{_FLOW}/recovery-codes.txt", "hosted_sign_in.finish_page.download_codes", "Download"),
]

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
    page("GET", _PASSKEY, "passkey_enrollment.go_back", "Enroll in a factor"),
    page("POST", _PASSKEY, "passkey_enrollment.add", "Create a passkey"),
    page("GET", f"{_PASSKEY}/confirm", "passkey_enrollment.go_back", "Enroll in a factor"),
    page("POST", f"{_PASSKEY}/confirm", "passkey_enrollment.confirm", "Confirm with another factor"),
    page("POST", "/enroll/{link_id}/recovery-codes", "recovery_code_pages.make_codes", "Make recovery codes"),
    page("POST", "/enroll/{link_id}/recovery-codes.txt", "recovery_code_pages.download_codes", "Download"),
    page("GET", "/challenge/{link_id}", "link_pages.show_step", "Enter a code"),
    page("POST", "/challenge/{link_id}", "link_pages.submit_code", "Check a code"),
    page("GET", _FACTORS, "factor_pages.show_page", "Manage factors"),
    page("GET", f"{_FACTORS}/confirm/{{then}}", "factor_pages.show_confirmation", "Confirm with a code"),
    page("POST", f"{_FACTORS}/confirm/{{then}}", "factor_pages.confirm", "Check a code"),
    page("POST", f"{_FACTORS}/rename/{{factor_id}}", "factor_pages.rename", "Rename a factor"),
    page("POST", f"{_FACTORS}/add", "factor_pages.start_adding", "Enroll in another factor"),
    page("GET", f"{_FACTORS}/add/code", "factor_pages.show_adding", "Enroll in another factor"),
    page("POST", f"{_FACTORS}/add/code", "factor_pages.finish_adding", "Confirm a factor"),
    page("GET", f"{_FACTORS}/remove/{{factor_id}}", "factor_pages.show_removal", "Remove a factor"),
    page("POST", f"{_FACTORS}/remove/{{factor_id}}", "factor_pages.remove", "Remove a factor"),
    page("POST", f"{_FACTORS}/forget/{{device_id}}", "factor_pages.forget_device", "Forget a trusted device"),
    page("GET", f"{_FACTORS}/recovery-codes", "factor_pages.show_new_codes", "Make recovery codes"),
    page("POST", f"{_FACTORS}/recovery-codes", "factor_pages.make_codes", "Make recovery codes"),
    page("POST", f"{_FACTORS}/recovery-codes.txt", "factor_pages.download_codes", "Download"),
    page("GET", f"{_FACTORS}/sessions", "factor_pages.show_sessions_end", "End sessions"),
    page("POST", f"{_FACTORS}/sessions", "factor_pages.end_sessions", "End sessions"),
    page("POST", f"{_FACTORS}/leave", "factor_pages.leave", "Leave the page"),
    page("GET", "/device", "hosted_sign_in.device_pages.show_form", "Connect a device"),
    page("POST", "/device", "hosted_sign_in.device_pages.submit_code", "Connect a device"),
    page("GET", "/device/{outcome}", "hosted_sign_in.device_pages.show_end", "End of connecting a device"),
    *_SIGN_IN_ROUTES,
    page("GET", "/docs", "docs_pages.show_index", "The API reference"),
    page("GET", "/docs/{name}", "docs_pages.show_page", "A page of the API reference"),
    *CONSOLE,
]
