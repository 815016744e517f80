"""A setting: its default, its help text, its bounds, and whether a reload applies it."""

from collections.abc import Mapping
from dataclasses import field
from typing import Any, Final

PREFIX: Final = "AUTHFACTOR_"


class InvalidSetting(ValueError):
    """A setting is unknown or its value invalid; the message names it and says what to do."""


def setting(
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
    """Declare a field of `Settings`; the bounds are inclusive and hold for integers."""
    metadata = {"about": about, "unit": unit, "secret": secret, "minimum": minimum, "maximum": maximum}
    return field(default=default, metadata={**metadata, "choices": choices, "reload": reload})


def masked(metadata: Mapping[str, Any], value: object) -> object:
    """Return `***` instead of a secret setting's value, unless it is empty."""
    return "***" if metadata["secret"] and value else value


def check_bounds(name: str, value: object, metadata: Mapping[str, Any]) -> None:
    """Raise `InvalidSetting` for a value outside the choices or bounds of its field."""
    variable = f"{PREFIX}{name.upper()}"
    if metadata["choices"] and value not in metadata["choices"]:
        raise InvalidSetting(f"{variable} must be one of {', '.join(metadata['choices'])}, not '{value}'.")
    if isinstance(value, int) and value < metadata["minimum"]:
        raise InvalidSetting(f"{variable} must be at least {metadata['minimum']}, not {value}.")
    if isinstance(value, int) and metadata["maximum"] is not None and value > metadata["maximum"]:
        raise InvalidSetting(f"{variable} must be at most {metadata['maximum']}, not {value}.")
