"""Stand-ins for programs that install pages call and a test machine does not have: docker, systemctl.

They do with processes what the real programs do with containers and units: read the shipped files and run the
product with exactly the commands and settings in them. `make dist` builds only the wheel. Called as
`python -m tests.support.install_stand_ins NAME ARGUMENTS`; STAND_IN_FOLDER is where paths of the machine are
moved to and where process ids are kept.
"""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import yaml

ROOT: Final = Path(__file__).parents[2]
FOLDER: Final = Path(os.environ.get("STAND_IN_FOLDER", "/nonexistent"))
START_SECONDS: Final = 40
# What this machine has instead of what the files name: text in files and settings -> replacement.
MOVED: Final[dict[str, str]] = json.loads(os.environ.get("STAND_IN_MOVED", "{}"))


def moved(text: str) -> str:
    """Return text with the paths, ports and addresses of this machine."""
    for old, new in MOVED.items():
        # What the commands of a page have written is moved already.
        text = text.replace(new, old).replace(old, new)
    return text


def start(command: list[str], environment: dict[str, str], url: str, verify: Path | None = None) -> None:
    """Start a server, keep its process id, and return when it is ready."""
    with (FOLDER / "server.log").open("ab") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
    (FOLDER / "pid").write_text(str(process.pid))
    certificates: Any = str(verify) if verify else True
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            with httpx.Client(verify=certificates, trust_env=False) as client:
                headers = {"host": "mfa.example.org"}
                extensions = {"sni_hostname": "mfa.example.org"} if verify else {}
                if client.get(f"{url}/readyz", headers=headers, extensions=extensions).status_code == 200:
                    return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    sys.exit(f"not ready: {(FOLDER / 'server.log').read_text()[-2000:]}")


def stop() -> None:
    """Stop the server that is running, if one is, and wait for its end."""
    file = FOLDER / "pid"
    if not file.is_file():
        return
    pid = int(file.read_text())
    file.unlink()
    os.kill(pid, signal.SIGTERM)
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        # Its parent may be the shell that has not collected it.
        if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
            return
        time.sleep(0.05)
    sys.exit("the server does not stop")


# --- docker compose ---


def services(file: Path) -> dict[str, Any]:
    """Return the services of a compose file, with the variables of this environment. Fails like compose."""

    def value(match: re.Match[str]) -> str:
        name, kind, text = match.groups()
        found = os.environ.get(name, "")
        if not found and kind == ":?":
            sys.exit(f"required variable {name} is missing a value: {text}")
        return found or (text if kind == ":-" else "")

    # Interpolated before parsing, unlike compose: no value used here has special characters.
    text = re.sub(r"\$\{(\w+)(?:(:[-?])([^}]*))?\}", value, file.read_text(encoding="utf-8"))
    found: dict[str, Any] = yaml.safe_load(text)["services"]
    return found


def environment_of(service: dict[str, Any], database: dict[str, Any]) -> dict[str, str]:
    """Return the environment of a service; the database is the one that this machine has."""
    variables = {name: str(value) for name, value in service["environment"].items()}
    named = urlsplit(variables["AUTHFACTOR_DATABASE_URL"])
    settings = database["environment"]
    assert (named.username, named.password, named.hostname, named.path[1:]) == (
        settings["POSTGRES_USER"],
        settings["POSTGRES_PASSWORD"],
        "database",
        settings["POSTGRES_DB"],
    )
    variables["AUTHFACTOR_DATABASE_URL"] = os.environ["STAND_IN_DATABASE_URL"]
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "src"), **variables}


def program(*arguments: str) -> list[str]:
    """Return the command that the image's entry point runs, with the volume in the folder of the test."""
    return [sys.executable, "-m", "authfactor", "--data", str(FOLDER / "volume"), *arguments]


