"""All routes of the console; a handler is `module.function` in this package."""

from typing import Final

from authfactor.http.pages.deferred_pages import operator_page, public_page

_URIS: Final = "/console/e/{environment}/redirect-uris"
_ENDPOINT: Final = "/console/e/{environment}/webhooks/{endpoint}"

ROUTES: Final = [
    public_page("GET", "/console/sign-in", "sign_in.show_sign_in", "Sign in to the console"),
    public_page("POST", "/console/sign-in", "sign_in.sign_in", "Sign in to the console"),
    operator_page("POST", "/console/sign-out", "sign_in.sign_out", "Sign out of the console"),
    public_page("GET", "/console/set-up/{token}", "sign_in.show_set_up", "Set up an operator"),
    public_page("POST", "/console/set-up/{token}", "sign_in.begin_set_up", "Set up an operator"),
    public_page("POST", "/console/set-up/{token}/code", "sign_in.finish_set_up", "Set up an operator"),
    operator_page("GET", "/console", "dashboard.go_home", "The console"),
    operator_page("GET", "/console/e/{environment}", "dashboard.show_dashboard", "Dashboard"),
    operator_page("GET", "/console/environments", "environments.show_environments", "Environments"),
    operator_page(
        "POST",
        "/console/environments",
        "environments.create_environment",
        "Create an environment",
        on_error="environments.show_environments",
    ),
    operator_page(
        "GET", "/console/e/{environment}/settings", "environments.show_settings", "Policy and limits"
    ),
    operator_page(
        "POST",
        "/console/e/{environment}/settings",
        "environments.save_settings",
        "Update an environment",
        on_error="environments.show_settings",
    ),
    operator_page(
        "GET", "/console/e/{environment}/mfa-policy", "mfa_policies.show_policy", "Rules and grace"
    ),
    operator_page(
        "POST",
        "/console/e/{environment}/mfa-policy",
        "mfa_policies.save_policy",
        "Change the policy",
        on_error="mfa_policies.show_policy",
    ),
    operator_page(
        "POST",
        "/console/e/{environment}/users/{user}/mfa-policy",
        "mfa_policies.decide",
        "Decide about a user's factor",
        on_error="users.show_user",
    ),
    operator_page(
        "POST",
        "/console/e/{environment}/look",
        "environments.save_branding",
        "Update the branding of pages",
        on_error="environments.show_settings",
    ),
    operator_page("GET", "/console/e/{environment}/keys", "api_keys.show_keys", "API keys"),
    operator_page(
        "POST",
        "/console/e/{environment}/keys",
        "api_keys.create_key",
        "Create an API key",
        on_error="api_keys.show_keys",
    ),
    operator_page(
        "POST",
        "/console/e/{environment}/keys/{key}/revoke",
        "api_keys.revoke_key",
        "Revoke an API key",
        on_error="api_keys.show_keys",
    ),
    operator_page("GET", "/console/e/{environment}/users", "users.show_users", "Users"),
    operator_page("GET", "/console/e/{environment}/users/{user}", "users.show_user", "A user"),
    operator_page(
        "POST",
        "/console/e/{environment}/users/{user}/unlock",
        "users.unlock",
        "Unlock a user",
        on_error="users.show_user",
    ),
    operator_page(
        "POST",
        "/console/e/{environment}/users/{user}/enroll",
        "users.enroll",
        "Create an enrollment link",
        on_error="users.show_user",
    ),
    operator_page(
        "POST",
        "/console/e/{environment}/users/{user}/factors-link",
        "users.link_to_factors",
        "Create a link to the factors page",
        on_error="users.show_user",
    ),
    operator_page(
        "POST",
        "/console/e/{environment}/users/{user}/reset",
        "users.reset",
        "Delete all factors of a user",
        on_error="users.show_user",
    ),
    operator_page(
        "POST",
        "/console/e/{environment}/users/{user}/delete",
        "users.delete_user",
        "Delete a user",
        on_error="users.show_user",
    ),
    operator_page(
        "POST",
        "/console/e/{environment}/users/{user}/factors/{factor}/delete",
        "users.delete_factor",
        "Delete a factor",
        on_error="users.show_user",
    ),
    operator_page(
        "POST",
        "/console/e/{environment}/users/{user}/sessions/{session}/revoke",
        "users.revoke_session",
        "End a session",
        on_error="users.show_user",
    ),
    operator_page(
        "POST",
        "/console/e/{environment}/users/{user}/devices/{device}/revoke",
        "users.revoke_device",
        "Revoke a trusted device",
        on_error="users.show_user",
    ),
    operator_page("GET", "/console/e/{environment}/events", "activity.show_events", "Events"),
    operator_page("GET", "/console/audit", "activity.show_audit", "Audit log"),
    operator_page("GET", _URIS, "redirect_uris.show_uris", "Redirect URIs"),
    operator_page(
        "POST", _URIS, "redirect_uris.add_uri", "Add a redirect URI", on_error="redirect_uris.show_uris"
    ),
    operator_page(
        "POST",
        f"{_URIS}/{{uri}}/default",
        "redirect_uris.make_default",
        "Make a redirect URI the default",
        on_error="redirect_uris.show_uris",
    ),
    operator_page(
        "POST",
        f"{_URIS}/{{uri}}/delete",
        "redirect_uris.remove_uri",
        "Remove a redirect URI",
        on_error="redirect_uris.show_uris",
    ),
    operator_page("GET", "/console/e/{environment}/webhooks", "webhooks.show_endpoints", "Webhook endpoints"),
    operator_page(
        "POST",
        "/console/e/{environment}/webhooks",
        "webhooks.create_endpoint",
        "Create a webhook endpoint",
        on_error="webhooks.show_endpoints",
    ),
    operator_page(
        "POST",
        f"{_ENDPOINT}/enable",
        "webhooks.enable",
        "Enable a webhook endpoint",
        on_error="webhooks.show_endpoints",
    ),
    operator_page(
        "POST",
        f"{_ENDPOINT}/disable",
        "webhooks.disable",
        "Disable a webhook endpoint",
        on_error="webhooks.show_endpoints",
    ),
    operator_page(
        "POST",
        f"{_ENDPOINT}/delete",
        "webhooks.delete",
        "Delete a webhook endpoint",
        on_error="webhooks.show_endpoints",
    ),
    operator_page(
        "POST",
        f"{_ENDPOINT}/ping",
        "webhooks.ping",
        "Send a test event to a webhook endpoint",
        on_error="webhooks.show_endpoints",
    ),
    operator_page("GET", "/console/e/{environment}/deliveries", "webhooks.show_deliveries", "Deliveries"),
    operator_page(
        "POST",
        "/console/e/{environment}/deliveries/{delivery}/resend",
        "webhooks.resend",
        "Send a delivery now",
        on_error="webhooks.show_deliveries",
    ),
    operator_page("GET", "/console/operators", "operators.show_operators", "Operators"),
    operator_page(
        "POST",
        "/console/operators",
        "operators.invite",
        "Invite an operator",
        on_error="operators.show_operators",
    ),
    operator_page(
        "POST",
        "/console/operators/{operator}/reset",
        "operators.reset",
        "Reset an operator",
        on_error="operators.show_operators",
    ),
    operator_page(
        "POST",
        "/console/operators/{operator}/role",
        "operators.change_role",
        "Change an operator's role",
        on_error="operators.show_operators",
    ),
    operator_page(
        "POST",
        "/console/operators/{operator}/disable",
        "operators.disable",
        "Disable an operator",
        on_error="operators.show_operators",
    ),
    operator_page("GET", "/console/account", "operators.show_account", "Your sessions"),
    operator_page(
        "POST", "/console/account/sessions/{session}/end", "operators.end_session", "End a session"
    ),
]
