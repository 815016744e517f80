"""What a sender of mail may be set to."""

import re
from collections.abc import Iterator
from typing import Final

from authfactor.errors import InvalidRequest, Item
from authfactor.outbound import ssrf_guard
from authfactor.rules.messages.languages import LANGUAGES
from authfactor.rules.tenants.users import is_email
from authfactor.wire.senders import SetMailSender, SetMessageWebhook, SetSendLimits, SetSmtp

PORTS: Final = {"tls": 465, "starttls": 587, "none": 25}
MAX_TEXT: Final = 200
MIN_SECRET: Final = 24
_MAX_PORT: Final = 65_535
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
# Name, least and greatest value.
_LIMITS: Final = (
    ("interval_seconds", 0, 3600),
    ("per_hour", 1, 1000),
    ("per_day", 1, 1000),
    ("environment_per_hour", 1, 1_000_000),
)


def check(request: SetMailSender, *, private_smtp: bool, private_webhooks: bool, development: bool) -> None:
    """Raise `InvalidRequest` with an item for each thing that is wrong."""
    items = [*_parts(request, development=development), *_addresses(request), *_limits(request.limits)]
    if request.smtp is not None:
        items += _smtp(request.smtp, private=private_smtp)
    if request.webhook is not None:
        items += _webhook(request.webhook, private=private_webhooks)
    if request.locale not in LANGUAGES:
        items.append(_item("locale", f"one of {', '.join(LANGUAGES)}"))
    if items:
        raise InvalidRequest(*items)


def _parts(request: SetMailSender, *, development: bool) -> Iterator[Item]:
    kind = request.kind
    if kind is None:
        yield _item("kind", "required: smtp, webhook or console")
    for name, part in (("smtp", request.smtp), ("webhook", request.webhook)):
        if kind == name and part is None:
            yield _item(name, f"required for the kind {name}")
        elif kind != name and part is not None:
            yield _item(name, f"only for the kind {name}")
    if kind == "smtp" and request.from_address is None:
        yield _item("from_address", "required for the kind smtp")
    if kind == "console" and not development:
        text = "kind: console is for development alone, on a server whose base URL is on this machine."
        yield Item("kind", "console_sender_not_allowed", text)


def _addresses(request: SetMailSender) -> Iterator[Item]:
    for name, address in (("from_address", request.from_address), ("reply_to", request.reply_to)):
        if address is not None and not is_sendable(address):
            yield _item(name, "an email address")
    if request.from_name is not None and not is_plain(request.from_name):
        yield _item("from_name", f"1 to {MAX_TEXT} characters without control characters")


def _limits(limits: SetSendLimits) -> Iterator[Item]:
    for name, least, greatest in _LIMITS:
        if not least <= getattr(limits, name) <= greatest:
            yield _item(f"limits.{name}", f"{least} to {greatest}")


def _smtp(request: SetSmtp, *, private: bool) -> Iterator[Item]:
    if request.port is not None and not 1 <= request.port <= _MAX_PORT:
        yield _item("smtp.port", f"1 to {_MAX_PORT}")
    for name, text in (("username", request.username), ("password", request.password)):
        if isinstance(text, str) and not is_plain(text):
            yield _item(f"smtp.{name}", f"1 to {MAX_TEXT} characters without control characters")
    try:
        ssrf_guard.admit_host(request.host, private=private)
    except ssrf_guard.ForbiddenUrl as error:
        hint = "" if private else "; an operator may set it (authfactor senders mail set)"
        yield _item("smtp.host", f"the host {error}{hint}")
    else:
        if request.security == "none" and not ssrf_guard.is_loopback_host(request.host):
            yield _item("smtp.security", "none is for a server on this machine; use tls or starttls")


def _webhook(request: SetMessageWebhook, *, private: bool) -> Iterator[Item]:
    try:
        ssrf_guard.admit(request.url, private=private)
    except ssrf_guard.ForbiddenUrl as error:
        yield Item("webhook.url", "invalid_url", f"webhook.url {error}.")
    if isinstance(request.secret, str) and not (
        is_plain(request.secret) and len(request.secret) >= MIN_SECRET
    ):
        yield _item("webhook.secret", f"{MIN_SECRET} to {MAX_TEXT} characters without control characters")


def is_plain(text: str) -> bool:
    """Return whether a text has a reasonable length and no control character, which could begin a header."""
    return 0 < len(text) <= MAX_TEXT and not _CONTROL.search(text) and bool(text.strip())


def is_sendable(address: str) -> bool:
    """Return whether mail can be addressed to this: one address, without anything that ends a header."""
    return is_email(address) and not re.search(r"[\s<>,;:\"()\\\x00-\x1f\x7f-\x9f]", address)


def _item(member: str, text: str) -> Item:
    return Item(member, f"{member.rpartition('.')[2]}_invalid", f"{member}: {text}.")