def docker(arguments: list[str]) -> None:
    compose, option, file, verb, *rest = arguments
    assert (compose, option) == ("compose", "-f")
    known = services(Path(file))
    server = environment_of(known["server"], known["database"])
    if verb == "up":
        assert rest == ["--detach", "--wait"]
        stop()
        assert known["server"]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}
        migrate = environment_of(known["migrate"], known["database"])
        subprocess.run(program(*known["migrate"]["command"]), env=migrate, check=True)
        (published,) = known["server"]["ports"]
        url = moved(f"http://{published.rpartition(':')[0]}")
        listening = {"AUTHFACTOR_PORT": url.rpartition(":")[2]}
        # The ports of metrics are the container's own.
        listening["AUTHFACTOR_METRICS_PORT"] = "0"
        start(program(*known["server"]["command"]), server | listening, url)
    elif verb == "exec":
        service, name, *command = rest
        assert (service, name) == ("server", "authfactor")
        subprocess.run(program(*command), env=server, check=True)
    elif verb == "cp":
        source, target = rest
        assert source.startswith("server:/var/lib/authfactor/")
        shutil.copy(FOLDER / "volume" / source.rpartition("/")[2], target)
    elif verb == "build":
        assert (ROOT / known["server"]["build"]["dockerfile"]).is_file()
    else:
        sys.exit(f"docker compose {verb}: not known here")


# --- systemd ---


def unit(name: str) -> dict[str, list[str]]:
    """Return the values in the section [Service] of a unit and of its drop-ins, by key."""
    folder = FOLDER / "etc" / "systemd" / "system"
    values: dict[str, list[str]] = {}
    for file in [folder / f"{name}.service", *sorted((folder / f"{name}.service.d").glob("*.conf"))]:
        section = ""
        for line in file.read_text(encoding="utf-8").splitlines():
            if line.startswith("["):
                section = line
            elif section == "[Service]" and "=" in line and not line.startswith("#"):
                key, _, value = line.partition("=")
                values.setdefault(key, []).append(moved(value))
    return values


def systemctl(arguments: list[str]) -> None:
    if arguments == ["daemon-reload"]:
        return
    assert arguments in (["enable", "--now", "authfactor"], ["restart", "authfactor"]), arguments
    stop()
    values = unit("authfactor")
    credentials = FOLDER / "credentials"
    credentials.mkdir(exist_ok=True)
    for entry in values.get("LoadCredential", []):
        name, _, source = entry.partition(":")
        shutil.copy(source, credentials / name)
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": os.environ["PYTHONPATH"]}
    for line in values.get("Environment", []):
        environment |= dict(item.split("=", 1) for item in shlex.split(line.replace("%d", str(credentials))))
    for name in values.get("EnvironmentFile", []):
        file = Path(name.removeprefix("-"))
        if file.is_file():
            environment |= dict(line.split("=", 1) for line in file.read_text().splitlines() if line)
    for command in values["ExecStartPre"]:
        subprocess.run(shlex.split(command), env=environment, check=True)
    port = environment["AUTHFACTOR_PORT"]
    certificate = FOLDER / "etc" / "authfactor" / "tls.crt"
    start(shlex.split(values["ExecStart"][-1]), environment, f"https://127.0.0.1:{port}", certificate)


def make(arguments: list[str]) -> None:
    assert arguments == ["dist"]
    builder = Path(sys.executable).parent / "hatchling"
    command = [str(builder), "build", "-t", "wheel", "-d", str(Path.cwd() / "dist")]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)


STAND_INS: Final = {"docker": docker, "systemctl": systemctl, "make": make}


def install(folder: Path) -> None:
    """Write a program for each stand-in into a folder, which is then put on PATH."""
    for name in STAND_INS:
        file = folder / name
        command = f"exec '{sys.executable}' -m tests.support.install_stand_ins {name}"
        file.write_text(f"#!/bin/sh\nexport PYTHONPATH='{ROOT}':$PYTHONPATH\n{command} \"$@\"\n")
        file.chmod(0o755)


if __name__ == "__main__":
    STAND_INS[sys.argv[1]](sys.argv[2:])
