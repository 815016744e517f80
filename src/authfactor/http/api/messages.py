"""The endpoints of messages to users, and of what sends them."""

from authfactor.errors import InvalidRequest, Item
from authfactor.http.api.parameters import PAGE, list_query, required
from authfactor.http.request import Request
from authfactor.http.response import Response
from authfactor.http.routing import Route
from authfactor.message_sending import MessageSender
from authfactor.rules.messages.kinds import MAIL, STATES
from authfactor.wire import messages, mfa_policies, responses, senders
from authfactor.wire.senders import SetMailSender, TestedSenderObject, TestMail

TAG = "messages"
SENDER = f"sender:{MAIL}"


async def list_messages(request: Request) -> Response:
    """List messages."""
    query = list_query(request, "user_id", "state")
    state = next((each for each in STATES if each == query.get("state")), None)
    if "state" in query and state is None:
        raise InvalidRequest(Item("state", "state_invalid", f"state: one of {', '.join(STATES)}."))
    page = request.page_query(query)
    unit = request.af.messages.page(request.environment, page, query.get("user_id"), state)
    return await request.read(unit, messages.message_list)


async def get_message(request: Request) -> Response:
    """Return a message."""
    unit = request.af.messages.get(request.environment, request.ids[0])
    return await request.read(unit, messages.message)


async def get_mail_sender(request: Request) -> Response:
    """Return the sender, without its secrets."""
    return await request.read(request.af.senders.get(request.environment), senders.mail_sender)


async def set_mail_sender(request: Request) -> Response:
    """Replace the sender."""
    body = mfa_policies.read(SetMailSender, request.body, code="sender_invalid")
    unit = request.af.senders.set(request.environment, body)
    return await request.administer(unit, senders.mail_sender, "sender.set", SENDER)


async def delete_mail_sender(request: Request) -> Response:
    """Delete the sender."""
    unit = request.af.senders.delete(request.environment)
    return await request.administer(unit, None, "sender.delete", SENDER)


async def test_mail_sender(request: Request) -> Response:
    """Send a test message now, and say how that ended."""
    to = required(mfa_policies.read(TestMail, request.body, code="sender_invalid").to, "to")
    sender = MessageSender(request.af)
    try:
        outcome = await sender.test(request.environment, to)
    finally:
        await sender.close()
    return Response(
        request.status, responses.encode(TestedSenderObject(outcome.error is None, outcome.error))
    )


ROUTES = [
    Route(
        "GET",
        "/authfactor/messages",
        list_messages,
        200,
        "List messages",
        gives=responses.ListOf[messages.MessageObject],
        query=(*PAGE, "user_id", "state"),
        refusals=(422,),
        tag=TAG,
    ),
    Route(
        "GET",
        "/authfactor/messages/{message_id}",
        get_message,
        200,
        "Get a message",
        gives=messages.MessageObject,
        refusals=(404,),
        tag=TAG,
    ),
    Route(
        "GET",
        "/authfactor/senders/mail",
        get_mail_sender,
        200,
        "Get the mail sender",
        gives=senders.MailSenderObject,
        refusals=(404,),
        tag=TAG,
    ),
    Route(
        "PUT",
        "/authfactor/senders/mail",
        set_mail_sender,
        200,
        "Set the mail sender",
        takes=SetMailSender,
        requires=("kind",),
        gives=senders.MailSenderObject,
        refusals=(422,),
        tag=TAG,
    ),
    Route(
        "DELETE",
        "/authfactor/senders/mail",
        delete_mail_sender,
        204,
        "Delete the mail sender",
        refusals=(404,),
        tag=TAG,
    ),
    Route(
        "POST",
        "/authfactor/senders/mail/test",
        test_mail_sender,
        200,
        "Test the mail sender",
        takes=TestMail,
        requires=("to",),
        gives=TestedSenderObject,
        refusals=(404, 422),
        tag=TAG,
    ),
]
