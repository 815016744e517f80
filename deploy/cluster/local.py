"""Run this folder's cluster on loopback: 3 PostgreSQL nodes, etcd, HAProxy, 2 authfactor servers.

For experiments and tests; it needs Debian's packages patroni, etcd-server, haproxy and postgresql-15.

    python deploy/cluster/local.py            starts it in a temporary folder and stops it on Ctrl-C

The configuration is that of separate machines (patroni.yml, haproxy.cfg) with other addresses. PostgreSQL
refuses to run as root, so root runs everything except authfactor as the user postgres.
"""

import contextlib
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

HERE: Final = Path(__file__).parent
PROGRAMS: Final = Path("/usr/lib/postgresql/15/bin")
PASSWORD: Final = "only-on-loopback"
NODES: Final = 3
SERVERS: Final = 2
START_SECONDS: Final = 120
KILL_ATTEMPTS: Final = 10
REPLICA: Final = {"replica", "sync_standby"}


class Missing(Exception):
    """A required program is not installed; the message names it."""


def require_programs() -> None:
    """Raise `Missing` unless all required programs are installed."""
    for program, package in (("patroni", "patroni"), ("etcd", "etcd-server"), ("haproxy", "haproxy")):
        if shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin") is None:
            raise Missing(f"{program} is not installed: apt-get install {package}")
    if not (PROGRAMS / "postgres").exists():
        raise Missing(f"{PROGRAMS} does not exist: apt-get install postgresql-15")


