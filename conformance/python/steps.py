# ruff: noqa: T201 - programs report by printing
"""What the Python programs share: one line per step, codes of an authenticator, a QR reader, token checks."""

import base64
import hmac
import inspect
import io
import json
import os
import struct
import time
import traceback
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeAlias, TypeVar

import jwt
import zxingcpp
from PIL import Image

BASE_URL: Final = os.environ["BASE_URL"]
API_KEY: Final = os.environ["API_KEY"]
CLIENT_ID: Final = os.environ["CLIENT_ID"]
PASSWORD: Final = "a long and rare passphrase 7!"
SECRET: Final = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
BAD_SECRET: Final = "0189!"
PATIENCE: Final = 20
WITH_RECOVERY_CODE: Final = ["pwd", "recovery_code", "mfa"]  # how the session began, in its claims

Answer: TypeAlias = Any  # of an SDK, whichever its generation
Step = TypeVar("Step", bound=Callable[..., object])


def unique_email() -> str:
    return f"kim.{time.time_ns()}@example.org"


def code(secret: str) -> str:
    """Return the six digits of a base32 secret for now (RFC 6238)."""
    return code_at(secret, now())


def now() -> int:
    """Return the number of the current step of 30 seconds."""
    return int(time.time()) // 30


def code_at(secret: str, step: int) -> str:
    key = base64.b32decode(secret + "=" * (-len(secret) % 8))
    digest = hmac.digest(key, struct.pack(">Q", step), "sha1")
    at = digest[-1] & 15
    return f"{(struct.unpack('>I', digest[at : at + 4])[0] & 0x7FFFFFFF) % 1_000_000:06d}"


def wrong_code(secret: str) -> str:
    """Return six digits that are no code of this secret for some minutes around now."""
    near = {code_at(secret, step) for step in range(now() - 10, now() + 11)}
    return next(digits for digits in map("{:06d}".format, range(100)) if digits not in near)


def text_in_picture(data_uri: str) -> str:
    """Read the QR code in a PNG given as a data URI."""
    kind, _, picture = data_uri.partition(",")
    same("kind of picture", kind, "data:image/png;base64")
    with Image.open(io.BytesIO(base64.b64decode(picture, validate=True))) as image:
        found = zxingcpp.read_barcode(image.convert("L"))
    assert found is not None, "no QR code in the picture"
    return found.text


def claims_of(access_token: str, url: str) -> dict[str, Any]:
    """Check an access token against the published keys and return its claims."""
    key = jwt.PyJWKClient(url).get_signing_key_from_jwt(access_token)
    return jwt.decode(access_token, key, algorithms=["RS256"], options={"verify_aud": False})


def call(method: str, path: str, body: object = None) -> dict[str, Any]:
    """Send a request that no SDK has a method for."""
    request = urllib.request.Request(
        BASE_URL.rstrip("/") + path,
        None if body is None else json.dumps(body).encode(),
        {"Authorization": f"Bearer {API_KEY}", "Content-Type": "application/json"},
        method=method,
    )
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
        text = answer.read()
    return dict(json.loads(text)) if text else {}


def recovery_codes(user_id: str) -> list[str]:
    """Make a set of recovery codes."""
    return list(call("POST", f"/authfactor/users/{user_id}/recovery_codes")["codes"])


def same(what: str, found: object, expected: object) -> None:
    assert found == expected, f"{what}: {found!r} instead of {expected!r}"


async def settled(value: Answer) -> Answer:
    """Wait for what an asynchronous client returned; pass on what a synchronous one did."""
    return await value if inspect.isawaitable(value) else value


class Caught:
    """Holds the exception that a `refused` block ended with."""

    error: Answer = None


@contextmanager
def refused(error: type[Exception]) -> Iterator[Caught]:
    """Check that the block raises exactly this class."""
    caught = Caught()
    try:
        yield caught
    except error as raised:
        same("class of the error", type(raised), error)
        caught.error = raised
    else:
        raise AssertionError(f"no {error.__name__}")


async def walk(life: object) -> int:
    """Run the methods marked as steps in the order they are written; return how many failed."""
    failed = 0
    for method in vars(type(life)).values():
        name = getattr(method, "step", None)
        if name is None:
            continue
        try:
            await settled(method(life))
        except Exception as error:  # noqa: BLE001 - whatever is raised is a failed step
            failed += 1
            last = traceback.extract_tb(error.__traceback__)[-1]
            said = f"{type(error).__name__}: {error} ({last.filename.rsplit('/', 1)[-1]}:{last.lineno})"
            print(f"not ok {name}\n# {' '.join(said.split())}", flush=True)
        else:
            print(f"ok {name}", flush=True)
    return failed


def step(name: str) -> Callable[[Step], Step]:
    """Mark a method as a step of a life."""

    def mark(method: Step) -> Step:
        method.__dict__["step"] = name
        return method

    return mark
