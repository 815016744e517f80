"""Settings: sources and their precedence, refused values, and secrets that are never printed."""

import importlib.util
import re
from collections.abc import Callable
from dataclasses import Field, FrozenInstanceError, fields
from pathlib import Path
from typing import Final

import pytest

from authfactor import settings
from authfactor.settings import InvalidSetting, Settings, reading, server_url

NAMES: Final = [item.name for item in fields(Settings)]
NUMBERS: Final = [item.name for item in fields(Settings) if item.type is int]
SECRETS: Final = ["database_url", "bootstrap_api_key", "metrics_token"]


def _toml(folder: Path, text: str) -> Path:
    file = folder / "authfactor.toml"
    file.write_text(text)
    return file


def test_defaults_apply_without_any_source() -> None:
    assert reading.read({}) == Settings()
    assert reading.read({"PATH": "/bin", "AUTHFACTO_WINDOW": "9", "XAUTHFACTOR_WINDOW": "9"}) == Settings()


def test_default_limits_never_change() -> None:
    default = Settings()

    assert (default.window, default.challenge_life, default.attempts_per_challenge) == (1, 600, 5)
    assert (default.lock_after, default.lock_window, default.lock_time) == (10, 900, 900)
    assert (default.failures_per_day, default.failures_in_a_row) == (50, 100)
    assert (default.min_secret, default.max_body) == (10, 65_536)


@pytest.mark.parametrize("name", NUMBERS)
def test_every_number_is_read_from_the_environment(name: str) -> None:
    number = 2 if name == "window" else getattr(Settings(), name) + 1

    assert getattr(reading.read({f"AUTHFACTOR_{name.upper()}": str(number)}), name) == number


def test_texts_and_paths_are_read_from_the_environment() -> None:
    loaded = reading.read({"AUTHFACTOR_DATA": "/srv/authfactor", "AUTHFACTOR_TEAM_NAME": "Acme 100%"})

    assert loaded == Settings(data=Path("/srv/authfactor"), team_name="Acme 100%")


@pytest.mark.parametrize(
    ("variable", "suggestion"),
    [
        ("AUTHFACTOR_LOCK_AFTR", "AUTHFACTOR_LOCK_AFTER"),
        ("AUTHFACTOR_LOCKAFTER", "AUTHFACTOR_LOCK_AFTER"),
        ("AUTHFACTOR_WINDOWS", "AUTHFACTOR_WINDOW"),
        ("AUTHFACTOR_DATABASE_URI", "AUTHFACTOR_DATABASE_URL"),
    ],
)
def test_misspelled_variable_is_refused_with_a_suggestion(variable: str, suggestion: str) -> None:
    with pytest.raises(InvalidSetting) as caught:
        reading.read({variable: "hunter2"})

    assert str(caught.value) == f"{variable} is not a setting of this release. Did you mean {suggestion}?"


@pytest.mark.parametrize("variable", ["AUTHFACTOR_", "AUTHFACTOR_QQQQQ"])
def test_unknown_variable_is_refused_with_a_hint_to_config_show(variable: str) -> None:
    with pytest.raises(InvalidSetting, match=f"^{variable} is not a setting .* `authfactor config show` "):
        reading.read({variable: "hunter2"})


@pytest.mark.parametrize("text", ["", "ten", "1.5", "1e3", "0x10", "10 min", "None", "true"])
def test_value_that_is_not_a_whole_number_is_refused(text: str) -> None:
    with pytest.raises(InvalidSetting, match=f"^AUTHFACTOR_LOCK_AFTER must be a whole number, not '{text}'"):
        reading.read({"AUTHFACTOR_LOCK_AFTER": text})


@pytest.mark.parametrize(
    "item", [item for item in fields(Settings) if item.type is int], ids=lambda i: i.name
)
def test_number_below_its_minimum_is_refused(item: Field[object]) -> None:
    minimum = item.metadata["minimum"]

    assert getattr(Settings(**{item.name: minimum}), item.name) == minimum
    with pytest.raises(
        InvalidSetting, match=f"^AUTHFACTOR_{item.name.upper()} must be at least {minimum}, not {minimum - 1}"
    ):
        Settings(**{item.name: minimum - 1})


@pytest.mark.parametrize("window", [0, 1, 2])
def test_a_window_of_zero_to_two_steps_is_accepted(window: int) -> None:
    assert Settings(window=window).window == window


@pytest.mark.parametrize("window", [3, 10, 2**31])
def test_window_over_two_steps_is_refused(window: int) -> None:
    with pytest.raises(InvalidSetting, match=f"^AUTHFACTOR_WINDOW must be 0, 1 or 2, not {window}"):
        Settings(window=window)


