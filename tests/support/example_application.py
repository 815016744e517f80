"""The applications of `examples/`: installed from their locks, run, and walked through as a user would."""

import base64
import contextlib
import hashlib
import io
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import zxingcpp
from PIL import Image

from tests.support import authenticator
from tests.support.server_process import API_KEY, CLIENT_ID, Server, clean_environment, fields, free_port
from tests.support.skip_or_fail import skip_or_fail

EXAMPLES: Final = Path(__file__).parents[2] / "examples"
CACHE: Final = EXAMPLES / ".cache"
SECONDS: Final = 60
PASSWORD: Final = "a long and rare passphrase 7!"
Start = Callable[[int], Sequence[str]]  # makes the command line for a port


def needs(*programs: str) -> None:
    for program in programs:
        if shutil.which(program) is None:
            skip_or_fail(f"{program} is not on PATH")


def install_python(name: str) -> Path:
    """Install an example's lock into an environment of its own; return the folder of its programs."""
    lock, folder = EXAMPLES / name / "requirements.lock", CACHE / name
    if not _is_installed(folder, lock):
        uv = Path(sys.executable).parent / "uv"
        run(uv, "venv", "--quiet", "--clear", "--python", sys.executable, folder)
        options = ("--quiet", "--require-hashes", "--python", folder / "bin" / "python")
        run(uv, "pip", "install", *options, "-r", lock)
        _mark(folder, lock)
    return folder / "bin"


def install_node(name: str, sources: Sequence[str] = ("app.mjs",)) -> Path:
    """Install an example's packages beside a copy of its files and folders; return that folder."""
    needs("node", "npm")
    source, folder = EXAMPLES / name, CACHE / name
    folder.mkdir(parents=True, exist_ok=True)
    if not _is_installed(folder, source / "package-lock.json"):
        for file in ("package.json", "package-lock.json"):
            shutil.copy(source / file, folder)
        run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", inside=folder)
        _mark(folder, source / "package-lock.json")
    for item in sources:
        if (source / item).is_dir():
            shutil.rmtree(folder / item, ignore_errors=True)
            shutil.copytree(source / item, folder / item)
        else:
            shutil.copy(source / item, folder)
    return folder


def build_go(name: str) -> Path:
    """Compile an example; return the program."""
    needs("go")
    CACHE.mkdir(exist_ok=True)
    program = CACHE / f"{name}-program"
    run("go", "build", "-mod=readonly", "-o", program, ".", inside=EXAMPLES / name)
    return program


