"""Requests and commands to a real server with known secrets, and where each secret may appear."""

import base64
import json
import os
import re
import secrets
import time
from typing import Any, Final

import httpx
import jwt

from tests.support import authenticator
from tests.support.canary_secrets import Mark, Output
from tests.support.server_process import CLIENT_ID, Server, command_line

MFA_TOTP: Final = "urn:workos:oauth:grant-type:mfa-totp"
FROM_OUR_PAGE: Final = {"sec-fetch-site": "same-origin"}

# Where each kind of secret may appear: the response that creates it (again under the same
# Idempotency-Key) and the page that displays it. docs/threat-model.md has the same table.
MAY_BE_SHOWN: Final = {
    "TOTP secret, made": {
        "enroll",
        "enroll again",
        "enroll stand-alone",
        "enroll page",
        "CLI factors enroll",
    },
    "TOTP secret, given": {"enroll with secret"},
    "TOTP secret, operator": {"console set-up"},
    "recovery code": {
        "make recovery codes",
        "make recovery codes again",
        "CLI recovery-codes create",
    },
    "API key, made": {"CLI keys create", "console keys create"},
    # The refusal of a spent token contains it, as the contract specifies.
    "pending token": {"sign in", "second step again"},
    "access token": {"second step", "refresh", "device sign-in"},
    "refresh token": {"second step", "refresh", "device sign-in"},
    "trusted device": {"trust device", "rotate device", "device sign-in"},
    # Also in lists, where SDKs require it.
    "webhook secret": {"make endpoint", "GET /webhook_endpoints"},
    "link token": {
        "make enrollment link",
        "make challenge link",
        "make factors link",
        "CLI links enroll",
        "console enroll",
    },
    "set-up token": {"console set-up", "CLI operators invite", "console operators invite"},
    "page cookie": {"link cookie"},
    "operator cookie": {"console sign-in"},
    "device cookie": {"console sign-in"},
}


# Places whose requests are meant to be refused.
REFUSED: Final = (
    "wrong ",
    "verify",
    "enroll refused",
    "refresh refused",
    "import refused",
    "second step again",
    "console refused",
    "sign in",
    "enroll page",
    "challenge page",
    "console set-up",
    "query ",
    "path ",
    "header ",
    "broken body ",
    "field ",
)


def random_secret() -> str:
    return base64.b32encode(os.urandom(20)).decode()


def random_word() -> str:
    return f"canary {secrets.token_urlsafe(18)}"


class Walk:
    """Sends requests, records every response, and collects the known secrets by kind."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.marks: set[Mark] = set()
        self.outputs: list[Output] = []
        self.clients: list[httpx.Client] = []
        self.api = self.client(server.setting("AUTHFACTOR_BOOTSTRAP_API_KEY"))
        self.browser = self.client()

    def client(self, key: str | None = None) -> httpx.Client:
        self.clients.append(self.server.client(key))
        return self.clients[-1]

    def know(self, kind: str, value: str) -> str:
        self.marks.add(Mark(kind, value))
        return value

    def ask(
        self,
        place: str,
        method: str,
        path: str,
        *,
        by: httpx.Client | None = None,
        **options: Any,  # noqa: ANN401 - any option of the client
    ) -> httpx.Response:
        answer = (by or self.api).request(method, path, **options)
        headers = b"\n".join(name + b": " + value for name, value in answer.headers.raw)
        self.outputs.append(Output(place, headers + b"\n\n" + answer.content))
        # An unintended refusal would leave outputs unsearched.
        fine = answer.is_success or answer.is_redirect or place.startswith(REFUSED)
        assert fine, (place, answer.status_code, answer.text[:300])
        return answer

    def post(self, place: str, path: str, body: object = None, **headers: str) -> dict[str, Any]:
        decoded: dict[str, Any] = self.ask(place, "POST", path, json=body, headers=headers).json()
        return decoded

    def shown(self, kind: str, value: str) -> str:
        """Check that the last response contains a secret, in a place where that kind may appear."""
        last = self.outputs[-1]
        assert last.place in MAY_BE_SHOWN[kind], (kind, last.place)
        mark = Mark(kind, value)
        assert any(form in last.content for form in mark.forms()), (kind, last.place)
        last.may_show.add(value)
        return self.know(kind, value)

    def run(self, *words: str, code: int | None = 0) -> str:
        """Run the command line on the server's data and record its output."""
        done = command_line("--data", str(self.server.data), *words, **self.server.settings)
        assert code in (None, done.returncode), (words, done.returncode, done.stdout, done.stderr)
        self.outputs.append(
            Output(
                "CLI " + " ".join(words[1:3] if words[0] == "--json" else words[:2]),
                (done.stdout + done.stderr).encode(),
            )
        )
        return done.stdout

    def form(self, place: str, path: str, by: httpx.Client, **form: str) -> httpx.Response:
        return self.ask(place, "POST", path, by=by, data=form, headers=FROM_OUR_PAGE)


