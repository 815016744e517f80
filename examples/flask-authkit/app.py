"""Sign-in on the hosted pages, refresh, and sign-out: Flask with authfactor.

Reads WORKOS_BASE_URL, WORKOS_API_KEY, WORKOS_CLIENT_ID, WORKOS_COOKIE_PASSWORD and REDIRECT_URI.
Run it with: flask run
"""

import os
import secrets

from flask import Flask, Response, redirect, render_template_string, request
from workos import BadRequestError, WorkOSClient
from workos.session import Session, seal_data, seal_session_from_auth_response, unseal_data

app = Flask(__name__)
workos = WorkOSClient()
users = workos.user_management

PASSWORD = os.environ["WORKOS_COOKIE_PASSWORD"]
REDIRECT_URI = os.environ["REDIRECT_URI"]
SESSION, SIGN_IN = "session", "sign-in"
TEN_MINUTES = 600
NOT_SIGNED_IN = "You are not signed in. Start again at /sign-in."

PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Account</title>
<h1>Account of {{ email }}</h1>
<p id="session">{{ session_id }}</p>
<form method="post" action="/refresh"><button>Refresh</button></form>
<form method="post" action="/sign-out"><button>Sign out</button></form>
"""


@app.get("/")
def home() -> Response | str:
    session = current()
    found = session.authenticate()
    if not found.authenticated:
        # The token has expired, or there is no session at all.
        renewed = session.refresh()
        return remember(renewed.sealed_session) if renewed.authenticated else redirect("/sign-in", 303)
    return render_template_string(PAGE, email=found.user["email"], session_id=found.session_id)


@app.get("/sign-in")
def sign_in() -> Response:
    begun = users.get_authorization_url_with_pkce(redirect_uri=REDIRECT_URI, provider="authkit")
    response = redirect(begun.pop("url"), 303)
    set_cookie(response, SIGN_IN, seal_data(begun, PASSWORD), TEN_MINUTES)
    return response


@app.get("/callback")
def callback() -> Response | tuple[str, int]:
    """Redeem the code, if this browser began the sign-in."""
    try:
        begun = unseal_data(request.cookies.get(SIGN_IN, ""), PASSWORD)
    except Exception:  # noqa: BLE001 - the SDK names none: no cookie, or not one of ours
        begun = {"state": ""}
    state, code = request.args.get("state", ""), request.args.get("code", "")
    if not (state and code and secrets.compare_digest(state.encode(), begun["state"].encode())):
        return NOT_SIGNED_IN, 400
    try:
        signed_in = users.authenticate_with_code(code=code, code_verifier=begun["code_verifier"])
    except BadRequestError:
        return NOT_SIGNED_IN, 400
    response = remember(
        seal_session_from_auth_response(
            access_token=signed_in.access_token,
            refresh_token=signed_in.refresh_token,
            user=signed_in.user.to_dict(),
            cookie_password=PASSWORD,
        )
    )
    response.delete_cookie(SIGN_IN)
    return response


@app.post("/refresh")
def refresh() -> Response:
    renewed = current().refresh()
    return remember(renewed.sealed_session) if renewed.authenticated else redirect("/sign-in", 303)


@app.post("/sign-out")
def sign_out() -> Response:
    try:
        target = current().get_logout_url()
    except ValueError:
        target = "/"
    response = redirect(target, 303)
    response.delete_cookie(SESSION)
    return response


def current() -> Session:
    return users.load_sealed_session(session_data=request.cookies.get(SESSION, ""), cookie_password=PASSWORD)


def remember(sealed: str) -> Response:
    response = redirect("/", 303)
    set_cookie(response, SESSION, sealed)
    return response


def set_cookie(response: Response, name: str, value: str, seconds: int | None = None) -> None:
    # Lax: a form on another site is sent without the cookie.
    response.set_cookie(
        name, value, max_age=seconds, httponly=True, samesite="Lax", secure=REDIRECT_URI.startswith("https:")
    )
