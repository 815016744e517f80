"""Settings: where values come from, which are refused, and what is never shown."""

import re
from collections.abc import Callable
from dataclasses import Field, FrozenInstanceError, fields
from pathlib import Path
from typing import Final

import pytest

from authfactor import settings
from authfactor.settings import InvalidSetting, Settings, reading

NAMES: Final = [item.name for item in fields(Settings)]
NUMBERS: Final = [item.name for item in fields(Settings) if item.type is int]
SECRETS: Final = ["database_url", "bootstrap_api_key", "metrics_token"]


def _toml(folder: Path, text: str) -> Path:
    file = folder / "authfactor.toml"
    file.write_text(text)
    return file


def test_without_anything_every_setting_is_its_default() -> None:
    assert reading.read({}) == Settings()
    assert reading.read({"PATH": "/bin", "AUTHFACTO_WINDOW": "9", "XAUTHFACTOR_WINDOW": "9"}) == Settings()


def test_the_limits_are_those_that_were_decided() -> None:
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
    read = reading.read({"AUTHFACTOR_DATA": "/srv/authfactor", "AUTHFACTOR_TEAM_NAME": "Acme 100%"})

    assert read == Settings(data=Path("/srv/authfactor"), team_name="Acme 100%")


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("AUTHFACTOR_LOCK_AFTR", "AUTHFACTOR_LOCK_AFTER"),
        ("AUTHFACTOR_LOCKAFTER", "AUTHFACTOR_LOCK_AFTER"),
        ("AUTHFACTOR_WINDOWS", "AUTHFACTOR_WINDOW"),
        ("AUTHFACTOR_DATABASE_URI", "AUTHFACTOR_DATABASE_URL"),
    ],
)
def test_a_misspelt_variable_stops_the_start_and_the_right_one_is_suggested(
    variable: str, meant: str
) -> None:
    with pytest.raises(InvalidSetting) as caught:
        reading.read({variable: "hunter2"})

    assert str(caught.value) == f"{variable} is not a setting of this release. Did you mean {meant}?"


@pytest.mark.parametrize("variable", ["AUTHFACTOR_", "AUTHFACTOR_QQQQQ"])
def test_a_variable_like_no_other_points_to_the_list(variable: str) -> None:
    with pytest.raises(InvalidSetting, match=f"^{variable} is not a setting .* `authfactor config show` "):
        reading.read({variable: "hunter2"})


@pytest.mark.parametrize("text", ["", "ten", "1.5", "1e3", "0x10", "10 min", "None", "true"])
def test_what_is_no_whole_number_is_refused(text: str) -> None:
    with pytest.raises(InvalidSetting, match=f"^AUTHFACTOR_LOCK_AFTER must be a whole number, not '{text}'"):
        reading.read({"AUTHFACTOR_LOCK_AFTER": text})


@pytest.mark.parametrize(
    "item", [item for item in fields(Settings) if item.type is int], ids=lambda i: i.name
)
def test_every_number_has_a_least_value(item: Field[object]) -> None:
    least = item.metadata["minimum"]

    assert getattr(Settings(**{item.name: least}), item.name) == least
    with pytest.raises(
        InvalidSetting, match=f"^AUTHFACTOR_{item.name.upper()} must be at least {least}, not {least - 1}"
    ):
        Settings(**{item.name: least - 1})


@pytest.mark.parametrize("window", [0, 1, 2])
def test_a_window_of_zero_to_two_steps_is_accepted(window: int) -> None:
    assert Settings(window=window).window == window


@pytest.mark.parametrize("window", [3, 10, 2**31])
def test_a_wider_window_is_refused(window: int) -> None:
    with pytest.raises(InvalidSetting, match=f"^AUTHFACTOR_WINDOW must be 0, 1 or 2, not {window}"):
        Settings(window=window)


@pytest.mark.parametrize("least", [0, 9])
def test_secrets_shorter_than_80_bits_cannot_be_allowed(least: int) -> None:
    with pytest.raises(InvalidSetting, match="AUTHFACTOR_MIN_SECRET must be at least 10"):
        reading.read({"AUTHFACTOR_MIN_SECRET": str(least)})


def test_a_file_is_read(tmp_path: Path) -> None:
    file = _toml(tmp_path, 'team_name = "Acme"\nlock_after = 5\ndata = "/srv/a"\n')

    assert reading.read({}, file) == Settings(team_name="Acme", lock_after=5, data=Path("/srv/a"))