@pytest.mark.parametrize("minimum", [0, 9])
def test_minimum_secret_length_below_80_bits_is_refused(minimum: int) -> None:
    with pytest.raises(InvalidSetting, match="AUTHFACTOR_MIN_SECRET must be at least 10"):
        reading.read({"AUTHFACTOR_MIN_SECRET": str(minimum)})


def test_settings_are_read_from_a_file(tmp_path: Path) -> None:
    file = _toml(tmp_path, 'team_name = "Acme"\nlock_after = 5\ndata = "/srv/a"\n')

    assert reading.read({}, file) == Settings(team_name="Acme", lock_after=5, data=Path("/srv/a"))


def test_command_line_overrides_environment_which_overrides_the_file(tmp_path: Path) -> None:
    file = _toml(tmp_path, "lock_after = 5\nlock_time = 100\nlock_window = 100\n")
    environ = {"AUTHFACTOR_LOCK_TIME": "200", "AUTHFACTOR_LOCK_WINDOW": "200"}
    loaded = reading.read(environ, file, lock_window=300, team_name=None)

    assert loaded == Settings(lock_after=5, lock_time=200, lock_window=300)


def test_misspelled_name_in_the_file_is_refused(tmp_path: Path) -> None:
    file = _toml(tmp_path, "lock_aftr = 5\n")

    with pytest.raises(
        InvalidSetting, match=r"lock_aftr is not a setting of this release. Did you mean .*LOCK_AFTER"
    ):
        reading.read({}, file)


@pytest.mark.parametrize("value", ["1.5", "true", '"ten"', "[1]", "{a = 1}", "2026-01-01"])
def test_number_of_another_type_in_the_file_is_refused(tmp_path: Path, value: str) -> None:
    file = _toml(tmp_path, f"lock_after = {value}\n")

    with pytest.raises(InvalidSetting, match=f"{re.escape(str(file))}: lock_after must be a whole number"):
        reading.read({}, file)


@pytest.mark.parametrize("value", ["5", "true", '["Acme"]', "{a = 1}", "2026-01-01"])
def test_text_of_another_type_in_the_file_is_refused(tmp_path: Path, value: str) -> None:
    file = _toml(tmp_path, f"team_name = {value}\n")

    with pytest.raises(InvalidSetting, match=f"{re.escape(str(file))}: team_name must be a quoted string"):
        reading.read({}, file)


def test_file_that_is_not_utf_8_is_named_in_the_error(tmp_path: Path) -> None:
    file = tmp_path / "authfactor.toml"
    file.write_bytes(b'team_name = "\xff"')

    with pytest.raises(InvalidSetting, match=r"authfactor\.toml is not valid TOML"):
        reading.read({}, file)


@pytest.mark.parametrize("text", ["lock_after =", "lock_after = 5\nlock_after = 5", "[lock_after", "\0"])
def test_file_that_is_not_toml_is_named_in_the_error(tmp_path: Path, text: str) -> None:
    file = _toml(tmp_path, text)

    with pytest.raises(InvalidSetting, match=f"^{re.escape(str(file))} is not valid TOML"):
        reading.read({}, file)


def test_missing_file_is_named_in_the_error(tmp_path: Path) -> None:
    with pytest.raises(InvalidSetting, match=r"missing\.toml cannot be read: No such file"):
        reading.read({}, tmp_path / "missing.toml")


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("", Path("/srv/a/authfactor.db")),
        ("sqlite:////srv/b.db", Path("/srv/b.db")),
        ("sqlite:///b.db", Path("b.db")),
        ("postgresql://a@localhost/b", None),
        ("postgres://a@localhost/b", None),
    ],
)
def test_database_url_selects_a_file_or_postgresql(url: str, path: Path | None) -> None:
    assert Settings(data=Path("/srv/a"), database_url=url).sqlite_path == path


@pytest.mark.parametrize("url", ["mysql://a:hunter2@b/c", "hunter2", "/srv/a.db", "http://a:hunter2@b"])
def test_unsupported_database_url_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(
        InvalidSetting, match="AUTHFACTOR_DATABASE_URL must start with sqlite:/// or"
    ) as caught:
        Settings(database_url=url)
    assert "hunter2" not in str(caught.value)


def test_key_ring_defaults_to_the_data_folder() -> None:
    assert Settings(data=Path("/srv/a")).keys_path == Path("/srv/a/keys")
    assert Settings(data=Path("/srv/a"), keys="/etc/keys").keys_path == Path("/etc/keys")


