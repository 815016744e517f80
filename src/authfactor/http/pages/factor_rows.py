"""Factors, trusted devices and sign-ins as rows of the page on which users manage them."""

from typing import NamedTuple

from authfactor.http.pages import passkey_rows
from authfactor.http.pages.browser_names import browser_name
from authfactor.http.pages.dates import ShownTime, day, shown_time
from authfactor.http.pages.translations import Translations
from authfactor.models import FactorDetails, PastSignIn, TrustedDeviceRecord
from authfactor.models.passkeys import PasskeyRecord


class RefusedName(NamedTuple):
    """A name that a factor cannot have, as it was typed, and why."""

    factor_id: str
    name: str
    problem: str


class AppRow(NamedTuple):
    """A factor; `label` is its name, or what the app shows."""

    id: str
    label: str
    account: str
    name: str
    is_active: bool
    added: str
    last_used: str | None
    problem: str | None
    is_passkey: bool = False


class PasskeyRow(NamedTuple):
    """A passkey; `label` is its name, or that of the product that keeps it."""

    id: str
    label: str
    place: str
    name: str
    is_suspect: bool
    added: str
    last_used: str | None
    problem: str | None
    is_active: bool = True
    is_passkey: bool = True


class DeviceRow(NamedTuple):
    """A trusted device; `label` is its name, or its browser in plain words."""

    id: str
    label: str
    added: str
    last_used: str | None
    ends: str


class SignInRow(NamedTuple):
    """A sign-in; `client` is the browser in plain words."""

    at: ShownTime
    client: str
    ip_address: str | None
    is_active: bool
    is_current: bool


def app_row(texts: Translations, factor: FactorDetails, refused: RefusedName | None = None) -> AppRow:
    """Return the row of a factor; with a refused name, if it is this factor's."""
    own = refused if refused is not None and refused.factor_id == factor.id else None
    account = f"{factor.issuer} ({factor.account})"
    return AppRow(
        factor.id,
        factor.name or account,
        account,
        (factor.name or "") if own is None else own.name,
        factor.activated_at is not None,
        day(texts, factor.created_at),
        None if factor.last_used_at is None else day(texts, factor.last_used_at),
        None if own is None else own.problem,
    )


def passkey_row(
    texts: Translations,
    factor: FactorDetails,
    passkey: PasskeyRecord | None,
    refused: RefusedName | None = None,
) -> PasskeyRow:
    """Return the row of a passkey; None: it is being removed. With a refused name, if it is this one's."""
    own = refused if refused is not None and refused.factor_id == factor.id else None
    facts = None if passkey is None else passkey_rows.facts_of(passkey)
    label = factor.name if facts is None else passkey_rows.label_of(factor, facts)
    known = [] if facts is None else [facts.product, texts(f"factors.passkeys.{facts.backup}")]
    return PasskeyRow(
        factor.id,
        label or texts("factors.passkeys.unnamed"),
        ", ".join(each for each in known if each and each != label),
        (factor.name or "") if own is None else own.name,
        facts is not None and facts.is_suspect,
        day(texts, factor.created_at),
        None if factor.last_used_at is None else day(texts, factor.last_used_at),
        None if own is None else own.problem,
    )


def device_row(texts: Translations, device: TrustedDeviceRecord) -> DeviceRow:
    """Return the row of a trusted device."""
    return DeviceRow(
        device.id,
        device.name or client_text(texts, device.user_agent),
        day(texts, device.created_at),
        None if device.last_used_at is None else day(texts, device.last_used_at),
        day(texts, device.expires_at),
    )


def sign_in_row(texts: Translations, sign_in: PastSignIn, current: str | None) -> SignInRow:
    """Return the row of a session; `current` is the id of this browser's, if it is known."""
    session = sign_in.session
    return SignInRow(
        shown_time(texts, session.created_at),
        client_text(texts, session.user_agent),
        session.ip_address,
        sign_in.is_active,
        session.id == current,
    )


def client_text(texts: Translations, user_agent: str | None) -> str:
    """Return a browser and its system in plain words."""
    browser, system = browser_name(user_agent)
    if browser and system:
        return texts("factors.browser_on_system", browser=browser, system=system)
    return browser or system or texts("factors.unknown_browser")
