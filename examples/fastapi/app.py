"""Sign-up, sign-in with password and code, and sign-out: FastAPI with authfactor.

Reads WORKOS_BASE_URL, WORKOS_API_KEY and WORKOS_CLIENT_ID. Run it with: uvicorn app:app
"""

import base64
import json
import secrets
from html import escape
from typing import Annotated

from fastapi import Cookie, FastAPI, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from workos import AsyncWorkOSClient, AuthorizationError, WorkOSError
from workos.user_management import AuthenticateResponse, PasswordPlaintext

app = FastAPI()
workos = AsyncWorkOSClient()
users, factors = workos.user_management, workos.multi_factor_auth

COOKIE = "session"
# Of one process. With several, or to survive a restart, use a database.
sessions: dict[str, dict[str, str]] = {}
Key = Annotated[str, Cookie(alias=COOKIE)]
Text = Annotated[str, Form()]

CREDENTIALS = {"email": "email", "password": "password"}
CODE = {"code": "text"}


@app.get("/")
async def home(key: Key = "") -> Response:
    session = sessions.get(key, {})
    if "user" not in session:
        return go("/sign-in")
    return show("Welcome", f"You are signed in as {session['email']}.", action="/sign-out", button="Sign out")


@app.get("/sign-up")
async def sign_up_form() -> Response:
    return show("Sign up", fields=CREDENTIALS)


@app.post("/sign-up")
async def sign_up(request: Request, email: Text, password: Text, key: Key = "") -> Response:
    try:
        await users.create_user(email=email, password=PasswordPlaintext(password))
        signed_in = await users.authenticate_with_password(email=email, password=password)
    except WorkOSError as error:
        return show("Sign up", reason(error), fields=CREDENTIALS)
    return remember(request, key, of_user(signed_in), "/enroll")


@app.get("/enroll")
async def enroll_form(key: Key = "") -> Response:
    session = sessions.get(key, {})
    if "user" not in session:
        return go("/sign-in")
    enrolled = await factors.create_user_auth_factor(session["user"], type="totp", totp_issuer="Example")
    session["challenge"] = enrolled.authentication_challenge.id
    session["picture"] = enrolled.authentication_factor.totp.qr_code
    return show("Enroll", fields=CODE, picture=session["picture"])


@app.post("/enroll")
async def enroll(code: Text, key: Key = "") -> Response:
    session = sessions.get(key, {})
    if "user" not in session or "challenge" not in session:
        return go("/enroll")
    try:
        valid = (await factors.verify_challenge(session["challenge"], code=code)).valid
    except WorkOSError as error:
        return show("Enroll", reason(error), fields=CODE, picture=session["picture"])
    if not valid:
        return show("Enroll", "Wrong code. Try again.", fields=CODE, picture=session["picture"])
    session.pop("challenge", None)
    session.pop("picture", None)
    return go("/")


@app.get("/sign-in")
async def sign_in_form() -> Response:
    return show("Sign in", fields=CREDENTIALS)


@app.post("/sign-in")
async def sign_in(request: Request, email: Text, password: Text, key: Key = "") -> Response:
    try:
        signed_in = await users.authenticate_with_password(email=email, password=password)
    except AuthorizationError as error:
        if error.code != "mfa_challenge":
            return show("Sign in", reason(error), fields=CREDENTIALS)
        answer = error.response_json
        session = {
            "pending": answer["pending_authentication_token"],
            "challenge": answer["authentication_challenge"]["id"],
        }
        return remember(request, key, session, "/code")
    except WorkOSError as error:
        return show("Sign in", reason(error), fields=CREDENTIALS)
    return remember(request, key, of_user(signed_in), "/")


@app.get("/code")
async def code_form(key: Key = "") -> Response:
    return show("Enter code", fields=CODE) if "pending" in sessions.get(key, {}) else go("/sign-in")


@app.post("/code")
async def enter_code(request: Request, code: Text, key: Key = "") -> Response:
    session = sessions.get(key, {})
    if "pending" not in session:
        return go("/sign-in")
    try:
        signed_in = await users.authenticate_with_totp(
            code=code,
            authentication_challenge_id=session["challenge"],
            pending_authentication_token=session["pending"],
        )
    except WorkOSError as error:
        return show("Enter code", reason(error), fields=CODE)
    return remember(request, key, of_user(signed_in), "/")


@app.post("/sign-out")
async def sign_out(key: Key = "") -> Response:
    session = sessions.pop(key, {})
    if "session" in session:
        await users.revoke_session(session_id=session["session"])
    response = go("/sign-in")
    response.delete_cookie(COOKIE)
    return response


def remember(request: Request, key: str, session: dict[str, str], target: str) -> Response:
    """Begin a session with a new id: an id that was known before the sign-in must not become valid."""
    sessions.pop(key, None)
    fresh = secrets.token_urlsafe(32)
    sessions[fresh] = session
    response = go(target)
    # Lax: a form on another site is sent without the cookie.
    secure = request.url.scheme == "https"
    response.set_cookie(COOKIE, fresh, httponly=True, samesite="lax", secure=secure)
    return response


def of_user(signed_in: AuthenticateResponse) -> dict[str, str]:
    # The access token comes from the server itself, so its signature needs no check here.
    payload = signed_in.access_token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return {"user": signed_in.user.id, "email": signed_in.user.email, "session": claims["sid"]}


def reason(error: WorkOSError) -> str:
    """Return what to tell the user. A failure of the server is none of theirs."""
    if not 400 <= (error.status_code or 500) < 500:
        raise error
    return error.message


def go(target: str) -> Response:
    return RedirectResponse(target, 303)


def show(
    title: str,
    message: str = "",
    fields: dict[str, str] | None = None,
    picture: str = "",
    action: str = "",
    button: str = "Continue",
) -> Response:
    alert = f'<p role="alert">{escape(message)}</p>' if message else ""
    image = f'<p>Scan this with your authenticator app.</p><img src="{escape(picture)}" alt="QR code">'
    inputs = "".join(
        f'<p><label>{name} <input name="{name}" type="{kind}" required></label></p>\n'
        for name, kind in (fields or {}).items()
    )
    return HTMLResponse(f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>
<h1>{escape(title)}</h1>
{alert}{image if picture else ""}
<form method="post" action="{action}">
{inputs}<button>{button}</button></form>
""")