def test_fields_of_settings_cannot_be_assigned() -> None:
    with pytest.raises(FrozenInstanceError):
        Settings().window = 2  # type: ignore[misc]  # must raise


def test_exactly_the_credential_settings_are_secret() -> None:
    assert [item.name for item in fields(Settings) if item.metadata["secret"]] == SECRETS


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_is_read_from_the_file_that_its_variable_names(tmp_path: Path, name: str) -> None:
    file = tmp_path / "secret"
    file.write_text(" postgresql://a:hunter2@b/c\n")
    loaded = reading.load({f"AUTHFACTOR_{name.upper()}_FILE": str(file)})

    assert getattr(loaded.settings, name) == "postgresql://a:hunter2@b/c"
    assert loaded.origins[name] == f"AUTHFACTOR_{name.upper()}_FILE"


def test_a_secret_given_directly_and_as_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("hunter2")
    environ = {
        "AUTHFACTOR_METRICS_TOKEN": "hunter2",
        "AUTHFACTOR_METRICS_TOKEN_FILE": str(tmp_path / "token"),
    }
    with pytest.raises(InvalidSetting) as caught:
        reading.read(environ)

    assert str(caught.value) == (
        "AUTHFACTOR_METRICS_TOKEN and AUTHFACTOR_METRICS_TOKEN_FILE exclude each other: set one."
    )


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"\xff", "is not a text file"),
    ],
)
def test_an_unusable_secret_file_is_refused_by_name(
    tmp_path: Path, content: bytes | None, problem: str
) -> None:
    file = tmp_path / "url"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(InvalidSetting) as caught:
        reading.read({"AUTHFACTOR_DATABASE_URL_FILE": str(file)})

    assert str(caught.value) == f"AUTHFACTOR_DATABASE_URL_FILE: {file} {problem}."


def test_an_empty_name_of_a_secret_file_is_refused() -> None:
    with pytest.raises(InvalidSetting, match=r"^AUTHFACTOR_DATABASE_URL_FILE: no file cannot be read"):
        reading.read({"AUTHFACTOR_DATABASE_URL_FILE": ""})


@pytest.mark.parametrize("name", ["PORT", "TEAM_NAME", "KEYS", "DATABASE"])
def test_only_secrets_are_read_from_files(tmp_path: Path, name: str) -> None:
    (tmp_path / "value").write_text("8081")
    with pytest.raises(InvalidSetting, match=f"^AUTHFACTOR_{name}_FILE is not a setting of this release"):
        reading.read({f"AUTHFACTOR_{name}_FILE": str(tmp_path / "value")})


@pytest.mark.parametrize("to_text", [repr, str, "{}".format])
def test_secret_settings_are_not_printed(to_text: Callable[[Settings], str]) -> None:
    printed = to_text(
        Settings(
            database_url="postgresql://a:hunter2@b/c", bootstrap_api_key="sk_hunter2", metrics_token="hunter2"
        )
    )

    assert "hunter2" not in printed
    for name in SECRETS:
        assert f"{name}=***" in printed


def test_settings_that_are_not_secret_are_printed() -> None:
    printed = repr(Settings(team_name="Acme"))

    assert all(f"{name}=" in printed for name in NAMES)
    assert "team_name=Acme" in printed
    assert "database_url=," in printed  # An empty secret is not masked.


@pytest.mark.parametrize("item", fields(Settings), ids=lambda item: item.name)
def test_every_setting_has_a_description_and_a_valid_unit(item: Field[object]) -> None:
    description = item.metadata["about"]

    assert re.fullmatch(r"[A-Zs].{15,}\S\.", description, re.DOTALL) or description.endswith(")."), (
        description
    )
    assert item.metadata["unit"] in {"", "bytes", "milliseconds", "requests per second", "seconds"}


@pytest.mark.parametrize("name", NUMBERS)
def test_every_duration_has_a_time_unit(name: str) -> None:
    item = next(item for item in fields(Settings) if item.name == name)

    if re.search(r"life|time|wait|lock_window", name):
        assert item.metadata["unit"] in {"milliseconds", "seconds"}


def test_source_of_each_value_is_recorded(tmp_path: Path) -> None:
    file = _toml(tmp_path, "lock_after = 5\nlock_time = 100\n")
    loaded = reading.load({"AUTHFACTOR_LOCK_TIME": "200"}, file, port=9000, host=None)

    assert loaded.origins["lock_after"] == str(file)
    assert loaded.origins["lock_time"] == "AUTHFACTOR_LOCK_TIME"
    assert loaded.origins["port"] == "command line"
    assert loaded.origins["host"] == loaded.origins["window"] == "default"
    assert set(loaded.origins) == set(NAMES)


