"""Set privacyIDEA up in a new folder as its documentation describes, and describe how to start it.

It is configured for speed: SQLite, only errors in its log, threads with persistent connections. Its audit log
and the signing of its responses stay on, as by default.
"""

import secrets
import subprocess
from pathlib import Path

from harness.environment import BENCH, installed
from harness.launch import Launch, Settings

FOLDER = BENCH / ".venv-privacyidea"
LOCK = BENCH / "peers" / "privacyidea" / "requirements.lock"
THREADS = 4
ADMINISTRATOR = "bench"


def configuration(folder: Path) -> str:
    """Return the text of the configuration file: new keys, all paths inside the folder."""
    values: dict[str, str | int | list[str]] = {
        "SUPERUSER_REALM": ["super"],
        "SQLALCHEMY_DATABASE_URI": f"sqlite:///{folder}/privacyidea.sqlite",
        "SECRET_KEY": secrets.token_hex(24),
        "PI_PEPPER": secrets.token_hex(16),
        "PI_ENCFILE": f"{folder}/enckey",
        "PI_AUDIT_KEY_PRIVATE": f"{folder}/private.pem",
        "PI_AUDIT_KEY_PUBLIC": f"{folder}/public.pem",
        "PI_LOGLEVEL": 40,
        "PI_LOGFILE": f"{folder}/privacyidea.log",
    }
    return "".join(f"{name} = {value!r}\n" for name, value in values.items())


def launch(settings: Settings) -> Launch:
    """Create keys, tables, an administrator and an API token; return the launch of gunicorn with threads.

    Raises:
        subprocess.CalledProcessError: one of the steps failed.
    """
    binaries = installed(FOLDER, LOCK)
    path = settings.folder / "pi.cfg"
    path.write_text(configuration(settings.folder))
    environment = {"PRIVACYIDEA_CONFIGFILE": str(path)}

    def manage(*words: str) -> str:
        command = [str(binaries / "pi-manage"), *words]
        run = subprocess.run(command, env=environment, cwd=settings.folder, capture_output=True, check=True)
        return run.stdout.decode()

    manage("setup", "create_enckey")
    manage("setup", "create_audit_keys")
    manage("setup", "create_tables")
    manage("admin", "add", ADMINISTRATOR, "-p", settings.api_key, "-e", "bench@bench.example")
    answer = manage("api", "createtoken", "-r", "admin", "-d", "1", "-u", ADMINISTRATOR)
    token = answer.partition("Auth-Token:")[2].strip()
    application = f'privacyidea.app:create_app(config_name="production", config_file="{path}", silent=True)'
    command = [str(binaries / "gunicorn"), "--bind", f"127.0.0.1:{settings.port}"]
    command += ["--workers", str(settings.workers), "--worker-class", "gthread", "--threads", str(THREADS)]
    command += ["--keep-alive", "60", "--log-level", "warning", application]
    return Launch([], command, environment, authorization=token, ready="/healthz/livez")