def factors(walk: Walk) -> None:
    """Enroll, read, challenge and verify in every way, with right and wrong codes."""
    user = walk.post("make user", "/user_management/users", {"email": "kim@example.org"})["id"]
    path = f"/user_management/users/{user}/auth_factors"
    key = {"idempotency-key": walk.know("idempotency key", secrets.token_hex(16))}
    made = walk.post("enroll", path, {"type": "totp"}, **key)
    secret = walk.shown("TOTP secret, made", made["factor"]["totp"]["secret"])
    walk.outputs[-1].may_show.add(secret)
    walk.post("enroll again", path, {"type": "totp"}, **key)
    walk.shown("TOTP secret, made", secret)
    given = random_secret()
    walk.post("enroll with secret", path, {"type": "totp", "totp_secret": given})
    walk.shown("TOTP secret, given", given)
    alone = walk.post(
        "enroll stand-alone", "/auth/factors/enroll", {"type": "totp", "totp_issuer": "A", "totp_user": "kim"}
    )
    walk.shown("TOTP secret, made", alone["totp"]["secret"])
    challenge = f"/auth/challenges/{made['challenge']['id']}/verify"
    right = walk.know("code", authenticator.code(secret))
    wrong = walk.know("wrong code", authenticator.wrong_code(secret))
    malformed = walk.know("malformed code", f"{right}-{secrets.token_hex(8)}")
    for code in (wrong, malformed, right, right):
        walk.post("verify", challenge, {"code": code})
    old = walk.post("challenge", "/auth/factors/challenge", {"authentication_factor_id": alone["id"]})
    code = walk.know("code", authenticator.code(alone["totp"]["secret"]))
    walk.post(
        "verify on the legacy route",
        "/auth/factors/verify",
        {"authentication_challenge_id": old["id"], "code": code},
    )
    for read in (f"/auth/factors/{made['factor']['id']}", path, f"/user_management/users/{user}"):
        walk.ask(f"GET {read}", "GET", read)
    for weak in (given[:15] + "1", given + "!", secret + "é"):
        walk.post("enroll refused", path, {"type": "totp", "totp_secret": walk.know("broken secret", weak)})
    printed = walk.run("--json", "factors", "enroll", user)
    walk.shown("TOTP secret, made", json.loads(printed)["factor"]["totp"]["secret"])
    for words in (("list", user), ("get", made["factor"]["id"])):
        walk.run("--json", "factors", *words)
    opened = walk.post("challenge", f"/auth/factors/{made['factor']['id']}/challenge")["id"]
    walk.run("factors", "verify", opened, wrong, code=5)
    recovery_codes(walk, user, made["factor"]["id"])


def recovery_codes(walk: Walk, user: str, factor: str) -> None:
    """Make recovery codes and use them: right, wrong, twice."""
    path, key = f"/authfactor/users/{user}/recovery_codes", {"idempotency-key": secrets.token_hex(16)}
    codes = walk.post("make recovery codes", path, **key)["codes"]
    for place in ("make recovery codes again", ""):
        for code in codes:
            walk.shown("recovery code", code)
        if place:
            walk.post(place, path, **key)
    opened = walk.post("challenge", f"/auth/factors/{factor}/challenge")["id"]
    for code in (walk.know("wrong recovery code", "zyxw-vtsr-qpnm-kjhg"), codes[0], codes[0], codes[1]):
        walk.post("verify", f"/auth/challenges/{opened}/verify", {"code": code})
    walk.ask(f"GET {path}", "GET", path)
    walk.ask("factors", "GET", f"/authfactor/users/{user}/factors")
    given = [walk.know("imported recovery code", secrets.token_hex(10)) for _ in range(3)]
    walk.ask("import recovery codes", "PUT", path, json={"codes": given[:2]})
    opened = walk.post("challenge", f"/auth/factors/{factor}/challenge")["id"]
    for code in (walk.know("wrong recovery code", "wrongimportedcode"), given[0].upper(), given[1]):
        walk.post("verify", f"/auth/challenges/{opened}/verify", {"code": code})
    walk.ask("import refused", "PUT", path, json={"codes": [given[2], given[2]]})
    file = walk.server.data.parent / "codes.txt"
    file.write_text("\n".join(given))
    walk.run("recovery-codes", "import", user, str(file), "--yes")
    file.unlink()
    for code in json.loads(walk.run("--json", "recovery-codes", "create", user, "--yes"))["codes"]:
        walk.shown("recovery code", code)


