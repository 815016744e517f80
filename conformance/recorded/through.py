"""Sending through another language's HTTP client: a program that takes requests and gives answers as JSON."""

import base64
import json
import shutil
import subprocess
from pathlib import Path
from typing import Final

import httpx

HERE: Final = Path(__file__).parent
CLIENTS: Final = {"php": ("php", str(HERE / "send.php")), "ruby": ("ruby", str(HERE / "send.rb"))}
# What httpx adds by itself: the other client has its own way, which is the point.
OWN: Final = {"host", "connection", "content-length", "accept-encoding"}


class Through(httpx.BaseTransport):
    """One program for all requests, started at the first."""

    def __init__(self, language: str) -> None:
        command = CLIENTS[language]
        if shutil.which(command[0]) is None:
            raise RuntimeError(f"{command[0]} is not on PATH")
        self._program = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        body = base64.b64encode(request.read()).decode()
        headers = [f"{name}: {value}" for name, value in request.headers.items() if name not in OWN]
        sent = {"method": request.method, "url": str(request.url), "headers": headers, "body": body}
        assert self._program.stdin is not None
        assert self._program.stdout is not None
        print(json.dumps(sent), file=self._program.stdin, flush=True)
        line = self._program.stdout.readline()
        if not line:
            raise RuntimeError(f"the program ended with {self._program.wait()}")
        answer = json.loads(line)
        if answer["complaint"]:
            raise RuntimeError(answer["complaint"])
        return httpx.Response(
            answer["status"], headers=answer["headers"], content=base64.b64decode(answer["body"])
        )

    def close(self) -> None:
        if self._program.stdin is not None:
            self._program.stdin.close()
        self._program.wait(10)
        if self._program.stdout is not None:
            self._program.stdout.close()
