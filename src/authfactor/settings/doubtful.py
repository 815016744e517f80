"""Settings that are valid and probably not what was meant: warnings of `authfactor config check`."""

from authfactor.settings import PREFIX, Settings, is_loopback, server_url

# The chance of a correct guess stays below 1 in 10,000 with this many failures a month (decision 0013).
FAILURES_FOR_WIDE_WINDOW = 20
WIDE_WINDOW = 2


def warnings(settings: Settings) -> list[str]:
    """Return what is doubtful, each with what to do, the most important first."""
    missing = server_url.warning(settings, settings.host)
    public = bool(settings.base_url) and not is_loopback(settings.base_url)
    found = [] if missing is None else [missing]
    if settings.base_url and not settings.base_url_is_safe:
        found.append(
            f"{PREFIX}BASE_URL is {settings.base_url}: browsers would send codes and passwords"
            " unencrypted, so links to pages are refused and the console does not open. Set it to an https"
            " URL."
        )
    if public and settings.base_url_is_safe and not settings.tls_cert and not settings.trusted_proxies:
        found.append(
            f"{PREFIX}BASE_URL is https and this server has no certificate, so a proxy must be in front of"
            " it. Rate limits, limits on passwords and logs see every client with the proxy's address. Set"
            f" {PREFIX}TRUSTED_PROXIES to the proxy's address."
        )
    if public and settings.docs_try:
        found.append(
            f"{PREFIX}DOCS_TRY lets pages of the reference send requests with an API key that someone types"
            " into a browser. Turn it off on a server with real users."
        )
    if public and settings.webhook_private_addresses:
        found.append(
            f"{PREFIX}WEBHOOK_PRIVATE_ADDRESSES lets everyone with an API key make this server send requests"
            " into its own network. Turn it off unless all of them may."
        )
    if settings.metrics_port and not server_url.is_loopback_host(settings.metrics_host):
        found.append(
            f"The metrics port {settings.metrics_port} listens on {settings.metrics_host} without a token."
            f" Make sure that only the monitoring reaches it, or use {PREFIX}METRICS_TOKEN on the API's port."
        )
    if settings.window == WIDE_WINDOW and settings.failures_per_month > FAILURES_FOR_WIDE_WINDOW:
        found.append(
            f"{PREFIX}WINDOW is {WIDE_WINDOW}, which makes guessing easier. Set {PREFIX}FAILURES_PER_MONTH to"
            f" {FAILURES_FOR_WIDE_WINDOW} or less."
        )
    return found
