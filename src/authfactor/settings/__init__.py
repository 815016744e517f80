"""All settings, validated and frozen. docs/reference/settings.md is generated from this module.

`settings.reading` loads the values. On SIGHUP a running server applies changed values of fields marked
`reload=True`; the others take effect when its processes are replaced.
"""

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from authfactor import ip_addresses
from authfactor.settings.field import PREFIX as PREFIX
from authfactor.settings.field import InvalidSetting as InvalidSetting
from authfactor.settings.field import check_bounds
from authfactor.settings.field import masked as masked
from authfactor.settings.field import setting as _setting

MINUTE_SECONDS: Final = 60
DAY_SECONDS: Final = 24 * 3600
LOG_LEVELS: Final = ("debug", "info", "warning", "error", "off")
_UNSPECIFIED: Final = frozenset({"0.0.0.0", "::", None})  # noqa: S104 - compared, never bound
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of one server. Raises `InvalidSetting` for values out of bounds."""

    data: Path = _setting(  # noqa: RUF009 - returns a dataclass field
        Path(".authfactor"), "Directory of the SQLite database and the key ring."
    )
    database_url: str = _setting(
        "", "sqlite:///path or postgresql://…; empty: authfactor.db in the data directory.", secret=True
    )
    keys: str = _setting(
        "", "Key ring file that seals secrets; empty: keys in the data directory, created at the first start."
    )
    key_command: str = _setting(
        "", "Command that prints the key ring, instead of the file; run without a shell."
    )
    key_command_timeout: int = _setting(
        10, "Time limit of the key command.", unit="seconds", minimum=1, maximum=300
    )
    team_name: str = _setting("authfactor", "Issuer shown in authenticator apps, for new environments.")
    base_url: str = _setting(
        "",
        "URL at which users and applications reach this server; empty: the address and port that it listens"
        " on, which is enough only on this machine.",
    )
    bootstrap_api_key: str = _setting(
        "", "API key of the first environment, created if it does not exist.", secret=True
    )
    bootstrap_client_id: str = _setting("", "Client id of the first environment.")
    bootstrap_redirect_uris: str = _setting(
        "",
        "Redirect URIs of the first environment, separated by commas; added to its list at each start.",
    )
    max_body: int = _setting(64 * 1024, "Maximum size of a request body.", unit="bytes", minimum=1024)
    min_secret: int = _setting(
        10, "Minimum length of a shared secret at enrollment.", unit="bytes", minimum=10
    )
    max_factors_per_user: int = _setting(10, "Maximum number of factors per user.", minimum=1)
    pending_factor_life: int = _setting(
        DAY_SECONDS,
        "Lifetime of an enrolled factor that has not been confirmed with a code.",
        unit="seconds",
        minimum=60,
    )
    challenge_life: int = _setting(
        10 * MINUTE_SECONDS, "Lifetime of a challenge.", unit="seconds", minimum=30
    )
    link_life: int = _setting(
        10 * MINUTE_SECONDS,
        "Lifetime of a link to a hosted page until it is opened, and then of its page session.",
        unit="seconds",
        minimum=60,
    )
    window: int = _setting(1, "Time steps of 30 s accepted before and after the current one (0 to 2).")
    learn_drift: bool = _setting(
        True,  # noqa: FBT003 - a default
        "Learn from accepted codes how far a phone's clock is off, and move its window by up to 2 steps.",
    )
    attempts_per_challenge: int = _setting(5, "Maximum number of codes tried per challenge.", minimum=1)
    lock_after: int = _setting(
        10, "Failed codes of a user within the lock window before the user is locked.", minimum=1
    )
    lock_window: int = _setting(
        15 * MINUTE_SECONDS, "Window in which failed codes count toward the lock.", unit="seconds", minimum=60
    )
    lock_time: int = _setting(15 * MINUTE_SECONDS, "Duration of a lock.", unit="seconds", minimum=60)
    failures_per_day: int = _setting(
        50, "Failed codes of a user within 24 hours before the user is locked.", minimum=1
    )
    doubling_after: int = _setting(
        15,
        "Failed codes of a user within 30 days from which on each one locks, for twice the previous time.",
        minimum=1,
    )
    longest_wait: int = _setting(64 * 3600, "Upper limit of the doubled wait.", unit="seconds", minimum=60)
    failures_per_month: int = _setting(
        33,
        "Failed codes of a user within 30 days before a lock until the oldest is 30 days old. 33 keeps the"
        " chance of a correct guess below 1 in 10,000 for a window of 1; use 20 for a window of 2.",
        minimum=1,
    )
    failures_in_a_row: int = _setting(
        100, "Consecutive failed codes after which only an operator can unlock the user.", minimum=1
    )
    passwords_per_account: int = _setting(
        20,
        "Burst of wrong passwords per account, from IP addresses its user has never signed in from; refills"
        " one every 30 minutes.",
        minimum=1,
    )
    passwords_per_account_and_address: int = _setting(
        10, "Burst of wrong passwords per account and IP address; refills one every 90 seconds.", minimum=1
    )
    passwords_per_address: int = _setting(
        100, "Burst of wrong passwords per IP address; refills one every 36 seconds.", minimum=1
    )
    refusal_time: int = _setting(
        1000,
        "Time after which a refused password is answered, always the same, so that it does not tell which"
        " emails have an account. Set it above twice the time that your slowest imported hash takes.",
        unit="milliseconds",
        maximum=10_000,
    )
    pending_sign_in_life: int = _setting(
        10 * MINUTE_SECONDS, "Lifetime of a sign-in that waits for its code.", unit="seconds", minimum=30
    )
    access_token_life: int = _setting(
        5 * MINUTE_SECONDS, "Lifetime of an access token.", unit="seconds", minimum=30
    )
    refresh_grace: int = _setting(
        30,
        "How long a spent refresh token still returns the same pair, for lost responses.",
        unit="seconds",
    )
    session_life: int = _setting(
        365 * DAY_SECONDS, "Maximum lifetime of a session.", unit="seconds", minimum=60
    )
    session_inactivity: int = _setting(
        0, "Maximum time between refreshes of a session; 0: its whole lifetime.", unit="seconds"
    )
    password_change_ends_sessions: bool = _setting(
        True,  # noqa: FBT003 - a default
        "End all sessions of a user whose password is changed.",
    )
    event_life: int = _setting(90 * DAY_SECONDS, "Retention of events.", unit="seconds", minimum=DAY_SECONDS)
    signing_threads: int = _setting(1, "Threads that sign access tokens.", minimum=1)
    idempotency_life: int = _setting(
        DAY_SECONDS, "Retention of the response stored for an Idempotency-Key.", unit="seconds", minimum=60
    )
    password_threads: int = _setting(1, "Threads that compute password hashes.", minimum=1)
    password_queue: int = _setting(
        64,
        "Sign-ins that may wait for a password hash; beyond that, the environment and network with the most"
        " waiting work gets a 503 with Retry-After.",
        minimum=1,
    )
    webhook_timeout: int = _setting(
        5, "Time limit for a webhook receiver's response.", unit="seconds", minimum=1
    )
    webhook_attempts: int = _setting(
        8,
        "Attempts before a webhook delivery counts as failed; each wait is four times the previous one.",
        minimum=1,
    )
    webhook_first_retry: int = _setting(
        5, "Wait before the second attempt of a webhook delivery.", unit="seconds", minimum=1
    )
    max_webhook_endpoints: int = _setting(
        16, "Maximum number of webhook endpoints per environment.", minimum=1
    )
    webhook_private_addresses: bool = _setting(
        False,  # noqa: FBT003 - a default
        "Allow webhooks to http URLs and to addresses in the server's own network.",
    )
    landing_page: bool = _setting(
        True,  # noqa: FBT003 - a default
        "Say at / what this server is and link to the reference and the console; off: 404.",
    )
    docs: bool = _setting(True, "Serve the API reference at /docs.")  # noqa: FBT003 - a default
    docs_try: bool = _setting(
        False,  # noqa: FBT003 - a default
        "Let the reference's pages send requests with an API key typed in; always on with --demo.",
    )
    pool_size: int = _setting(16, "Maximum number of PostgreSQL connections per worker process.", minimum=1)
    pool_wait: int = _setting(
        1500, "Maximum wait of a request for a PostgreSQL connection.", unit="milliseconds", minimum=1
    )
    console: bool = _setting(True, "Serve the operator console at /console.")  # noqa: FBT003 - a default
    console_session_life: int = _setting(
        12 * 3600, "Maximum lifetime of an operator's session.", unit="seconds", minimum=60
    )
    console_session_inactivity: int = _setting(
        30 * MINUTE_SECONDS,
        "Time after which an inactive operator is signed out.",
        unit="seconds",
        minimum=60,
    )

    host: str = _setting("127.0.0.1", "IP address or host name to listen on.")
    port: int = _setting(8080, "Port to listen on; 0: any free port.", maximum=65_535)
    workers: int = _setting(1, "Number of worker processes that serve requests.", minimum=1, maximum=64)
    max_connections: int = _setting(
        0,
        "Maximum number of open connections per worker; further ones get a 503 with Retry-After. 0: as many"
        " as the process may open files for, at most 4096.",
    )
    write_timeout: int = _setting(
        30,
        "How long a client may take to read a response before its connection is closed.",
        unit="seconds",
        minimum=1,
        maximum=3600,
    )
    tls_cert: str = _setting(
        "", "File with the TLS certificate and its chain; empty: plain HTTP, with TLS left to a proxy."
    )
    tls_key: str = _setting("", "File with the private key of the TLS certificate.")
    trusted_proxies: str = _setting(
        "",
        "Comma-separated IP addresses or networks whose X-Forwarded-For header is trusted.",
        reload=True,
    )
    drain_wait: int = _setting(
        0,
        "How long a stopping server keeps accepting requests while /readyz returns 503.",
        unit="seconds",
        maximum=600,
    )
    drain_time: int = _setting(
        20,
        "How long a stopping server waits for requests in progress.",
        unit="seconds",
        minimum=1,
        maximum=600,
    )
    log_level: str = _setting("info", "Minimum level of logged messages.", choices=LOG_LEVELS, reload=True)
    log_format: str = _setting(
        "auto",
        "Log lines for humans or as JSON; auto: for humans on a terminal, else JSON.",
        choices=("auto", "human", "json"),
    )
    log_requests: bool = _setting(
        True,  # noqa: FBT003 - a default
        "Log one line per request.",
        reload=True,
    )
    metrics_host: str = _setting("127.0.0.1", "IP address or host name that the metrics port listens on.")
    metrics_port: int = _setting(
        0, "Port that serves only GET /metrics, without a token; 0: none.", maximum=65_535
    )
    metrics_token: str = _setting(
        "",
        "Bearer token for GET /metrics on the API's port; empty: not served there.",
        secret=True,
        reload=True,
    )
    trace_endpoint: str = _setting(
        "",
        "URL of an OpenTelemetry collector (OTLP over HTTP); empty: the variable OTEL_EXPORTER_OTLP_ENDPOINT,"
        " or no traces.",
    )
    rate_per_key: int = _setting(
        0,
        "Rate limit per API key and worker; 0: no limit.",
        unit="requests per second",
        reload=True,
    )
    rate_per_key_burst: int = _setting(
        100, "Burst of requests per API key before its rate limit applies.", minimum=1, reload=True
    )
    rate_per_address: int = _setting(
        0,
        "Rate limit per client IP address and worker; 0: no limit.",
        unit="requests per second",
        reload=True,
    )
    rate_per_address_burst: int = _setting(
        100, "Burst of requests per client IP address before its rate limit applies.", minimum=1, reload=True
    )

    def __post_init__(self) -> None:
        """Validate bounds, choices and combinations. Raises `InvalidSetting`."""
        for item in fields(self):
            check_bounds(item.name, getattr(self, item.name), item.metadata)
        if bool(self.tls_cert) != bool(self.tls_key):
            raise InvalidSetting(
                f"{PREFIX}TLS_CERT and {PREFIX}TLS_KEY belong together: set both or neither."
            )
        if self.keys and self.key_command:
            raise InvalidSetting(f"{PREFIX}KEYS and {PREFIX}KEY_COMMAND exclude each other: set one.")
        trusted_networks(self.trusted_proxies)
        if not 0 <= self.window <= 2:  # noqa: PLR2004 - the range of decision 0003
            raise InvalidSetting(f"{PREFIX}WINDOW must be 0, 1 or 2, not {self.window}.")
        scheme = self.database_url.split(":", 1)[0]
        if self.database_url and scheme not in {"sqlite", "postgresql", "postgres"}:
            raise InvalidSetting(f"{PREFIX}DATABASE_URL must start with sqlite:/// or postgresql://.")

    @property
    def base_url_is_safe(self) -> bool:
        """Whether secrets may be shown at the base URL: HTTPS at a real host, or plain HTTP on loopback."""
        parts = urlsplit(self.base_url)
        real = parts.scheme == "https" and parts.hostname not in _UNSPECIFIED
        return real or is_loopback(self.base_url)

    @property
    def sqlite_path(self) -> Path | None:
        """Path of the SQLite database, or None when PostgreSQL is used."""
        if not self.database_url:
            return self.data / "authfactor.db"
        if self.database_url.startswith("sqlite:///"):
            return Path(self.database_url.removeprefix("sqlite:///"))
        return None

    @property
    def keys_path(self) -> Path:
        """Path of the key ring."""
        return Path(self.keys) if self.keys else self.data / "keys"

    def __repr__(self) -> str:
        """Return all settings with secrets masked."""
        shown = (f"{item.name}={masked(item.metadata, getattr(self, item.name))}" for item in fields(self))
        return f"Settings({', '.join(shown)})"


def is_loopback(url: str) -> bool:
    """Return whether a URL is plain HTTP on a loopback address."""
    parts = urlsplit(url)
    return parts.scheme == "http" and parts.hostname in _LOOPBACK


def reloaded(running: Settings, fresh: Settings) -> tuple[Settings, list[str]]:
    """Return the running settings with reloadable changes applied, and the names of the other changes."""
    changed = [item for item in fields(Settings) if getattr(running, item.name) != getattr(fresh, item.name)]
    taken = {item.name: getattr(fresh, item.name) for item in changed if item.metadata["reload"]}
    return replace(running, **taken), [item.name for item in changed if not item.metadata["reload"]]


def trusted_networks(text: str) -> tuple[ip_addresses.IPNetwork, ...]:
    """Parse a comma-separated list of IP addresses and networks. Raises `InvalidSetting`."""
    try:
        return tuple(ip_addresses.parse_network(part) for part in text.split(",") if part.strip())
    except ValueError as error:
        raise InvalidSetting(
            f"{PREFIX}TRUSTED_PROXIES must be addresses or networks such as 10.0.0.0/8: {error}."
        ) from error
