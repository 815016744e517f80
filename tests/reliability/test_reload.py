"""SIGHUP: reloadable settings change at once, others are named, and an invalid file changes nothing."""

import os
import signal
import time
from pathlib import Path

import pytest

from tests.support.server_process import Server

TOKEN = "a token for scraping"


def reload(server: Server) -> None:
    os.kill(server.pid, signal.SIGHUP)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_sighup_reloads_settings_and_names_those_that_need_a_restart(tmp_path: Path, workers: str) -> None:
    file = tmp_path / "authfactor.toml"
    file.write_text("")
    server = Server(tmp_path / "data", {"AUTHFACTOR_CONFIG": str(file)})
    server.start("--workers", workers)
    try:
        with server.client() as client:
            bearer = {"authorization": f"Bearer {TOKEN}"}
            assert client.get("/metrics", headers=bearer).status_code == 401
            file.write_text(f'metrics_token = "{TOKEN}"\nlock_after = 3\n')
            reload(server)
            server.wait_for_output("settings reloaded", int(workers))
            assert client.get("/metrics", headers=bearer).status_code == 200
            assert "these changed settings need a restart: lock_after" in server.output()

            file.write_text('metrics_tken = "x"\n')
            reload(server)
            server.wait_for_output("keeping the current settings", int(workers))
            assert client.get("/metrics", headers=bearer).status_code == 200
    finally:
        assert server.stop() == 0, server.output()
    assert TOKEN not in server.output()


def test_a_replaced_worker_has_the_reloaded_settings(tmp_path: Path) -> None:
    file = tmp_path / "authfactor.toml"
    file.write_text("")
    server = Server(tmp_path / "data", {"AUTHFACTOR_CONFIG": str(file)})
    server.start("--workers", "2")
    try:
        file.write_text(f'metrics_token = "{TOKEN}"\n')
        reload(server)
        server.wait_for_output("settings reloaded", 2)
        old = server.children()
        for victim in old:
            os.kill(victim, signal.SIGTERM)
        end = time.monotonic() + 30
        while time.monotonic() < end and set(old) & set(server.children()):
            time.sleep(0.05)
        with server.client() as client:
            assert client.get("/metrics", headers={"authorization": f"Bearer {TOKEN}"}).status_code == 200
    finally:
        assert server.stop() == 0, server.output()
