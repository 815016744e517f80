"""Messages to users and their state, the sender of mail, a test of it, and previews of the texts."""

from typing import Any, Final, cast

from msgspec import UNSET

from authfactor import errors
from authfactor.crypto.vault import UnsealError
from authfactor.errors import InvalidRequest, Item
from authfactor.http.pages.console.console_request import ConsoleRequest, page_links
from authfactor.http.response import Response
from authfactor.message_sending import MessageSender
from authfactor.models.messages import MailSetUp, MessageRecord
from authfactor.rules.messages.kinds import KINDS, MAIL, STATES
from authfactor.rules.messages.languages import LANGUAGES
from authfactor.rules.messages.rendering import brand_of, render, sample
from authfactor.wire.messages import masked
from authfactor.wire.senders import SetMailSender, SetMessageWebhook, SetSendLimits, SetSmtp

TARGET: Final = f"sender:{MAIL}"
SENDER_KINDS: Final = {
    "smtp": "A server for mail (SMTP)",
    "webhook": "A URL of your application, which sends them",
    "console": "This page, for development",
}
SECURITY: Final = {"tls": "TLS", "starttls": "STARTTLS", "none": "None (this machine only)"}
KIND_LABELS: Final = {kind: kind.replace("_", " ").capitalize() for kind in KINDS}
LIMITS: Final = {
    "interval_seconds": "Seconds between two of a kind, to an address or user",
    "per_hour": "Per hour, to an address or user",
    "per_day": "Per day, to an address or user",
    "environment_per_hour": "Per hour, in this environment",
}


async def show_messages(request: ConsoleRequest) -> Response:
    """List messages, newest first, with their texts where the sender is the console."""
    query = request.page_request.query()
    state = next((each for each in STATES if each == query.get("state")), None)
    user_id = query.get("user") or None
    unit = request.af.messages.page(request.environment, request.page_query(), user_id, state)
    page = await request.af.read(unit)
    newer, older = page_links(f"{request.home}/messages", query, page.before, page.after)
    branding = await request.af.read(request.af.brandings.get(request.environment))
    brand = brand_of(request.environment.team_name, branding)
    return request.render(
        "messages.html",
        here="messages",
        messages=[(item, masked(item.recipient), _text(request, item, brand)) for item in page.items],
        states=STATES,
        state=state or "",
        newer=newer,
        older=older,
    )


async def show_sender(
    request: ConsoleRequest, new_secret: str | None = None, tested: str | None = None
) -> Response:
    """Show the sender of mail as a form, without its secrets; a `new_secret` is shown only now."""
    found: MailSetUp | None = None
    try:
        found = await request.af.read(request.af.senders.get(request.environment))
    except errors.NotFound:
        pass
    except UnsealError:
        tested = "its settings cannot be unsealed; set them again."
    return request.render(
        "sender.html",
        here="sender",
        found=found,
        new_secret=new_secret,
        tested=tested,
        sender_kinds=_possible(request),
        security=SECURITY,
        kinds=KIND_LABELS,
        languages_of_messages=LANGUAGES,
        limits=LIMITS,
    )


async def save_sender(request: ConsoleRequest) -> Response:
    """Replace the sender."""
    unit = request.af.senders.set(request.environment, _read(request), by_operator=True)
    saved = await request.act("sender.set", unit, TARGET)
    if saved.new_secret is None:
        return request.redirect(f"{request.home}/sender", "saved")
    return await show_sender(request, saved.new_secret)


async def delete_sender(request: ConsoleRequest) -> Response:
    """Delete the sender."""
    await request.act("sender.delete", request.af.senders.delete(request.environment), TARGET)
    return request.redirect(f"{request.home}/sender", "deleted")


async def test_sender(request: ConsoleRequest) -> Response:
    """Send a test message and say how that ended."""
    to = request.field("to").strip()
    await request.reload_environment()
    set_up = await request.af.read(request.af.senders.get(request.environment))
    branding = await request.af.read(request.af.brandings.get(request.environment))
    await request.act("sender.test", request.af.messages.charge_test(request.environment, to), TARGET)
    sender = MessageSender(request.af)
    try:
        outcome = await sender.send_test(request.environment, branding, set_up, to)
    finally:
        await sender.close()
    return await show_sender(request, tested=outcome.error or "")


async def preview(request: ConsoleRequest) -> Response:
    """Show a kind of message with sample values, as text."""
    query = request.page_request.query()
    kind, locale = query.get("kind", KINDS[0]), query.get("locale", "en")
    branding = await request.af.read(request.af.brandings.get(request.environment))
    try:
        found = sample(kind, brand_of(request.environment.team_name, branding), locale)
    except InvalidRequest:
        kind, locale = KINDS[0], "en"
        found = sample(kind, brand_of(request.environment.team_name, branding), locale)
    return request.render(
        "message_preview.html",
        here="sender",
        kind=kind,
        locale=locale,
        found=found,
        kinds=KIND_LABELS,
        languages_of_messages=LANGUAGES,
    )


def _possible(request: ConsoleRequest) -> dict[str, str]:
    """Return the kinds of senders that this server may have."""
    if request.af.senders.is_development:
        return SENDER_KINDS
    return {kind: label for kind, label in SENDER_KINDS.items() if kind != "console"}


def _text(request: ConsoleRequest, message: MessageRecord, brand: Any) -> str | None:  # noqa: ANN401 - a brand
    """Return what a message said, if the sender is the console of a development server."""
    if message.state != "sent" or message.content is None or not request.af.senders.is_development:
        return None
    try:
        values = request.af.messages.values_of(request.environment.number, message)
    except UnsealError:
        return None
    life = message.expires_at - message.created_at
    rendered = render(message.kind, values, brand=brand, locale=message.locale, life=life)
    return f"{rendered.subject}\n\n{rendered.text}"


def _read(request: ConsoleRequest) -> SetMailSender:
    """Return the body that the API would get. Raises `InvalidRequest`."""
    kind: Any = request.field("kind")
    smtp = webhook = None
    if kind == "smtp":
        port, password = request.field("port").strip(), request.field("password")
        security = request.field("security")
        smtp = SetSmtp(
            request.field("host").strip(),
            _number(port, "port") if port else None,
            cast("Any", security if security in SECURITY else "tls"),
            request.field("username").strip() or None,
            password or UNSET,
        )
    elif kind == "webhook":
        webhook = SetMessageWebhook(request.field("url").strip(), request.field("secret") or UNSET)
    return SetMailSender(
        kind=kind if kind in _possible(request) else None,
        from_address=request.field("from_address").strip() or None,
        from_name=request.field("from_name").strip() or None,
        reply_to=request.field("reply_to").strip() or None,
        smtp=smtp,
        webhook=webhook,
        off=tuple(each for each in KINDS if not request.field(f"kind:{each}")),
        locale=request.field("locale") or "en",
        limits=SetSendLimits(**{name: _number(request.field(name), name) for name in LIMITS}),
    )


def _number(text: str, name: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 8):  # noqa: PLR2004 - seven digits
        raise InvalidRequest(Item(name, f"{name}_invalid", f"{name}: a whole number."))
    return int(text)