def free_ports(count: int) -> list[int]:
    """Return different ports that are not in use."""
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [int(probe.getsockname()[1]) for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def wait_for(met: Callable[[], Any], what: str, seconds: float = START_SECONDS) -> Any:
    """Poll until `met` returns a true value, and return it. Raises `TimeoutError` with `what` was missing."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := met():
            return found
        time.sleep(0.1)
    raise TimeoutError(f"{what}: not within {seconds:.0f} s")


class Node:
    """One PostgreSQL node: a Patroni process and the PostgreSQL that it starts."""

    def __init__(self, cluster: "Cluster", number: int) -> None:
        """Choose ports and a folder."""
        self.name = f"node{number}"
        self.port, self.api_port = free_ports(2)
        self.folder = cluster.folder / self.name
        self._cluster = cluster
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start Patroni, which creates, joins or repairs the database."""
        self.folder.mkdir(mode=0o700, exist_ok=True)
        own(self.folder)
        environment = {
            "PATRONI_NAME": self.name,
            "PATRONI_RESTAPI_LISTEN": f"127.0.0.1:{self.api_port}",
            "PATRONI_RESTAPI_CONNECT_ADDRESS": f"127.0.0.1:{self.api_port}",
            "PATRONI_POSTGRESQL_LISTEN": f"127.0.0.1:{self.port}",
            "PATRONI_POSTGRESQL_CONNECT_ADDRESS": f"127.0.0.1:{self.port}",
            "PATRONI_POSTGRESQL_DATA_DIR": str(self.folder / "data"),
            "PATRONI_POSTGRESQL_BIN_DIR": str(PROGRAMS),
            "PATRONI_POSTGRESQL_PGPASS": str(self.folder / "pgpass"),
            "PATRONI_ETCD3_HOSTS": f"127.0.0.1:{self._cluster.etcd_port}",
            "PATRONI_SUPERUSER_USERNAME": "postgres",
            "PATRONI_SUPERUSER_PASSWORD": PASSWORD,
            "PATRONI_REPLICATION_USERNAME": "replicator",
            "PATRONI_REPLICATION_PASSWORD": PASSWORD,
        }
        configuration = self._cluster.folder / "patroni.yml"
        self._process = self._cluster.spawn(self.name, ["patroni", str(configuration)], environment)

    def processes(self) -> list[int]:
        """List the process ids of Patroni and of PostgreSQL with all its children."""
        if self._process is None:
            return []
        # PostgreSQL's processes are found by their working directory, Patroni's other children by parent.
        found = {self._process.pid, *_working_in(self.folder)}
        parents = _parents()
        while more := {child for child, parent in parents.items() if parent in found} - found:
            found |= more
        return [pid for pid in found if pid in parents]

    def signal(self, number: signal.Signals) -> None:
        """Signal every process of the node: SIGKILL simulates a lost machine, SIGSTOP a hanging one."""
        for attempt in range(KILL_ATTEMPTS):
            found = self.processes()
            for pid in found:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
            if number != signal.SIGKILL or not found:
                break
            # Patroni may have started another PostgreSQL in the meantime.
            time.sleep(0.05 * attempt)
        if number == signal.SIGKILL and self._process is not None:
            self._process.wait()

    def status(self) -> dict[str, Any] | None:
        """Return the status that the node's Patroni reports, or None when it does not respond."""
        return _get(f"http://127.0.0.1:{self.api_port}/patroni")


class Cluster:
    """The whole cluster, in one folder. `stop` ends all processes, even after a failed `start`."""

    def __init__(self) -> None:
        """Create the folder; nothing is started yet."""
        require_programs()
        self.folder = Path(tempfile.mkdtemp(prefix="authfactor-cluster-"))
        self.folder.chmod(0o755)
        own(self.folder)
        self.etcd_port, self._peer_port, self.database_port, self.http_port, *self.server_ports = free_ports(
            4 + SERVERS
        )
        self.nodes = [Node(self, number + 1) for number in range(NODES)]
        self._processes: list[subprocess.Popen[bytes]] = []

    @property
    def url(self) -> str:
        """The service's URL, behind HAProxy."""
        return f"http://127.0.0.1:{self.http_port}"

    @property
    def database_url(self) -> str:
        """The primary's URL, behind HAProxy."""
        return f"postgresql://postgres:{PASSWORD}@127.0.0.1:{self.database_port}/postgres"

    def start(self, report: Callable[[str], None], settings: dict[str, str]) -> None:
        """Start everything and return when the service is ready.

        `report` is called with each step; `settings` are authfactor's environment variables.
        """
        # Three nodes on one machine: a watchdog must not reset it, and sockets go into our own folder.
        patroni = (HERE / "patroni.yml").read_text().replace("/var/run/postgresql", str(self.folder))
        patroni = patroni.replace("mode: required", "mode: off")
        (self.folder / "patroni.yml").write_text(patroni)
        shutil.copy(HERE / "haproxy.cfg", self.folder)
        report("etcd")
        self._start_etcd()
        report("PostgreSQL and Patroni on 3 nodes")
        self.nodes[0].start()
        wait_for(self.primary, "a primary")
        for node in self.nodes[1:]:
            node.start()
        wait_for(self.is_whole, "two replicas, one of them synchronous")
        report("HAProxy")
        self._start_haproxy()
        report("authfactor migrate, 2 servers")
        environment = {"AUTHFACTOR_DATABASE_URL": self.database_url, **settings}
        command = [sys.executable, "-m", "authfactor", "--data", str(self.folder / "authfactor")]
        wait_for(lambda: _runs([*command, "migrate"], environment), "authfactor migrate", 60)
        for number, port in enumerate(self.server_ports, 1):
            serve = [*command, "serve", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
            self._serve(f"authfactor{number}", serve, environment, port)
        wait_for(lambda: _get(f"{self.url}/readyz"), "the service behind HAProxy")

    def primary(self) -> Node | None:
        """Return the node that reports to be the primary; None when there is none, or more than one."""
        found = [node for node in self.nodes if _is_primary(node.status())]
        return found[0] if len(found) == 1 else None

    def is_whole(self) -> bool:
        """Whether a primary has two streaming replicas, one of them its synchronous standby."""
        primary = self.primary()
        if primary is None:
            return False
        found = _get(f"http://127.0.0.1:{primary.api_port}/cluster") or {}
        members = found.get("members", [])
        roles = [member["role"] for member in members if member["state"] in {"running", "streaming"}]
        lags = [member.get("lag") for member in members if member["role"] in REPLICA]
        return sorted(roles) == ["leader", "replica", "sync_standby"] and all(
            isinstance(lag, int) for lag in lags
        )

    def spawn(
        self, name: str, command: list[str], environment: dict[str, str], *, as_root: bool = False
    ) -> "subprocess.Popen[bytes]":
        """Start a program with its output in `NAME.log`; `stop` ends it."""
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                command,
                env=_environment(environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=str(Path.cwd() if as_root else self.folder),
                start_new_session=True,
                **({} if as_root else _as_postgres()),
            )
        self._processes.append(process)
        return process

    def _serve(self, name: str, command: list[str], environment: dict[str, str], port: int) -> None:
        """Start a server and wait until it is ready; restart it if it exits, as systemd would.

        The database may still refuse writes when the server starts. Raises `TimeoutError` with the log's end.
        """
        running: list[subprocess.Popen[bytes]] = []

        def is_ready() -> bool:
            if not running or running[-1].poll() is not None:
                running.append(self.spawn(name, command, environment, as_root=True))
            return bool(_get(f"http://127.0.0.1:{port}/readyz"))

        try:
            wait_for(is_ready, "an authfactor server")
        except TimeoutError as error:
            raise TimeoutError(f"{error}; its log:\n{self.logs(name)[-2000:]}") from error

    def logs(self, name: str) -> str:
        """Return the output of a process."""
        path = self.folder / f"{name}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def stop(self) -> None:
        """End all processes and remove the folder."""
        for process in self._processes[::-1]:
            if process.poll() is None:
                process.terminate()
        for node in self.nodes:
            node.signal(signal.SIGKILL)
        for process in self._processes:
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _start_etcd(self) -> None:
        client, peer = (f"http://127.0.0.1:{port}" for port in (self.etcd_port, self._peer_port))
        environment = {
            "ETCD_NAME": "etcd1",
            "ETCD_DATA_DIR": str(self.folder / "etcd"),
            "ETCD_LISTEN_CLIENT_URLS": client,
            "ETCD_ADVERTISE_CLIENT_URLS": client,
            "ETCD_LISTEN_PEER_URLS": peer,
            "ETCD_INITIAL_ADVERTISE_PEER_URLS": peer,
            "ETCD_INITIAL_CLUSTER": f"etcd1={peer}",
            "ETCD_INITIAL_CLUSTER_STATE": "new",
            "ETCD_LOG_LEVEL": "warn",
        }
        self.spawn("etcd", ["etcd"], environment)
        wait_for(lambda: _get(f"{client}/health"), "etcd")

    def _start_haproxy(self) -> None:
        environment = {
            "DATABASE_BIND": f"127.0.0.1:{self.database_port}",
            "HTTP_BIND": f"127.0.0.1:{self.http_port}",
        }
        for node in self.nodes:
            name = node.name.upper()
            environment[name] = f"127.0.0.1:{node.port}"
            environment[f"{name}_API_HOST"] = "127.0.0.1"
            environment[f"{name}_API_PORT"] = str(node.api_port)
        for number, port in enumerate(self.server_ports, 1):
            environment[f"SERVER{number}"] = f"127.0.0.1:{port}"
        self.spawn("haproxy", ["haproxy", "-db", "-f", str(self.folder / "haproxy.cfg")], environment)


def own(path: Path) -> None:
    """Make the user who runs PostgreSQL the owner of a path."""
    if os.geteuid() == 0:
        shutil.chown(path, "postgres", "postgres")


def _as_postgres() -> dict[str, Any]:
    if os.geteuid() != 0:
        return {}
    user = pwd.getpwnam("postgres")
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def _environment(more: dict[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AUTHFACTOR_", "PG"))}
    return {**kept, "PATH": f"{kept.get('PATH', '')}:/usr/sbin:/usr/bin", "HOME": "/nonexistent", **more}


def _runs(command: list[str], environment: dict[str, str]) -> bool:
    done = subprocess.run(command, env=_environment(environment), capture_output=True, check=False)
    return done.returncode == 0


def _get(url: str) -> dict[str, Any] | None:
    try:
        with urllib.request.urlopen(url, timeout=2) as response:
            found = json.load(response)
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _is_primary(status: dict[str, Any] | None) -> bool:
    return (
        status is not None
        and status.get("role") in {"primary", "master"}
        and status.get("state") == "running"
    )


def _working_in(folder: Path) -> set[int]:
    """Return the processes whose working directory is inside this folder."""
    found = set()
    for link in Path("/proc").glob("[0-9]*/cwd"):
        try:
            inside = link.readlink().is_relative_to(folder)
        except OSError:
            continue
        if inside:
            found.add(int(link.parent.name))
    return found


def _parents() -> dict[int, int]:
    """Map every process to its parent."""
    found = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            found[int(status.parent.name)] = int(status.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    return found


def main() -> None:
    """Run the cluster until it is interrupted."""
    try:
        cluster = Cluster()
    except Missing as error:
        sys.exit(f"local.py: {error}")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    key = f"sk_try_{os.urandom(12).hex()}"
    try:
        settings = {"AUTHFACTOR_BOOTSTRAP_API_KEY": key, "AUTHFACTOR_BOOTSTRAP_CLIENT_ID": "client_try"}
        cluster.start(lambda step: print(f"starting {step} …", flush=True), settings)
        print(
            f"\nservice   {cluster.url}\nAPI key   {key}"
            f"\ndatabase  {cluster.database_url}\nfolder    {cluster.folder}"
        )
        for node in cluster.nodes:
            print(f"{node.name}     PostgreSQL {node.port}, Patroni http://127.0.0.1:{node.api_port}/cluster")
        print("\nCtrl-C stops everything and removes the folder.", flush=True)
        signal.pause()
    except KeyboardInterrupt:
        print("stopping …")
    finally:
        cluster.stop()


if __name__ == "__main__":
    main()
