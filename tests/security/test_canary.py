"""Known secrets are sent everywhere; then all output and stored data is searched for them."""

import json
import re
import secrets
from pathlib import Path

import pytest

from authfactor.rules.events.webhook_endpoints import KNOWN_EVENTS
from authfactor.settings import Settings
from tests.support import canary_scenario as way
from tests.support import databases
from tests.support.canary_scenario import Walk
from tests.support.canary_secrets import Mark, Output, found
from tests.support.otlp_collector import collecting
from tests.support.server_process import Server, command_line, free_port
from tests.support.webhook_receiver import receiving

EVENTS = ["user.created", "session.created", "session.revoked"]


@pytest.mark.parametrize("store", ["sqlite", "postgres"])
def test_no_known_secret_leaks_anywhere(store: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    settings = {
        "AUTHFACTOR_BOOTSTRAP_API_KEY": f"sk_{secrets.token_urlsafe(24)}",
        "AUTHFACTOR_METRICS_TOKEN": secrets.token_urlsafe(24),
        "AUTHFACTOR_METRICS_PORT": str(free_port()),
        "AUTHFACTOR_LOG_LEVEL": "debug",
        "AUTHFACTOR_LOG_FORMAT": "json",
        "AUTHFACTOR_WEBHOOK_PRIVATE_ADDRESSES": "true",
    }
    database_password = secrets.token_hex(16)
    if store == "postgres":
        database = request.getfixturevalue("postgres_server")
        url = database.url(database.create_database()).replace("@", f":{database_password}@", 1)
        settings["AUTHFACTOR_DATABASE_URL"] = url
        assert command_line("migrate", AUTHFACTOR_DATABASE_URL=url).returncode == 0
    with collecting() as (tracing, traces), receiving() as hook:
        server = Server(tmp_path / "data", settings | tracing)
        server.start("--workers", "2")
        try:
            walk = Walk(server)
            walk.know("API key", settings["AUTHFACTOR_BOOTSTRAP_API_KEY"])
            walk.know("metrics token", settings["AUTHFACTOR_METRICS_TOKEN"])
            walk.know("database password", database_password)
            for key in re.findall(r"[\w+/=-]{40,}", (server.data / "keys").read_text()):
                walk.know("key ring key", key)
            made = walk.post(
                "make endpoint", "/webhook_endpoints", {"endpoint_url": hook.url, "events": EVENTS}
            )
            walk.shown("webhook secret", made["secret"])
            key = re.search(r"sk_[\w-]{20,}", walk.run("--json", "keys", "create", "--name", "canary"))
            assert key
            walk.shown("API key, made", key[0])
            for part in (way.factors, way.sign_in, way.links, way.console, way.wrong_places):
                part(walk)
            read_all_outputs(walk, tmp_path)
            assert hook.received
            for client in walk.clients:
                client.close()
        finally:
            code = server.stop()
        assert code == 0, server.output()
        for item in hook.received:
            walk.outputs.append(Output("webhook", json.dumps(item.headers).encode() + item.body))
        assert traces
        walk.outputs += [Output("trace", body) for body in traces]
    walk.outputs.append(Output("log", server.output().encode()))
    leaks = found(walk.marks, walk.outputs)
    assert leaks == [], "\n".join(leaks)


def read_all_outputs(walk: Walk, folder: Path) -> None:
    """Read everything that a running server exposes: API, commands, processes, files, rows."""
    server = walk.server
    names = "&".join(f"events={name}" for name in sorted(KNOWN_EVENTS))
    paths = (
        f"/events?{names}&limit=100",
        "/user_management/users?limit=100",
        "/webhook_endpoints",
        "/authfactor/branding",
        "/openapi.json",
        "/readyz",
        "/healthz",
    )
    for path in paths:
        walk.ask(f"GET {path}", "GET", path)
        if path == "/webhook_endpoints":
            walk.shown(
                "webhook secret", walk.outputs[-1].content.partition(b'"secret":"')[2].decode().split('"')[0]
            )
    token = {"authorization": f"Bearer {server.setting('AUTHFACTOR_METRICS_TOKEN')}"}
    assert b"authfactor" in walk.ask("metrics", "GET", "/metrics", headers=token).content
    commands = (
        ("config", "show"),
        ("audit", "list"),
        ("keys", "list"),
        ("operators", "list"),
        ("webhooks", "list"),
        ("webhooks", "deliveries"),
        ("vault", "status"),
        ("environments", "list"),
    )
    for words in commands:
        walk.run(*words)
    walk.run("doctor", code=None)  # it may report findings
    for pid in (server.pid, *server.children()):
        walk.outputs.append(Output("command line", Path(f"/proc/{pid}/cmdline").read_bytes()))
    url = server.settings.get("AUTHFACTOR_DATABASE_URL", "")
    walk.outputs.append(Output("database", databases.stored(Settings(data=server.data, database_url=url))))
    if not url:
        walk.run("backup", str(folder / "backup"))
        walk.outputs.append(Output("backup", (folder / "backup").read_bytes()))


TOTP = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
TOKEN = 'a "token" / that\nis+long'
RAW = b"Hello!\xde\xad\xbe\xefHello!\xde\xad\xbe\xef"


@pytest.mark.parametrize(
    ("place", "content"),
    [
        ("log line", b'{"message": "code 482133 refused"}'),
        ("event field", b'{"data": {"code": "482133"}}'),
        ("metric label", f'authfactor_verify_total{{secret="{TOTP}"}} 1'.encode()),
        ("column of bytes", b"\0\0" + RAW + b"\0"),
        ("column of hex", RAW.hex().encode()),
        ("trace", b"\x0a\x10" + RAW.hex().upper().encode()),
        ("page", " ".join(TOTP[at : at + 4] for at in range(0, 32, 4)).encode()),
        ("header", b"location: /?t=a%20%22token%22%20%2F%20that%0Ais%2Blong"),
        ("error body", json.dumps({"message": f"no {TOKEN}"}).encode()),
        ("basic authorization", b"Basic eDphICJ0b2tlbiIgLyB0aGF0CmlzK2xvbmc="),
        ("command line", f"serve\0--key\0{TOKEN}\0".encode()),
    ],
)
def test_a_planted_leak_is_found(place: str, content: bytes) -> None:
    marks = [Mark("code", "482133"), Mark("TOTP secret", TOTP), Mark("token", TOKEN)]
    assert len(found(marks, [Output(place, content)])) == 1


def test_six_digits_inside_a_longer_word_are_not_a_code() -> None:
    output = Output("event", b'{"id": "event_01J482133", "at": 1482133000, "ms": 0.482133}')
    assert found([Mark("code", "482133")], [output]) == []
