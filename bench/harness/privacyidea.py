"""The operations on privacyIDEA: enroll a TOTP token, with its picture, and check a code of it.

It has no challenge that a code would have to answer, so a check is one request where authfactor needs two.
"""

import base64
import json
import time
from typing import Any

from harness import totp
from harness.operations import SLACK_SECONDS, Prepare, Prepared
from harness.rehearsal import Unequal, send
from harness.servers import Server
from harness.stock import WINDOW, Factor, Stock
from harness.wrk import Call, collect

RIGHT = '"value": true'


def imported(secret: str) -> dict[str, str]:
    """Return the body that enrolls a token with a secret of ours, given in base32."""
    return {"type": "totp", "otpkey": base64.b32decode(secret).hex()}


def enroll_tokens(stock: Stock, count: int) -> None:
    """Enroll that many more tokens with secrets of ours."""
    secrets = [totp.new_secret() for _ in range(count)]
    calls = [Call("POST", "/token/init", json.dumps(imported(secret))) for secret in secrets]
    for call, answer in zip(calls, collect(stock.server, calls, connections=1), strict=True):
        serial = json.loads(answer)["detail"]["serial"]
        key = bytes.fromhex(json.loads(call.body)["otpkey"])
        stock.factors.append(Factor(serial, "", base64.b32encode(key).decode()))


def enroll(_stock: Stock, count: int, _seconds: int) -> Prepared:
    """Enroll tokens without an owner, secret and picture made by the server."""
    body = json.dumps({"type": "totp", "genkey": True})
    return Prepared([Call("POST", "/token/init", body)] * count, once=True)


def verify(stock: Stock, count: int, seconds: int) -> Prepared:
    """Check right, unused codes: two of a token, the current and the next."""
    enroll_tokens(stock, max(-(-count // len(WINDOW)) - len(stock.factors), 0))
    left = totp.PERIOD - time.time() % totp.PERIOD
    if left < seconds + SLACK_SECONDS:
        time.sleep(left + 0.01)
    now_step = int(time.time()) // totp.PERIOD
    while True:
        turns = [
            [f for f in stock.factors if len(f.usable_steps(now_step)) > turn] for turn in range(len(WINDOW))
        ]
        missing = count - sum(map(len, turns))
        if missing <= 0:
            break
        enroll_tokens(stock, -(-missing // len(WINDOW)))
    wanted = [factor for members in turns for factor in members][:count]
    last = {factor.id: factor.last_step for factor in wanted}
    calls, spent = [], []
    for factor in wanted:
        last[factor.id] = step = max(last[factor.id] + 1, now_step)
        body = json.dumps({"serial": factor.id, "pass": totp.code(factor.secret, step)})
        calls.append(Call("POST", "/validate/check", body))
        spent.append((factor, step))

    def settle(issued: int) -> None:
        for factor, step in spent[:issued]:
            factor.last_step = step

    return Prepared(calls, once=True, expect=RIGHT, settle=settle)


OPERATIONS: dict[str, Prepare] = {"enroll": enroll, "verify": verify}


def rehearse(server: Server) -> None:
    """Enroll, check a right code, and see the same code refused.

    Raises:
        Unequal: one of the answers is another.
    """

    def need(name: str, answer: dict[str, Any], *, holds: bool) -> None:
        if not holds:
            message = f"{server.name}: {name}: {answer}"
            raise Unequal(message)

    secret = totp.new_secret()
    _, enrolled = send(server, "POST", "/token/init", imported(secret))
    need("enroll", enrolled, holds=bool(enrolled["result"]["status"]))
    shown = enrolled["detail"]
    need("picture", enrolled, holds=shown["googleurl"]["img"].startswith("data:image/png;base64,iVBOR"))
    body = {"serial": shown["serial"], "pass": totp.code(secret, int(time.time()) // totp.PERIOD)}
    _, checked = send(server, "POST", "/validate/check", body)
    need("right code", checked, holds=checked["result"]["value"] is True)
    _, replayed = send(server, "POST", "/validate/check", body)
    need("spent code", replayed, holds=replayed["result"]["value"] is False)