def test_the_environment_wins_over_the_file_and_the_command_line_over_both(tmp_path: Path) -> None:
    file = _toml(tmp_path, "lock_after = 5\nlock_time = 100\nlock_window = 100\n")
    environ = {"AUTHFACTOR_LOCK_TIME": "200", "AUTHFACTOR_LOCK_WINDOW": "200"}
    read = reading.read(environ, file, lock_window=300, team_name=None)

    assert read == Settings(lock_after=5, lock_time=200, lock_window=300)


def test_a_misspelt_name_in_the_file_stops_the_start(tmp_path: Path) -> None:
    file = _toml(tmp_path, "lock_aftr = 5\n")

    with pytest.raises(
        InvalidSetting, match=r"lock_aftr is not a setting of this release. Did you mean .*LOCK_AFTER"
    ):
        reading.read({}, file)


@pytest.mark.parametrize("value", ["1.5", "true", '"ten"', "[1]", "{a = 1}", "2026-01-01"])
def test_a_value_of_another_type_in_the_file_is_refused(tmp_path: Path, value: str) -> None:
    file = _toml(tmp_path, f"lock_after = {value}\n")

    with pytest.raises(InvalidSetting, match=f"{re.escape(str(file))}: lock_after must be a whole number"):
        reading.read({}, file)


@pytest.mark.parametrize("value", ["5", "true", '["Acme"]', "{a = 1}", "2026-01-01"])
def test_a_text_in_the_file_is_a_text(tmp_path: Path, value: str) -> None:
    file = _toml(tmp_path, f"team_name = {value}\n")

    with pytest.raises(InvalidSetting, match=f"{re.escape(str(file))}: team_name must be a quoted string"):
        reading.read({}, file)


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    file = tmp_path / "authfactor.toml"
    file.write_bytes(b'team_name = "\xff"')

    with pytest.raises(InvalidSetting, match=r"authfactor\.toml is not valid TOML"):
        reading.read({}, file)


@pytest.mark.parametrize("text", ["lock_after =", "lock_after = 5\nlock_after = 5", "[lock_after", "\0"])
def test_a_broken_file_is_named(tmp_path: Path, text: str) -> None:
    file = _toml(tmp_path, text)

    with pytest.raises(InvalidSetting, match=f"^{re.escape(str(file))} is not valid TOML"):
        reading.read({}, file)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidSetting, match=r"gone\.toml cannot be read: No such file"):
        reading.read({}, tmp_path / "gone.toml")


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
def test_the_database_is_a_file_or_postgresql(url: str, path: Path | None) -> None:
    assert Settings(data=Path("/srv/a"), database_url=url).sqlite_path == path


@pytest.mark.parametrize("url", ["mysql://a:hunter2@b/c", "hunter2", "/srv/a.db", "http://a:hunter2@b"])
def test_another_database_is_refused_and_its_password_not_told(url: str) -> None:
    with pytest.raises(
        InvalidSetting, match="AUTHFACTOR_DATABASE_URL must start with sqlite:/// or"
    ) as caught:
        Settings(database_url=url)
    assert "hunter2" not in str(caught.value)


def test_the_key_ring_is_in_the_data_folder_unless_it_is_elsewhere() -> None:
    assert Settings(data=Path("/srv/a")).keys_path == Path("/srv/a/keys")
    assert Settings(data=Path("/srv/a"), keys="/etc/keys").keys_path == Path("/etc/keys")


def test_settings_do_not_change() -> None:
    with pytest.raises(FrozenInstanceError):
        Settings().window = 2  # type: ignore[misc]  # that is the point


def test_exactly_the_settings_that_hold_credentials_are_secret() -> None:
    assert [item.name for item in fields(Settings) if item.metadata["secret"]] == SECRETS


@pytest.mark.parametrize("show", [repr, str, "{}".format])
def test_secrets_are_not_shown(show: Callable[[Settings], str]) -> None:
    shown = show(
        Settings(
            database_url="postgresql://a:hunter2@b/c", bootstrap_api_key="sk_hunter2", metrics_token="hunter2"
        )
    )

    assert "hunter2" not in shown
    for name in SECRETS:
        assert f"{name}=***" in shown


def test_everything_else_is_shown() -> None:
    shown = repr(Settings(team_name="Acme"))

    assert all(f"{name}=" in shown for name in NAMES)
    assert "team_name=Acme" in shown
    assert "database_url=," in shown  # An empty secret hides nothing.


