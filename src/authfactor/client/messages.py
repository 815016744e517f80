"""`client.messages`: messages to users, and what sends them."""

from typing import Any

from authfactor.client.message_types import MailSender, Message, MessageState, SenderTest
from authfactor.client.operations import (
    ApiCall,
    AsyncGroup,
    Group,
    SyncGroup,
    decode_nothing,
    decoder,
    drop_none,
    listing,
    operation,
    path,
    query,
)
from authfactor.client.types import ListResponse, Order

_SENDER = "/authfactor/senders/mail"


class _Messages(Group):
    """The methods, written once for both clients. `errors` lists what every method can raise."""

    @listing
    def list_messages(
        self,
        *,
        user_id: str | None = None,
        state: MessageState | None = None,
        limit: int | None = None,
        before: str | None = None,
        after: str | None = None,
        order: Order | None = None,
    ) -> ApiCall[ListResponse[Message]]:
        """List messages, newest first, all or by user and state.

        Returns a page; iterating over it also fetches the pages after it. Raises `UnprocessableEntityError`.
        """
        given = query(user_id=user_id, state=state, limit=limit, before=before, after=after, order=order)
        return ApiCall("GET", "/authfactor/messages", decoder(ListResponse[Message]), query=given)

    @operation
    def get_message(self, message_id: str) -> ApiCall[Message]:
        """Return a message. Raises `NotFoundError`."""
        return ApiCall("GET", path("/authfactor/messages/{}", message_id), decoder(Message))

    @operation
    def get_mail_sender(self) -> ApiCall[MailSender]:
        """Return the environment's sender of mail. Raises `NotFoundError` if there is none."""
        return ApiCall("GET", _SENDER, decoder(MailSender))

    @operation
    def set_mail_sender(  # noqa: PLR0913 - the members of the body
        self,
        kind: str,
        *,
        from_address: str | None = None,
        from_name: str | None = None,
        reply_to: str | None = None,
        smtp: dict[str, Any] | None = None,
        webhook: dict[str, Any] | None = None,
        off: list[str] | None = None,
        locale: str | None = None,
        limits: dict[str, int] | None = None,
    ) -> ApiCall[MailSender]:
        """Replace the environment's sender of mail as a whole; secrets that are absent stay.

        Args:
            kind: `smtp`, `webhook` or, for development, `console`.
            from_address: Address that mail comes from; required for `smtp`.
            from_name: Name that mail comes from.
            reply_to: Where replies go.
            smtp: `host`, `port`, `security`, `username`, `password`.
            webhook: `url`, `secret`.
            off: Kinds of messages that are not sent.
            locale: Language for users without one.
            limits: Send limits.

        Raises `UnprocessableEntityError`.
        """
        body = drop_none(
            kind=kind,
            from_address=from_address,
            from_name=from_name,
            reply_to=reply_to,
            smtp=smtp,
            webhook=webhook,
            off=off,
            locale=locale,
            limits=limits,
        )
        return ApiCall("PUT", _SENDER, decoder(MailSender), body)

    @operation
    def delete_mail_sender(self) -> ApiCall[None]:
        """Delete the environment's sender of mail; what waits to be sent fails. Raises `NotFoundError`."""
        return ApiCall("DELETE", _SENDER, decode_nothing)

    @operation
    def test_mail_sender(self, to: str) -> ApiCall[SenderTest]:
        """Send a test message now. Raises `NotFoundError` and `UnprocessableEntityError`."""
        return ApiCall("POST", f"{_SENDER}/test", decoder(SenderTest), {"to": to})


class MessageGroup(_Messages, SyncGroup):
    """`client.messages` of a `Client`."""


class AsyncMessageGroup(_Messages, AsyncGroup):
    """`client.messages` of an `AsyncClient`."""
