"""Sign-up, sign-in with password and code, and sign-out: Flask with authfactor.

Reads WORKOS_BASE_URL, WORKOS_API_KEY and WORKOS_CLIENT_ID. Run it with: flask run
"""

import base64
import json
import secrets

from flask import Flask, Response, redirect, render_template_string, request
from workos import AuthorizationError, WorkOSClient, WorkOSError
from workos.user_management import AuthenticateResponse, PasswordPlaintext

app = Flask(__name__)
workos = WorkOSClient()
users, factors = workos.user_management, workos.multi_factor_auth

COOKIE = "session"
# Of one process. With several, or to survive a restart, use a database.
sessions: dict[str, dict[str, str]] = {}

PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>{{ title }}</title>
<h1>{{ title }}</h1>
{% if message %}<p role="alert">{{ message }}</p>{% endif %}
{% if picture %}<p>Scan this with your authenticator app.</p>
<img src="{{ picture }}" alt="QR code">{% endif %}
<form method="post" action="{{ action }}">
{% for name, kind in fields.items() %}
<p><label>{{ name }} <input name="{{ name }}" type="{{ kind }}" required></label></p>
{% endfor %}<button>{{ button }}</button></form>
"""
CREDENTIALS = {"email": "email", "password": "password"}
CODE = {"code": "text"}


@app.get("/")
def home() -> Response | str:
    session = current()
    if "user" not in session:
        return redirect("/sign-in", 303)
    return show("Welcome", f"You are signed in as {session['email']}.", action="/sign-out", button="Sign out")


@app.route("/sign-up", methods=["GET", "POST"])
def sign_up() -> Response | str:
    if request.method == "GET":
        return show("Sign up", fields=CREDENTIALS)
    email, password = request.form["email"], request.form["password"]
    try:
        users.create_user(email=email, password=PasswordPlaintext(password))
        signed_in = users.authenticate_with_password(email=email, password=password)
    except WorkOSError as error:
        return show("Sign up", reason(error), fields=CREDENTIALS)
    return remember(of_user(signed_in), "/enroll")


@app.route("/enroll", methods=["GET", "POST"])
def enroll() -> Response | str:
    session = current()
    if "user" not in session:
        return redirect("/sign-in", 303)
    if request.method == "GET":
        enrolled = factors.create_user_auth_factor(session["user"], type="totp", totp_issuer="Example")
        session["challenge"] = enrolled.authentication_challenge.id
        session["picture"] = enrolled.authentication_factor.totp.qr_code
        return show("Enroll", fields=CODE, picture=session["picture"])
    if "challenge" not in session:
        return redirect("/enroll", 303)
    try:
        valid = factors.verify_challenge(session["challenge"], code=request.form["code"]).valid
    except WorkOSError as error:
        return show("Enroll", reason(error), fields=CODE, picture=session["picture"])
    if not valid:
        return show("Enroll", "Wrong code. Try again.", fields=CODE, picture=session["picture"])
    del session["challenge"], session["picture"]
    return redirect("/", 303)


@app.route("/sign-in", methods=["GET", "POST"])
def sign_in() -> Response | str:
    if request.method == "GET":
        return show("Sign in", fields=CREDENTIALS)
    try:
        signed_in = users.authenticate_with_password(
            email=request.form["email"], password=request.form["password"]
        )
    except AuthorizationError as error:
        if error.code != "mfa_challenge":
            return show("Sign in", reason(error), fields=CREDENTIALS)
        answer = error.response_json
        return remember(
            {
                "pending": answer["pending_authentication_token"],
                "challenge": answer["authentication_challenge"]["id"],
            },
            "/code",
        )
    except WorkOSError as error:
        return show("Sign in", reason(error), fields=CREDENTIALS)
    return remember(of_user(signed_in), "/")


@app.route("/code", methods=["GET", "POST"])
def code() -> Response | str:
    session = current()
    if "pending" not in session:
        return redirect("/sign-in", 303)
    if request.method == "GET":
        return show("Enter code", fields=CODE)
    try:
        signed_in = users.authenticate_with_totp(
            code=request.form["code"],
            authentication_challenge_id=session["challenge"],
            pending_authentication_token=session["pending"],
        )
    except WorkOSError as error:
        return show("Enter code", reason(error), fields=CODE)
    return remember(of_user(signed_in), "/")


@app.post("/sign-out")
def sign_out() -> Response:
    session = sessions.pop(request.cookies.get(COOKIE, ""), {})
    if "session" in session:
        users.revoke_session(session_id=session["session"])
    response = redirect("/sign-in", 303)
    response.delete_cookie(COOKIE)
    return response


def current() -> dict[str, str]:
    return sessions.get(request.cookies.get(COOKIE, ""), {})


def remember(session: dict[str, str], target: str) -> Response:
    """Begin a session with a new id: an id that was known before the sign-in must not become valid."""
    sessions.pop(request.cookies.get(COOKIE, ""), None)
    key = secrets.token_urlsafe(32)
    sessions[key] = session
    response = redirect(target, 303)
    # Lax: a form on another site is sent without the cookie.
    response.set_cookie(COOKIE, key, httponly=True, samesite="Lax", secure=request.is_secure)
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


def show(
    title: str,
    message: str = "",
    fields: dict[str, str] | None = None,
    picture: str = "",
    action: str = "",
    button: str = "Continue",
) -> str:
    values = {"title": title, "message": message, "picture": picture, "action": action, "button": button}
    return render_template_string(PAGE, fields=fields or {}, **values)