@pytest.mark.parametrize("item", fields(Settings), ids=lambda item: item.name)
def test_every_setting_says_what_it_is_about(item: Field[object]) -> None:
    about = item.metadata["about"]

    assert re.fullmatch(r"[A-Zs].{15,}\S\.", about, re.DOTALL) or about.endswith(")."), about
    assert item.metadata["unit"] in {"", "bytes", "milliseconds", "requests per second", "seconds"}


@pytest.mark.parametrize("name", NUMBERS)
def test_durations_and_sizes_have_a_unit(name: str) -> None:
    item = next(item for item in fields(Settings) if item.name == name)

    if re.search(r"life|time|wait|lock_window", name):
        assert item.metadata["unit"] in {"milliseconds", "seconds"}


def test_each_value_remembers_where_it_came_from(tmp_path: Path) -> None:
    file = _toml(tmp_path, "lock_after = 5\nlock_time = 100\n")
    loaded = reading.load({"AUTHFACTOR_LOCK_TIME": "200"}, file, port=9000, host=None)

    assert loaded.origins["lock_after"] == str(file)
    assert loaded.origins["lock_time"] == "AUTHFACTOR_LOCK_TIME"
    assert loaded.origins["port"] == "command line"
    assert loaded.origins["host"] == loaded.origins["window"] == "default"
    assert set(loaded.origins) == set(NAMES)


def test_the_file_is_the_one_given_else_the_one_named_else_the_one_at_hand(tmp_path: Path) -> None:
    environ = {"AUTHFACTOR_CONFIG": "/etc/a.toml"}

    assert reading.find_file(environ, Path("/b.toml"), tmp_path) == Path("/b.toml")
    assert reading.find_file(environ, None, tmp_path) == Path("/etc/a.toml")
    assert reading.find_file({}, None, tmp_path) is None
    assert reading.find_file({}, None, _toml(tmp_path, "").parent) == tmp_path / "authfactor.toml"


def test_the_variable_that_names_the_file_is_no_unknown_setting() -> None:
    assert reading.read({"AUTHFACTOR_CONFIG": "/etc/a.toml"}) == Settings()


@pytest.mark.parametrize(
    "item", [item for item in fields(Settings) if item.metadata["maximum"]], ids=lambda i: i.name
)
def test_a_number_with_a_most_is_held_to_it(item: Field[object]) -> None:
    most = item.metadata["maximum"]

    assert getattr(Settings(**{item.name: most}), item.name) == most
    with pytest.raises(InvalidSetting, match=f"^AUTHFACTOR_{item.name.upper()} must be at most {most}, not"):
        Settings(**{item.name: most + 1})


@pytest.mark.parametrize("name", ["log_level", "log_format"])
def test_a_word_that_is_no_choice_is_refused_and_the_choices_are_named(name: str) -> None:
    with pytest.raises(InvalidSetting, match=f"AUTHFACTOR_{name.upper()} must be one of .*, not 'loud'"):
        reading.read({f"AUTHFACTOR_{name.upper()}": "loud"})


@pytest.mark.parametrize("text", ["10.0.0.0/33", "proxy.example.org", "10.0.0.1/8"])
def test_what_is_no_network_is_refused(text: str) -> None:
    with pytest.raises(InvalidSetting, match="AUTHFACTOR_TRUSTED_PROXIES must be addresses or networks"):
        Settings(trusted_proxies=text)


def test_networks_are_read_from_a_list() -> None:
    assert [str(one) for one in settings.trusted_networks(" 10.0.0.0/8, ::1 ,127.0.0.1,")] == [
        "10.0.0.0/8",
        "::1/128",
        "127.0.0.1/32",
    ]


@pytest.mark.parametrize("half", ["tls_cert", "tls_key"])
def test_half_a_tls_pair_is_refused(half: str) -> None:
    with pytest.raises(InvalidSetting, match="belong together"):
        reading.read({f"AUTHFACTOR_{half.upper()}": "/etc/a.pem"})


def test_a_reload_takes_up_only_what_may_change_and_names_the_rest() -> None:
    running = Settings(port=1, log_level="info")
    fresh = Settings(port=2, log_level="error", window=2)

    taken, waiting = settings.reloaded(running, fresh)

    assert taken == Settings(port=1, log_level="error")
    assert waiting == ["window", "port"]