def sign_in(walk: Walk) -> None:
    """Use right and wrong passwords, tokens and sessions."""
    password = walk.know("password", random_word())
    secret, email = random_secret(), "pat@example.org"
    user = walk.post("make user", "/user_management/users", {"email": email, "password": password})["id"]
    body = {"type": "totp", "totp_secret": secret}
    walk.post("enroll with secret", f"/user_management/users/{user}/auth_factors", body)
    walk.shown("TOTP secret, given", secret)
    credentials = {
        "client_id": CLIENT_ID,
        "client_secret": walk.server.setting("AUTHFACTOR_BOOTSTRAP_API_KEY"),
    }
    grant, path = {**credentials, "grant_type": "password", "email": email}, "/user_management/authenticate"
    walk.post("wrong password", path, {**grant, "password": walk.know("wrong password", random_word())})
    pending = walk.post("sign in", path, {**grant, "password": password})
    token = walk.shown("pending token", pending["pending_authentication_token"])
    step = {
        **credentials,
        "grant_type": MFA_TOTP,
        "pending_authentication_token": token,
        "authentication_challenge_id": pending["authentication_challenge"]["id"],
    }
    walk.post("wrong second step", path, {**step, "code": authenticator.wrong_code(secret)})
    right = walk.know("code", authenticator.code(secret))
    session = walk.post("second step", path, {**step, "code": right})
    walk.shown("access token", session["access_token"])
    refresh = {**credentials, "grant_type": "refresh_token"}
    spent = walk.shown("refresh token", session["refresh_token"])
    renewed = walk.post("refresh", path, {**refresh, "refresh_token": spent})
    walk.shown("access token", renewed["access_token"])
    walk.shown("refresh token", renewed["refresh_token"])
    walk.post("second step again", path, {**step, "code": right})
    walk.shown("pending token", token)
    trusted_devices(walk, renewed["access_token"], {**grant, "password": password}, step)
    walk.post("refresh refused", path, {**refresh, "refresh_token": walk.know("wrong token", random_word())})
    walk.ask("sessions", "GET", f"/user_management/users/{user}/sessions")
    hashed = walk.know(
        "password hash",
        f"$argon2id$v=19$m=19456,t=2,p=1${secrets.token_urlsafe(16)}${secrets.token_urlsafe(32)}",
    )
    for kind in ("argon2", "bcrypt", "scrypt", "pbkdf2", "ssha", "nonsense"):
        imported = {
            "email": f"{kind}@example.org",
            "password_hash": hashed[:-3] + "!!!",
            "password_hash_type": kind,
        }
        walk.post("import refused", "/user_management/users", imported)
    new = walk.know("password", random_word())
    walk.ask("new password", "PUT", f"/user_management/users/{user}", json={"password": new})
    walk.run("--json", "users", "get", user)


def trusted_devices(walk: Walk, access: str, first: dict[str, str], step: dict[str, str]) -> None:
    """Trust the device of a session, sign in with it, and send tokens that are wrong or spent."""
    walk.run("environments", "update", "default", "--trusted-devices", "allowed")
    time.sleep(1)  # callers are cached
    claims = jwt.decode(access, options={"verify_signature": False})
    path, body = "/authfactor/trusted_devices", {"session_id": claims["sid"]}
    spent = walk.shown("trusted device", walk.post("trust device", path, body)["token"])
    token = walk.post("rotate device", f"{path}/rotate", {"token": spent})["token"]
    walk.shown("trusted device", token)
    pending = walk.post("sign in", "/user_management/authenticate", first)
    held = walk.shown("pending token", pending["pending_authentication_token"])
    second = {**step, "pending_authentication_token": held}
    forged = walk.know("forged device", f"td_{secrets.token_urlsafe(32)}")
    walk.post("wrong device", "/user_management/authenticate", {**second, "code": forged})
    answer = walk.post("device sign-in", "/user_management/authenticate", {**second, "code": token})
    walk.shown("trusted device", answer["trusted_device"]["token"])
    walk.shown("access token", answer["access_token"])
    walk.shown("refresh token", answer["refresh_token"])
    walk.post("wrong device", f"{path}/rotate", {"token": spent})
    user = claims["sub"]
    walk.ask("devices", "GET", f"/authfactor/users/{user}/trusted_devices")
    walk.run("--json", "devices", "list", user)
    walk.run("devices", "revoke", user, "--all", "--yes")