def run(*command: str | Path, inside: Path = EXAMPLES, settings: Mapping[str, str] | None = None) -> None:
    """Run a command that must succeed, with these environment variables besides."""
    environment = {
        **os.environ,
        "GOTOOLCHAIN": "local",
        "npm_config_update_notifier": "false",
        **(settings or {}),
    }
    done = subprocess.run(
        [str(word) for word in command],
        cwd=inside,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _is_installed(folder: Path, lock: Path) -> bool:
    mark = folder / ".made-from"
    return mark.is_file() and mark.read_text() == hashlib.sha256(lock.read_bytes()).hexdigest()


def _mark(folder: Path, lock: Path) -> None:
    (folder / ".made-from").write_text(hashlib.sha256(lock.read_bytes()).hexdigest())


@contextmanager
def running_example(start: Start, folder: Path, server: Server, log: Path) -> Iterator[str]:
    """Run an application against a server; yield its URL, and stop it at the end."""
    port = free_port()
    settings: Mapping[str, str] = {
        "WORKOS_BASE_URL": server.url,
        "WORKOS_API_KEY": API_KEY,
        "WORKOS_CLIENT_ID": CLIENT_ID,
        "PORT": str(port),
    }
    with running_on(port, start(port), folder, settings, log):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def running_on(
    port: int, command: Sequence[str], folder: Path, settings: Mapping[str, str], log: Path
) -> Iterator[None]:
    """Run an application that listens on a port, and stop it at the end."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=clean_environment(**settings),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait_for(port, process, log)
        yield
    finally:
        process.terminate()
        process.wait(SECONDS)


def _wait_for(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    end = time.monotonic() + SECONDS
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5):
            return
        time.sleep(0.05)
    raise AssertionError(f"the application does not listen: {log.read_text()}")


class Browser:
    """A user's browser: follows redirects, keeps cookies, sends the forms of pages."""

    def __init__(self, url: str) -> None:
        self.client = httpx.Client(base_url=url, follow_redirects=True, trust_env=False, timeout=30)
        self.page = ""

    def close(self) -> None:
        self.client.close()

    def open(self, path: str) -> str:
        return self._show(self.client.get(path))

    def send(self, **values: str) -> str:
        """Send the form of the current page, which must have these fields and no others."""
        form = re.search(r'<form method="post" action="([^"]*)">(.*?)</form>', self.page, re.DOTALL)
        assert form, self.page
        assert set(re.findall(r'<input name="(\w+)"', form[2])) == set(values)
        return self._show(self.client.post(form[1] or self.path, data=values))

    def _show(self, response: httpx.Response) -> str:
        assert response.status_code == 200, f"{response.url}: {response.status_code} {response.text}"
        self.page, self.path = response.text, response.url.path
        return self.path

    @property
    def alert(self) -> str:
        found = re.search(r'<p role="alert">(.*?)</p>', self.page)
        return found[1] if found else ""

    @property
    def cookie(self) -> str:
        return self.client.cookies.get("session") or ""

    def secret_in_picture(self) -> str:
        """Scan the page's QR code, as an authenticator app does, and return the secret."""
        picture = re.search(r'<img src="data:image/png;base64,([^"]+)"', self.page)
        assert picture, self.page
        data = picture[1].replace("&#43;", "+").replace("&#x3D;", "=").replace("&#61;", "=")
        image = Image.open(io.BytesIO(base64.b64decode(data)))
        found: list[Any] = zxingcpp.read_barcodes(image.convert("L"))
        return re.search(r"secret=([A-Z2-7]+)", found[0].text)[1]  # type: ignore[index]  # each URI has a secret


def walk(url: str, server: Server, email: str) -> None:
    """Sign up, enroll, sign out, sign in with password and code, sign out; and try each way around."""
    with contextlib.closing(Browser(url)) as browser:
        _walk(browser, url, server, email)


def _walk(browser: "Browser", url: str, server: Server, email: str) -> None:
    assert browser.open("/") == "/sign-in", "the page is open to strangers"
    assert browser.open("/enroll") == "/sign-in"
    assert browser.open("/code") == "/sign-in"

    browser.open("/sign-up")
    assert browser.send(email=email, password=PASSWORD) == "/enroll"
    secret = browser.secret_in_picture()
    assert browser.send(code=authenticator.wrong_code(secret)) == "/enroll"
    assert browser.alert == "Wrong code. Try again."
    assert browser.secret_in_picture() == secret, "the picture changed: the app has another secret"
    assert browser.send(code=authenticator.code(secret)) == "/"
    assert email in browser.page
    signed_up = browser.cookie
    assert browser.send() == "/sign-in", "the sign-out button"
    assert browser.cookie == ""
    assert with_cookie(url, signed_up) == "/sign-in", "the cookie still works after the sign-out"

    assert browser.send(email=email, password="wrong") == "/sign-in"
    assert browser.alert
    assert browser.send(email=email, password=PASSWORD) == "/code"
    pending = browser.cookie
    assert with_cookie(url, pending) == "/sign-in", "the password alone opens the page"
    assert browser.send(code=authenticator.wrong_code(secret)) == "/code"
    assert browser.alert
    assert browser.send(code=authenticator.code(secret, ahead=1)) == "/"
    assert email in browser.page
    assert browser.cookie not in {"", pending, signed_up}, "the session's id must change with the sign-in"
    assert with_cookie(url, pending, "/code") == "/sign-in", "the sign-in is over, but its id still works"
    check_cookie(url, email)
    check_sessions(server, email, active=1)
    browser.send()
    check_sessions(server, email, active=0)


def with_cookie(url: str, cookie: str, path: str = "/") -> str:
    """Return where a browser with this cookie ends up that opens a page, by default the protected one."""
    headers = {"cookie": f"session={cookie}"}
    with httpx.Client(follow_redirects=True, trust_env=False, timeout=30) as client:
        return client.get(url + path, headers=headers).url.path


def check_cookie(url: str, email: str) -> None:
    """Check the attributes of the cookie of a sign-in that waits for its code."""
    with httpx.Client(trust_env=False, timeout=30) as client:
        answer = client.post(f"{url}/sign-in", data={"email": email, "password": PASSWORD})
    assert answer.status_code == 303
    words = {word.strip().lower() for word in answer.headers["set-cookie"].split(";")}
    assert {"httponly", "samesite=lax", "path=/"} <= words, words
    assert not any(word.startswith(("max-age", "expires")) for word in words)


def check_sessions(server: Server, email: str, *, active: int) -> None:
    with server.client() as client:
        (user,) = fields(client.get("/user_management/users", params={"email": email}), 200)["data"]
        sessions = fields(client.get(f"/user_management/users/{user['id']}/sessions"), 200)["data"]
    assert len(sessions) == active, sessions
