"""What `authfactor serve` prints at its start: URLs, and the credentials of a first start.

The output of a server is usually kept in a log that more people read than should have its keys. So a key or a
set-up link is printed only on a terminal; otherwise it goes into a file of mode 600, whose name is printed.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from authfactor import settings
from authfactor.settings import PREFIX, server_url

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TextIO

    from authfactor.core import Authfactor
    from authfactor.models import Environment

DEMO_EMAIL: Final = "kim@example.org"
KEY_FILE: Final = "bootstrap-api-key"
LINK_FILE: Final = "console-set-up-link"
DEMO_KEY_FILE: Final = "demo-api-key"


async def prepare(prepared: settings.Settings, listening_on: str, *, demo: bool) -> None:
    """Create the installation if there is none; print its URLs, new credentials, and a demo's commands."""
    from authfactor.core import Authfactor

    af = await Authfactor.open(prepared)
    try:
        server_url.write(prepared)
        base = server_url.on_this_machine(prepared.base_url)
        environment = (await af.read(lambda tx: tx.environments.all()))[0]
        key = await _prepare_key(af, environment, demo=demo)
        print(f"authfactor is listening on {listening_on}")
        print(f"  client id  {environment.client_id}")
        if prepared.docs:
            print(f"  reference  {base}/docs")
        if prepared.console:
            print(f"  console    {base}/console")
        print(f"  API key    {key}", flush=True)
        if prepared.console:
            await _print_set_up_link(af, base)
        if demo:
            await _show_messages(af, environment, base)
            await _print_demo(af, environment, base)
    finally:
        await af.close()


async def _prepare_key(af: Authfactor, environment: Environment, *, demo: bool) -> str:
    """Ensure that the environment has an API key; return it, or where it is."""
    prepared = af.settings
    if demo:
        return await _prepare_demo_key(af)
    if prepared.bootstrap_api_key:
        return f"(from {PREFIX}BOOTSTRAP_API_KEY)"
    if await af.read(lambda tx: tx.api_keys.of_environment(environment.number)):
        return "(already created; create another with: authfactor keys create)"
    if sys.stdout.isatty():
        _, key = await af.run(af.environments.new_key(environment, "first"))
        print("Store the API key below. It is shown only once.")
        return key
    path = prepared.data / KEY_FILE
    try:
        # Opened first: a key that cannot be handed over must not be created.
        with _private_file(path) as file:
            _, key = await af.run(af.environments.new_key(environment, "first"))
            file.write(f"{key}\n")
    except OSError as error:
        return f"(none, as {path} cannot be written: {error.strerror}; run: authfactor keys create)"
    return f"in {path}; move it to where your application reads it"


async def _print_set_up_link(af: Authfactor, base: str) -> None:
    """Print the link that sets up the first owner of the console, or where it is."""
    token = await af.run(af.operators.first_link())
    if not token:
        return
    link = f"{base}/console/set-up/{token}"
    print("\nThe console has no owner yet. To set one up, open this link, valid once, for 24 hours:")
    if not sys.stdout.isatty():
        path = af.settings.data / LINK_FILE
        try:
            with _private_file(path) as file:
                file.write(f"{link}\n")
        except OSError as error:
            print(f"  ({path} cannot be written: {error.strerror}; run: authfactor operators invite)")
            return
        link = f"in {path}"
    print(f"  {link}", flush=True)


async def _prepare_demo_key(af: Authfactor) -> str:
    """Ensure the demo's API key. It is stored in a file, so that every start can use it."""
    from authfactor.rules.authentication.opaque_tokens import random_token
    from authfactor.rules.tenants.environments import KEY_PREFIX

    path = af.settings.data / DEMO_KEY_FILE
    if af.settings.bootstrap_api_key or not path.exists():
        with _private_file(path) as file:
            file.write(af.settings.bootstrap_api_key or KEY_PREFIX + random_token(af.entropy))
    key = path.read_text().strip()
    await af.run(af.environments.ensure_first(team_name=af.settings.team_name, client_id="", key=key))
    return key if sys.stdout.isatty() else f"in {path}"


async def _show_messages(af: Authfactor, environment: Environment, base: str) -> None:
    """Show messages on the console and in the log of a demo, unless it has a sender; print where."""
    if not af.senders.is_development:
        return
    from authfactor.rules.messages.kinds import MAIL
    from authfactor.wire.senders import SetMailSender

    sender = await af.read(lambda tx: tx.senders.of_channel(environment.number, MAIL))
    if sender is None:
        await af.run(af.senders.set(environment, SetMailSender(kind="console")))
        await _sign_in_unverified(af)
    if sender is None or sender.kind == "console":
        print(f"\nMail is not sent, but shown here and at {base}/console/e/{environment.client_id}/messages")


async def _sign_in_unverified(af: Authfactor) -> None:
    """Let users of a demo sign in by password without a mailed code: first programs work as written."""
    import msgspec

    from authfactor.rules.tenants.environments import options_of

    environment = (await af.read(lambda tx: tx.environments.all()))[0]  # as it is with its sender
    options = options_of(environment)
    if options.sign_in.verify_email == "with_mail":
        sign_in = msgspec.structs.replace(options.sign_in, verify_email="off")
        changed = msgspec.structs.replace(options, sign_in=sign_in)
        await af.run(af.environments.update(environment, options=changed))


async def _print_demo(af: Authfactor, environment: Environment, base: str) -> None:
    """Print two ways to enroll a factor: a curl command and a link to a hosted page."""
    from authfactor.rules.links.links import PATH
    from authfactor.wire.links import CreateEnrollmentLink

    user_id = await _demo_user(af, environment)
    key_path = shlex.quote(str(af.settings.data.absolute() / DEMO_KEY_FILE))
    print("\nEnroll a factor:\n")
    print(
        f"curl -s {base}/user_management/users/{user_id}/auth_factors"
        f' -H "Authorization: Bearer $(cat {key_path})"'
        " -H 'Content-Type: application/json' -d '{\"type\":\"totp\"}'\n",
        flush=True,
    )
    if af.settings.base_url_is_safe:
        issued = await af.run(af.links.create_enrollment(environment, CreateEnrollmentLink(user_id=user_id)))
        print("Or open this page within 10 minutes and scan its QR code with your phone:\n")
        print(f"{base}{PATH}{issued.url.rpartition('/')[2]}\n", flush=True)


async def _demo_user(af: Authfactor, environment: Environment) -> str:
    from authfactor.wire.requests import CreateUser

    known = await af.read(lambda tx: tx.users.by_email(environment.number, DEMO_EMAIL))
    if known is None:
        known = await af.run(await af.users.prepare_create(environment, CreateUser(email=DEMO_EMAIL)))
    return known.id


@contextlib.contextmanager
def _private_file(path: Path) -> Iterator[TextIO]:
    """Create a file of mode 600 for writing, in place of an older one. Raises `OSError`."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        yield file