def links(walk: Walk) -> None:
    """Create links and follow them, with their pages and cookies."""
    user = walk.post("make user", "/user_management/users", {"email": "lee@example.org"})["id"]
    made = walk.post("make enrollment link", "/authfactor/enrollment_links", {"user_id": user})
    token = walk.shown("link token", made["url"].rpartition("/")[2])
    browser = walk.client()
    walk.ask("link page", "GET", f"/link/{token}", by=browser)
    # Its form is submitted to the page's own URL.
    walk.outputs[-1].may_show.add(token)
    opened = walk.form("link cookie", f"/link/{token}", browser)
    walk.shown("page cookie", opened.headers["set-cookie"].partition("=")[2].partition(";")[0])
    page = walk.ask("enroll page", "GET", opened.headers["location"], by=browser)
    secret = walk.shown("TOTP secret, made", grouped(page))
    wrong = walk.know("wrong code", authenticator.wrong_code(secret))
    walk.form("enroll page", opened.headers["location"], browser, code=wrong)
    walk.shown("TOTP secret, made", secret)
    code = walk.know("code", authenticator.code(secret))
    walk.form("enrolled page", opened.headers["location"], browser, code=code)
    walk.ask("enrolled page", "GET", opened.headers["location"], by=browser)
    walk.ask("read link", "GET", f"/authfactor/enrollment_links/{made['id']}")
    made = walk.post("make challenge link", "/authfactor/challenge_links", {"user_id": user})
    token = walk.shown("link token", made["url"].rpartition("/")[2])
    opened = walk.form("link cookie", f"/link/{token}", browser)
    walk.shown("page cookie", opened.headers["set-cookie"].partition("=")[2].partition(";")[0])
    walk.ask("challenge page", "GET", opened.headers["location"], by=browser)
    walk.form("challenge page", opened.headers["location"], browser, code=wrong)
    walk.form("challenge page", opened.headers["location"], browser, code=code)
    factors_page(walk, browser, user)
    printed = json.loads(walk.run("--json", "links", "enroll", user))
    walk.shown("link token", printed["url"].rpartition("/")[2])


def factors_page(walk: Walk, browser: httpx.Client, user: str) -> None:
    """Follow a link to the factors page, and see each step of it."""
    made = walk.post("make factors link", "/authfactor/factors_links", {"user_id": user})
    token = walk.shown("link token", made["url"].rpartition("/")[2])
    opened = walk.form("link cookie", f"/link/{token}", browser)
    walk.shown("page cookie", opened.headers["set-cookie"].partition("=")[2].partition(";")[0])
    home = opened.headers["location"]
    wrong = walk.know("wrong code", "000000")
    walk.form("wrong code on factors page", f"{home}/confirm/add", browser, code=wrong)
    for path in ("", "/recovery-codes", "/sessions", "/add/code"):
        walk.ask("factors page", "GET", f"{home}{path}", by=browser)
    walk.form("factors page", f"{home}/leave", browser)


def grouped(page: httpx.Response) -> str:
    """Read the secret that a page shows in groups of four."""
    found = re.search(r">((?:[A-Z2-7]{4} ){7}[A-Z2-7]{4})<", page.text)
    assert found, page.text
    return found[1].replace(" ", "")


def only(pattern: str, page: httpx.Response) -> str:
    """Read the one secret that a page must show."""
    [found] = set(re.findall(pattern, page.text))
    return str(found)


