"""Every setting: checked, frozen. The reference in the docs is generated from here.

Where the values come from is `reading`'s business. A running server takes up a changed value on SIGHUP
where the field says `reload=True`; the others hold until the processes are replaced.
"""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

PREFIX: Final = "AUTHFACTOR_"
MINUTE_SECONDS: Final = 60
DAY_SECONDS: Final = 24 * 3600
LOG_LEVELS: Final = ("debug", "info", "warning", "error", "off")
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


class InvalidSetting(ValueError):
    """A setting is unknown or its value cannot be used; the message says which and what to do."""


def _setting(
    default: Any,  # noqa: ANN401 - as many types as fields
    about: str,
    *,
    unit: str = "",
    secret: bool = False,
    minimum: int = 0,
    maximum: int | None = None,
    choices: tuple[str, ...] = (),
    reload: bool = False,
) -> Any:  # noqa: ANN401 - a dataclass field
    metadata = {"about": about, "unit": unit, "secret": secret, "minimum": minimum, "maximum": maximum}
    return field(default=default, metadata={**metadata, "choices": choices, "reload": reload})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of one server."""

    data: Path = _setting(Path(".authfactor"), "Folder of the embedded database and the key ring.")
    database_url: str = _setting(
        "", "sqlite:///path or postgresql://…; empty: authfactor.db in the data folder.", secret=True
    )
    keys: str = _setting(
        "", "File of the key ring that seals secrets; empty: keys in the data folder, made at first start."
    )
    key_command: str = _setting("", "Command that prints the key ring, in place of the file; no shell.")
    key_command_timeout: int = _setting(
        10, "Time the key command has.", unit="seconds", minimum=1, maximum=300
    )
    team_name: str = _setting("authfactor", "Issuer shown in authenticator apps, for new environments.")
    base_url: str = _setting("http://127.0.0.1:8080", "Where users and applications reach this server.")
    bootstrap_api_key: str = _setting(
        "", "API key of the first environment, made if it is not there.", secret=True
    )
    bootstrap_client_id: str = _setting("", "Client id of the first environment.")
    max_body: int = _setting(64 * 1024, "Longest request body read.", unit="bytes", minimum=1024)
    min_secret: int = _setting(10, "Shortest shared secret accepted at enrolment.", unit="bytes", minimum=10)
    max_factors_per_user: int = _setting(10, "Factors a user may have.", minimum=1)
    pending_factor_life: int = _setting(
        DAY_SECONDS, "How long a factor may wait for its first code.", unit="seconds", minimum=60
    )
    challenge_life: int = _setting(
        10 * MINUTE_SECONDS, "How long a challenge can be answered.", unit="seconds", minimum=30
    )
    link_life: int = _setting(
        10 * MINUTE_SECONDS,
        "How long a link to a page waits to be opened, and its page then lasts.",
        unit="seconds",
        minimum=60,
    )
    window: int = _setting(1, "Steps of 30 s accepted before and after the current one (0 to 2).")
    attempts_per_challenge: int = _setting(5, "Codes that may be tried on one challenge.", minimum=1)
    lock_after: int = _setting(10, "Wrong codes of a user within the lock window that lock.", minimum=1)
    lock_window: int = _setting(
        15 * MINUTE_SECONDS, "Window in which wrong codes are counted.", unit="seconds", minimum=60
    )
    lock_time: int = _setting(15 * MINUTE_SECONDS, "How long a lock lasts.", unit="seconds", minimum=60)
    failures_per_day: int = _setting(50, "Wrong codes of a user within 24 hours that lock.", minimum=1)
    doubling_after: int = _setting(
        15,
        "Wrong codes of a user within 30 days from which on each one doubles the wait for the next.",
        minimum=1,
    )
    longest_wait: int = _setting(64 * 3600, "Where the doubling of waits ends.", unit="seconds", minimum=60)
    failures_per_month: int = _setting(
        33,
        "Wrong codes of a user within 30 days that lock until the oldest is 30 days old. 33 keep the chance"
        " of a guess below 1 in 10,000 for a window of 1; take 20 for a window of 2.",
        minimum=1,
    )
    failures_in_a_row: int = _setting(
        100, "Wrong codes in a row after which only an operator can unlock.", minimum=1
    )
    passwords_per_account: int = _setting(
        20,
        "Wrong passwords for an account at once, from addresses its user never signed in from; one more"
        " every 30 minutes.",
        minimum=1,
    )
    passwords_per_account_and_address: int = _setting(
        10, "Wrong passwords for an account from one address at once; one more every 90 seconds.", minimum=1
    )
    passwords_per_address: int = _setting(
        100, "Wrong passwords from one address at once; one more every 36 seconds.", minimum=1
    )
    pending_sign_in_life: int = _setting(
        10 * MINUTE_SECONDS, "How long a sign-in may wait for its code.", unit="seconds", minimum=30
    )
    access_token_life: int = _setting(
        5 * MINUTE_SECONDS, "How long an access token is valid.", unit="seconds", minimum=30
    )
    refresh_grace: int = _setting(
        30, "How long a spent refresh token still gives the same pair, for lost answers.", unit="seconds"
    )
    session_life: int = _setting(
        365 * DAY_SECONDS, "How long a session may last.", unit="seconds", minimum=60
    )
    session_inactivity: int = _setting(
        0, "How long a session may go without a refresh; 0 means as long as it lasts.", unit="seconds"
    )
    event_life: int = _setting(
        90 * DAY_SECONDS, "How long events are kept.", unit="seconds", minimum=DAY_SECONDS
    )
    signing_threads: int = _setting(1, "Access tokens signed at the same time.", minimum=1)
    idempotency_life: int = _setting(
        DAY_SECONDS, "How long the answer to an Idempotency-Key is kept.", unit="seconds", minimum=60
    )
    password_threads: int = _setting(1, "Password hashes computed at the same time.", minimum=1)
    password_queue: int = _setting(
        64, "Sign-ins that may wait for a password hash; more are told to retry.", minimum=1
    )
    webhook_timeout: int = _setting(5, "Time a webhook receiver has to answer.", unit="seconds", minimum=1)
    webhook_attempts: int = _setting(
        8, "Times a webhook is sent before it counts as failed; each wait is four times the last.", minimum=1
    )
    webhook_first_retry: int = _setting(
        5, "How long after its first failure a webhook is sent again.", unit="seconds", minimum=1
    )
    webhook_private_addresses: bool = _setting(
        False,  # noqa: FBT003 - a default
        "Let webhooks go to http URLs and to addresses of the server's own network.",
    )
    docs: bool = _setting(True, "Serve the reference of the API at /docs.")  # noqa: FBT003 - a default
    docs_try: bool = _setting(
        False,  # noqa: FBT003 - a default
        "Let pages of the reference send requests with a key that is typed in; always on with --demo.",
    )
    pool_size: int = _setting(16, "PostgreSQL connections a worker process may open.", minimum=1)
    pool_wait: int = _setting(
        1500, "How long a request may wait for a PostgreSQL connection.", unit="milliseconds", minimum=1
    )
    console: bool = _setting(True, "Serve the console for operators at /console.")  # noqa: FBT003 - a default
    console_session_life: int = _setting(
        12 * 3600, "How long an operator stays signed in at most.", unit="seconds", minimum=60
    )
    console_session_inactivity: int = _setting(
        30 * MINUTE_SECONDS,
        "How long an operator stays signed in without doing anything.",
        unit="seconds",
        minimum=60,
    )

    host: str = _setting("127.0.0.1", "Address to listen on.")
    port: int = _setting(8080, "Port to listen on; 0: any free one.", maximum=65_535)
    workers: int = _setting(1, "Processes that answer requests.", minimum=1, maximum=64)
    tls_cert: str = _setting(
        "", "File with the TLS certificate and its chain; empty: plain HTTP, TLS is a proxy's job."
    )
    tls_key: str = _setting("", "File with the private key of the TLS certificate.")
    trusted_proxies: str = _setting(
        "",
        "Addresses or networks, divided by commas, whose X-Forwarded-For is believed.",
        reload=True,
    )
    drain_wait: int = _setting(
        0,
        "How long a server that is told to stop goes on accepting while /readyz answers 503.",
        unit="seconds",
        maximum=600,
    )
    drain_time: int = _setting(
        20,
        "How long requests under way may take to finish at a stop.",
        unit="seconds",
        minimum=1,
        maximum=600,
    )
    log_level: str = _setting(
        "info", "Least important message that is logged.", choices=LOG_LEVELS, reload=True
    )
    log_format: str = _setting(
        "auto", "Lines for people or JSON; auto: for people on a terminal.", choices=("auto", "human", "json")
    )
    log_requests: bool = _setting(
        True,  # noqa: FBT003 - a default
        "Log one line for each request.",
        reload=True,
    )
    metrics_host: str = _setting("127.0.0.1", "Address on which the port for metrics listens.")
    metrics_port: int = _setting(
        0, "Port that serves GET /metrics and nothing else, without a token; 0: none.", maximum=65_535
    )
    metrics_token: str = _setting(
        "",
        "Bearer token with which GET /metrics answers on the API's port; empty: it does not.",
        secret=True,
        reload=True,
    )
    trace_endpoint: str = _setting(
        "", "URL that takes OpenTelemetry traces (OTLP over HTTP); empty: no traces."
    )
    rate_per_key: int = _setting(
        0,
        "Requests an API key may make to one worker; 0: no limit.",
        unit="requests per second",
        reload=True,
    )
    rate_per_key_burst: int = _setting(
        100, "Requests an API key may make at once before its rate counts.", minimum=1, reload=True
    )
    rate_per_address: int = _setting(
        0,
        "Requests one client address may make to one worker; 0: no limit.",
        unit="requests per second",
        reload=True,
    )
    rate_per_address_burst: int = _setting(
        100, "Requests a client address may make at once before its rate counts.", minimum=1, reload=True
    )

    def __post_init__(self) -> None:
        """Check what types alone do not say."""
        for item in fields(self):
            _check_bounds(item.name, getattr(self, item.name), item.metadata)
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
        """Whether secrets may be shown at the base URL: HTTPS, or plain HTTP on this very machine."""
        return urlsplit(self.base_url).scheme == "https" or is_loopback(self.base_url)

    @property
    def sqlite_path(self) -> Path | None:
        """Path of the embedded database, or None when PostgreSQL is used."""
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
        """Show everything but secrets."""
        shown = (f"{item.name}={masked(item.metadata, getattr(self, item.name))}" for item in fields(self))
        return f"Settings({', '.join(shown)})"


def is_loopback(url: str) -> bool:
    """Tell whether a URL is plain HTTP on this very machine, as when things are tried out."""
    parts = urlsplit(url)
    return parts.scheme == "http" and parts.hostname in _LOOPBACK


def masked(metadata: Mapping[str, Any], value: object) -> object:
    """Hide the value of a secret setting."""
    return "***" if metadata["secret"] and value else value


def reloaded(running: Settings, fresh: Settings) -> tuple[Settings, list[str]]:
    """Take up what may change in a running server; also name what differs but has to wait for a restart."""
    changed = [item for item in fields(Settings) if getattr(running, item.name) != getattr(fresh, item.name)]
    taken = {item.name: getattr(fresh, item.name) for item in changed if item.metadata["reload"]}
    return replace(running, **taken), [item.name for item in changed if not item.metadata["reload"]]


def trusted_networks(text: str) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
    """Read a list of addresses and networks, divided by commas. Raises `BadSetting`."""
    try:
        return tuple(ipaddress.ip_network(part.strip()) for part in text.split(",") if part.strip())
    except ValueError as error:
        raise InvalidSetting(
            f"{PREFIX}TRUSTED_PROXIES must be addresses or networks such as 10.0.0.0/8: {error}."
        ) from error


def _check_bounds(name: str, value: object, metadata: Mapping[str, Any]) -> None:
    variable = f"{PREFIX}{name.upper()}"
    if metadata["choices"] and value not in metadata["choices"]:
        raise InvalidSetting(f"{variable} must be one of {', '.join(metadata['choices'])}, not '{value}'.")
    if isinstance(value, int) and value < metadata["minimum"]:
        raise InvalidSetting(f"{variable} must be at least {metadata['minimum']}, not {value}.")
    if isinstance(value, int) and metadata["maximum"] is not None and value > metadata["maximum"]:
        raise InvalidSetting(f"{variable} must be at most {metadata['maximum']}, not {value}.")