def test_file_is_chosen_by_option_then_variable_then_folder(tmp_path: Path) -> None:
    environ = {"AUTHFACTOR_CONFIG": "/etc/a.toml"}

    assert reading.find_file(environ, Path("/b.toml"), tmp_path) == Path("/b.toml")
    assert reading.find_file(environ, None, tmp_path) == Path("/etc/a.toml")
    assert reading.find_file({}, None, tmp_path) is None
    assert reading.find_file({}, None, _toml(tmp_path, "").parent) == tmp_path / "authfactor.toml"


def test_config_variable_is_not_an_unknown_setting() -> None:
    assert reading.read({"AUTHFACTOR_CONFIG": "/etc/a.toml"}) == Settings()


@pytest.mark.parametrize(
    "item", [item for item in fields(Settings) if item.metadata["maximum"]], ids=lambda i: i.name
)
def test_number_above_its_maximum_is_refused(item: Field[object]) -> None:
    maximum = item.metadata["maximum"]

    assert getattr(Settings(**{item.name: maximum}), item.name) == maximum
    with pytest.raises(
        InvalidSetting, match=f"^AUTHFACTOR_{item.name.upper()} must be at most {maximum}, not"
    ):
        Settings(**{item.name: maximum + 1})


@pytest.mark.parametrize("name", ["log_level", "log_format"])
def test_value_outside_the_choices_is_refused_with_the_choices(name: str) -> None:
    with pytest.raises(InvalidSetting, match=f"AUTHFACTOR_{name.upper()} must be one of .*, not 'loud'"):
        reading.read({f"AUTHFACTOR_{name.upper()}": "loud"})


@pytest.mark.parametrize("text", ["10.0.0.0/33", "proxy.example.org", "10.0.0.1/8"])
def test_invalid_trusted_proxy_is_refused(text: str) -> None:
    with pytest.raises(InvalidSetting, match="AUTHFACTOR_TRUSTED_PROXIES must be addresses or networks"):
        Settings(trusted_proxies=text)


def test_trusted_proxies_are_parsed_from_a_list() -> None:
    assert [str(one) for one in settings.trusted_networks(" 10.0.0.0/8, ::1 ,127.0.0.1,")] == [
        "10.0.0.0/8",
        "::1/128",
        "127.0.0.1/32",
    ]


@pytest.mark.parametrize("half", ["tls_cert", "tls_key"])
def test_tls_certificate_or_key_alone_is_refused(half: str) -> None:
    with pytest.raises(InvalidSetting, match="belong together"):
        reading.read({f"AUTHFACTOR_{half.upper()}": "/etc/a.pem"})


def test_reload_applies_only_reloadable_settings_and_lists_the_rest() -> None:
    running = Settings(port=1, log_level="info")
    fresh = Settings(port=2, log_level="error", window=2)

    applied, ignored = settings.reloaded(running, fresh)

    assert applied == Settings(port=1, log_level="error")
    assert ignored == ["window", "port"]


SERVICE_LINKS: Final = {
    "AUTHFACTOR_SERVICE_HOST": "10.96.7.1",
    "AUTHFACTOR_SERVICE_PORT": "80",
    "AUTHFACTOR_SERVICE_PORT_HTTP": "80",
    "AUTHFACTOR_PORT": "tcp://10.96.7.1:80",
    "AUTHFACTOR_PORT_80_TCP": "tcp://10.96.7.1:80",
    "AUTHFACTOR_PORT_80_TCP_PROTO": "tcp",
    "AUTHFACTOR_PORT_80_TCP_PORT": "80",
    "AUTHFACTOR_PORT_80_TCP_ADDR": "10.96.7.1",
    # of services named authfactor-db and authfactor-metrics, the last like the setting `metrics_port`
    "AUTHFACTOR_DB_SERVICE_HOST": "10.96.7.2",
    "AUTHFACTOR_DB_SERVICE_PORT": "5432",
    "AUTHFACTOR_DB_PORT_5432_TCP_ADDR": "10.96.7.2",
    "AUTHFACTOR_METRICS_PORT": "tcp://10.96.7.3:9464",
    "AUTHFACTOR_METRICS_PORT_9464_UDP": "udp://10.96.7.3:9464",
}