def console(walk: Walk) -> None:
    """Set up an operator, sign in, and visit every page that shows or takes a secret."""
    link = (walk.server.data / "console-set-up-link").read_text().strip()
    token, browser = walk.know("set-up token", link.rpartition("/")[2]), walk.browser
    password, path = walk.know("password", random_word()), f"/console/set-up/{token}"
    walk.ask("console set-up", "GET", path, by=browser)
    walk.shown("set-up token", token)
    weak = walk.know("wrong password", random_word())
    form = {"email": "op@example.org", "password": password}
    walk.form("console set-up", path, browser, **form, again=weak)
    walk.shown("set-up token", token)
    page = walk.form("console set-up", path, browser, **form, again=password)
    walk.shown("set-up token", token)
    secret = walk.shown("TOTP secret, operator", grouped(page))
    walk.form("console set-up", f"{path}/code", browser, code=authenticator.wrong_code(secret))
    walk.shown("set-up token", token)
    code = walk.know("code", authenticator.code(secret))
    walk.form("console sign-in", f"{path}/code", browser, code=code)
    walk.shown("operator cookie", browser.cookies["operator"])
    walk.shown("device cookie", browser.cookies["operator_device"])
    walk.form(
        "console refused",
        "/console/sign-in",
        walk.client(),
        email=form["email"],
        password=weak,
        code=code,
    )
    home = f"/console/e/{CLIENT_ID}"
    page = walk.form("console keys create", f"{home}/keys", browser, name="canary", reason="canary")
    walk.shown("API key, made", only(r"(sk_[\w-]{20,})", page))
    user = walk.api.get("/user_management/users").json()["data"][0]["id"]
    page = walk.form("console enroll", f"{home}/users/{user}/enroll", browser, reason="canary")
    walk.shown("link token", only(r"/link/([\w-]{20,})", page))
    page = walk.form(
        "console operators invite",
        "/console/operators",
        browser,
        email="two@example.org",
        role="owner",
        reason="canary",
    )
    walk.shown("set-up token", only(r"/console/set-up/([\w-]{20,})", page))
    for part in ("", "/users", f"/users/{user}", "/events", "/keys", "/webhooks", "/deliveries", "/settings"):
        walk.ask(f"console{part}", "GET", home + part, by=browser)
    for part in ("environments", "operators", "account", "audit"):
        walk.ask(f"console {part}", "GET", f"/console/{part}", by=browser)


def wrong_places(walk: Walk) -> None:
    """Send one secret of each kind where none belongs: paths, queries, headers, bodies, other fields."""
    # The longest of each kind, so that the choice is the same in every run.
    one_each = {mark.kind: mark.value for mark in sorted(walk.marks, key=lambda mark: len(mark.value))}
    anonymous = walk.client()
    for kind, value in one_each.items():
        # Headers and paths are ASCII.
        plain = value.encode().decode("ascii", "ignore")
        within = {value} | {mark.value for mark in walk.marks if mark.value in plain}
        for path in (
            "/user_management/users?limit=",
            "/user_management/users?before=",
            "/events?events=",
            "/events?after=",
            "/healthz?token=",
            "/user_management/sessions/logout?session_id=",
        ):
            walk.ask(f"query {path}", "GET", path + plain)
            walk.outputs[-1].may_show.update(within if path in MAY_ECHO else ())
        for path in ("/", "/link/", "/enroll/", "/console/set-up/", "/sso/jwks/"):
            walk.ask(f"path {path}", "GET", path + plain, by=anonymous)
            walk.outputs[-1].may_show.update(within if path in MAY_ECHO else ())
        for name in (
            "authorization",
            "cookie",
            "traceparent",
            "x-request-id",
            "idempotency-key",
            "user-agent",
            "content-type",
            "accept-language",
            "origin",
        ):
            prefix = {"authorization": "Bearer ", "cookie": "operator="}.get(name, "")
            sent = {name: prefix + plain}
            walk.ask(
                f"header {name}", "POST", "/user_management/users", by=anonymous, headers=sent, content=b"{}"
            )
            if name not in {"authorization", "content-type"}:
                walk.ask(f"header {name}", "POST", "/user_management/users", headers=sent, content=b"{}")
        for path in (
            "/user_management/users",
            "/user_management/authenticate",
            "/auth/factors/enroll",
            "/webhook_endpoints",
        ):
            for body in (
                f'{{"code": "{value}',
                f'{{"{value}": 1}}',
                f'{{"type": ["{value}"], "password": {{"x": "{value}"}}}}',
                value,
            ):
                walk.ask(
                    f"broken body of {path} with {kind}",
                    "POST",
                    path,
                    content=body.encode(),
                    headers={"content-type": "application/json"},
                )
            fields = ("type", "grant_type", "client_id", "endpoint_url", "password_hash_type")
            walk.ask(f"field of {path} with {kind}", "POST", path, json=dict.fromkeys(fields, value))
            walk.ask(f"field of {path} with {kind}", "POST", path, json={"type": "totp", fields[1]: value})


MAY_ECHO: Final = frozenset({"/sso/jwks/", "/user_management/users?before=", "/console/set-up/"})
"""Where a refusal names the requested id to the client that sent it, or a form has the URL of its page."""
