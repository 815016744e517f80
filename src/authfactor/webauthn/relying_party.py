"""The settings of an environment's passkeys: for which site they are, and which are accepted.

A passkey belongs to an RP ID: a host name, which is the host of each page that asks for the passkey, or a
domain that all of them share.
"""

import re
from collections.abc import Iterator
from typing import Final, Literal
from urllib.parse import urlsplit

import msgspec

from authfactor import ip_addresses
from authfactor.errors import Item

Requirement = Literal["required", "preferred", "discouraged"]
Hint = Literal["security-key", "client-device", "hybrid"]

LOCALHOST: Final = "localhost"
_MAX_LISTED: Final = 100
_MAX_NAME: Final = 64
_MAX_RP_ID: Final = 253
_HOST: Final = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)(?:\.(?!-)[a-z0-9-]{1,63}(?<!-))*")
_AAGUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# The origin of an Android application: the SHA-256 of its certificate.
_ANDROID: Final = re.compile(r"android:apk-key-hash:[A-Za-z0-9_-]{43}")
_DEFAULT_PORTS: Final = {"https": 443, "http": 80}
_NAMED_HOST: Final = (
    "Passkeys need a host name; browsers refuse them on an IP address. Serve under a domain with HTTPS, or"
    " open http://localhost:PORT to try them on one machine."
)


class RelyingParty(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The settings, as JSON stores them. `problems` tells what is wrong with them.

    `origins` are the pages that may ask, compared exactly; `top_origins` the pages that may frame those.
    AAGUIDs name models of authenticators. Without attestation an authenticator can claim any of them, so the
    lists keep users on agreed models but stop no attacker. With `metadata`, models that loaded metadata calls
    broken are refused (`status`), and those that it does not vouch for too (`attested`).
    """

    rp_id: str
    rp_name: str
    origins: tuple[str, ...]
    top_origins: tuple[str, ...] = ()
    user_verification: Requirement = "preferred"
    resident_key: Requirement = "preferred"
    attachment: Literal["platform", "cross-platform"] | None = None
    hints: tuple[Hint, ...] = ()
    attestation: Literal["none", "direct"] = "none"
    metadata: Literal["off", "status", "attested"] = "off"
    aaguids_allowed: tuple[str, ...] = ()
    aaguids_denied: tuple[str, ...] = ()
    backup_eligible: Literal["allow", "deny"] = "allow"

    def accepts(self, aaguid: str, *, backup_eligible: bool) -> bool:
        """Tell whether a credential of this authenticator may be used."""
        if backup_eligible and self.backup_eligible == "deny":
            return False
        if self.aaguids_allowed:
            return aaguid in self.aaguids_allowed
        return aaguid not in self.aaguids_denied


def for_base_url(base_url: str, name: str) -> RelyingParty:
    """Return the settings of an environment that has none, for the host of its pages; check `problems`."""
    url = urlsplit(base_url)
    return RelyingParty(
        rp_id=url.hostname or "", rp_name=name, origins=(f"{url.scheme}://{url.netloc}".lower(),)
    )


def problems(settings: RelyingParty) -> list[Item]:
    """Return what is wrong with the settings, and what to do about it; an empty list if nothing is."""
    found = [
        *_rp_id_problems(settings.rp_id),
        *_name_problems(settings.rp_name),
        *_list_problems(settings),
        *_metadata_problems(settings),
        *(item for each in settings.top_origins for item in _origin_problems("top_origins", each)),
    ]
    if not settings.origins:
        found.append(Item("origins", "required", "List the origin of each page that asks for a passkey."))
    for origin in settings.origins:
        wrong = list(_origin_problems("origins", origin))
        found += wrong or _outside(settings.rp_id, origin)
    return found


def _rp_id_problems(rp_id: str) -> Iterator[Item]:
    if ip_addresses.parse(rp_id.strip("[]")) is not None:
        yield Item("rp_id", "ip_address", _NAMED_HOST)
    elif len(rp_id) > _MAX_RP_ID or not _HOST.fullmatch(rp_id):
        message = "The RP ID is a host name in lower case, without scheme and port: example.org"
        yield Item("rp_id", "invalid_format", message)


def _name_problems(name: str) -> Iterator[Item]:
    if not (name.strip() and name.isprintable() and len(name) <= _MAX_NAME):
        yield Item("rp_name", "invalid_format", f"The name has 1 to {_MAX_NAME} printable characters.")


def _list_problems(settings: RelyingParty) -> Iterator[Item]:
    if settings.aaguids_allowed and settings.aaguids_denied:
        message = "List authenticators that are allowed, or those that are denied, not both."
        yield Item("aaguids_denied", "conflicting", message)
    for field in ("aaguids_allowed", "aaguids_denied"):
        if not all(_AAGUID.fullmatch(each) for each in getattr(settings, field)):
            message = "An AAGUID is a UUID in lower case: ea9b8d66-4d01-1d21-3ce4-b6b48cb575d4"
            yield Item(field, "invalid_format", message)
    for field in ("origins", "top_origins", "aaguids_allowed", "aaguids_denied", "hints"):
        if len(getattr(settings, field)) > _MAX_LISTED:
            yield Item(field, "too_many", f"List at most {_MAX_LISTED}.")


def _metadata_problems(settings: RelyingParty) -> Iterator[Item]:
    if settings.metadata == "attested" and settings.attestation == "none":
        message = "Only attestation can show that metadata knows an authenticator: set attestation to direct."
        yield Item("attestation", "conflicting", message)
    if settings.metadata == "off" and settings.attestation == "direct":
        message = "Attestation proves nothing without metadata: set metadata to status or attested."
        yield Item("metadata", "conflicting", message)


def _origin_problems(field: str, origin: str) -> Iterator[Item]:
    """Yield what is wrong with an origin: browsers send exactly one spelling (RFC 6454 section 6.1)."""
    if _ANDROID.fullmatch(origin):
        return
    try:
        url = urlsplit(origin)
        host, port = url.hostname or "", url.port
    except ValueError:
        host, port, url = "", None, urlsplit("")
    written = "" if port in {None, _DEFAULT_PORTS.get(url.scheme)} else f":{port}"
    if ip_addresses.parse(host) is not None:
        yield Item(field, "ip_address", _NAMED_HOST)
    elif origin != f"{url.scheme}://{host}{written}" or not _HOST.fullmatch(host):
        message = "An origin is scheme, host and port as browsers send them: https://example.org or https://example.org:8443"
        yield Item(field, "invalid_format", message)
    elif url.scheme != "https" and (url.scheme, host) != ("http", LOCALHOST):
        message = "Passkeys need HTTPS. Plain HTTP works on http://localhost:PORT only."
        yield Item(field, "insecure_origin", message)


def _outside(rp_id: str, origin: str) -> list[Item]:
    """Return a problem if the RP ID is neither the host of the origin nor a domain above it.

    A domain of one label, such as `com`, is refused. Browsers know longer public suffixes, such as `co.uk`.
    """
    host = urlsplit(origin).hostname
    if host is None or host == rp_id or ("." in rp_id and host.endswith(f".{rp_id}")):
        return []
    message = "The RP ID must be the host of each origin or a domain above it: example.org for https://auth.example.org"
    return [Item("origins", "outside_rp_id", message)]