def test_variables_that_kubernetes_makes_for_services_are_ignored() -> None:
    assert reading.read(SERVICE_LINKS) == Settings()
    loaded = reading.load({**SERVICE_LINKS, "AUTHFACTOR_PORT": "9000"})
    assert (loaded.settings.port, loaded.origins["port"]) == (9000, "AUTHFACTOR_PORT")


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("AUTHFACTOR_PORT", "http://10.96.7.1:80"),
        ("AUTHFACTOR_PORT", "tcp"),
        ("AUTHFACTOR_HOST_PORT", "80"),
        ("AUTHFACTOR_SERVICE", "x"),
        ("AUTHFACTOR_SERVICE_HOSTS", "x"),
        ("AUTHFACTOR_SERVICE_ACCOUNT", "x"),
        ("AUTHFACTOR_PORT_TCP", "x"),
        ("AUTHFACTOR_PORT_80_TCP_MODE", "x"),
        ("AUTHFACTOR_PORT_80_HTTP", "x"),
        ("AUTHFACTOR_LOCK_AFTR", "tcp://10.96.7.1:80"),
    ],
)
def test_variables_that_only_resemble_those_of_services_are_refused(variable: str, text: str) -> None:
    with pytest.raises(InvalidSetting, match=variable):
        reading.read({variable: text})


URLS: Final = [
    (("127.0.0.1", 9000), "", "http://127.0.0.1:9000", True),
    (("127.0.0.1", 9000), "cert.pem", "https://127.0.0.1:9000", True),
    (("::1", 9000, 0, 0), "", "http://[::1]:9000", True),
    (("fe80::1%eth0", 9000, 0, 2), "", "http://[fe80::1]:9000", False),
    (("192.0.2.7", 8080), "", "http://192.0.2.7:8080", False),
    (("192.0.2.7", 8443), "cert.pem", "https://192.0.2.7:8443", True),
    # An address that means all addresses is nothing to send a user to, whatever the scheme.
    (("0.0.0.0", 8443), "cert.pem", "https://0.0.0.0:8443", False),  # noqa: S104 - as `getsockname` returns it
    (("::", 8443, 0, 0), "cert.pem", "https://[::]:8443", False),
    ("/run/authfactor.sock", "", "http://0.0.0.0:0", False),
]


@pytest.mark.parametrize(("address", "tls", "url", "is_safe"), URLS)
def test_base_url_follows_the_listening_socket(address: object, tls: str, url: str, is_safe: bool) -> None:
    bound = server_url.bound_to(Settings(tls_cert=tls, tls_key=tls), address)

    assert (bound.base_url, bound.base_url_is_safe) == (url, is_safe)
    given = Settings(base_url="https://mfa.example.org")
    assert server_url.bound_to(given, address) == server_url.resolved(given) == given


@pytest.mark.parametrize(
    ("host", "is_loopback"),
    [
        *(("127.0.0.1", True), ("127.8.0.1", True), ("::1", True), ("localhost", True)),
        *(("0.0.0.0", False), ("::", False), ("192.0.2.7", False), ("db.example.org", False), ("", False)),  # noqa: S104 - compared
    ],
)
def test_only_a_loopback_address_needs_no_base_url(host: str, is_loopback: bool) -> None:
    assert (server_url.warning(Settings(), host) is None) == is_loopback
    assert server_url.warning(Settings(base_url="https://mfa.example.org"), host) is None


BASE = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318/"}
TRACES = {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:4318/traces"}


@pytest.mark.parametrize(
    ("environ", "endpoint", "origin"),
    [
        ({}, "", "default"),
        (BASE, "http://127.0.0.1:4318/v1/traces", "OTEL_EXPORTER_OTLP_ENDPOINT"),
        (BASE | TRACES, "http://127.0.0.1:4318/traces", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"),
        (BASE | {"OTEL_SDK_DISABLED": "true"}, "", "default"),
        (BASE | {"OTEL_TRACES_EXPORTER": "none"}, "", "default"),
        (BASE | {"AUTHFACTOR_TRACE_ENDPOINT": "http://a/b"}, "http://a/b", "AUTHFACTOR_TRACE_ENDPOINT"),
        (BASE | {"AUTHFACTOR_TRACE_ENDPOINT": ""}, "", "AUTHFACTOR_TRACE_ENDPOINT"),
    ],
)
def test_opentelemetrys_variables_apply_unless_the_setting_is_given(
    environ: dict[str, str], endpoint: str, origin: str
) -> None:
    loaded = reading.load(environ)
    assert (loaded.settings.trace_endpoint, loaded.origins["trace_endpoint"]) == (endpoint, origin)


def test_opentelemetrys_variables_have_no_effect_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are often set for everything on a machine, and must not keep a server from starting."""

    def not_installed(name: str) -> None:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(importlib.util, "find_spec", not_installed)
    assert reading.load(BASE).settings.trace_endpoint == ""
    assert reading.load({"AUTHFACTOR_TRACE_ENDPOINT": "http://a/b"}).settings.trace_endpoint == "http://a/b"
