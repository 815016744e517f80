"""Run the samples that send requests without an SDK: one program of all samples of a language.

A program takes the name of a sample, and what the sample needs as environment variables.
"""

import os
import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, TypeAlias

from conformance.samples.programs import Told, environment_of
from conformance.toolchains import QUICK_JAVA, Missing
from tools import curl_requests, http_samples
from tools.curl_requests import Request

SECONDS: Final = 120
TOOLS: Final[Mapping[str, tuple[str, ...]]] = {
    "js": ("node",),
    "python": (),
    "go": ("go",),
    "php": ("php",),
    "ruby": ("ruby",),
    "java": ("javac", "java"),
}
GO: Final = """\
package main

import (
    "bytes"
    "context"
    "encoding/json"
    "errors"
    "io"
    "net/http"
    "net/url"
    "os"
)

var (
    ctx = context.Background()
    _   = bytes.NewReader
    _   = json.Marshal
    _   = url.Values{}
    _   = io.Copy
)

func main() {
    if err := samples[os.Args[1]](); err != nil {
        panic(err)
    }
}

var samples = map[string]func() error{
"""
JAVA: Final = """\
import java.io.IOException;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;

final class Main {
  public static void main(String[] arguments) throws Exception {
    Main.class.getDeclaredMethod(arguments[0]).invoke(null);
  }
"""


Taken: TypeAlias = Mapping[str, Request]


def _given(request: Request, text: str, document: str, name: Callable[[str], str]) -> list[str]:
    """Write what sets each variable of a sample from its environment variable: a text, or a JSON document."""
    forms = {True: document, False: text}
    return [forms[one in request.documents].format(name(one), one.upper()) for one in request.variables]


def _js(codes: Mapping[str, str], taken: Taken) -> str:
    parts = ["const samples = {"]
    for name, code in codes.items():
        document = "const {} = JSON.parse(process.env.{});"
        given = _given(taken[name], "const {} = process.env.{};", document, http_samples.camel)
        parts.append(f"{name}: async () => {{\n" + "\n".join([*given, code]) + "\n},")
    return "\n".join([*parts, "};", "await samples[process.argv[2]]();", ""])


def _python(codes: Mapping[str, str], taken: Taken) -> str:
    parts = ["import json, os, sys"]
    for name, code in codes.items():
        document = '{} = json.loads(os.environ["{}"])'
        given = _given(taken[name], '{} = os.environ["{}"]', document, http_samples.snake)
        body = "\n".join(["import os", *given, code])
        parts.append(f"def {name}():\n" + textwrap.indent(body, "    "))
    return "\n\n".join([*parts, "globals()[sys.argv[1]]()\n"])


def _go(codes: Mapping[str, str], taken: Taken) -> str:
    parts = [GO]
    for name, code in codes.items():
        document = '{} := json.RawMessage(os.Getenv("{}"))'
        given = _given(taken[name], '{} := os.Getenv("{}")', document, http_samples.camel_with_id)
        parts.append(f'"{name}": func() error {{\n' + "\n".join([*given, code]) + "\n},")
    return "\n".join([*parts, "}", ""])


def _php(codes: Mapping[str, str], taken: Taken) -> str:
    parts = ["<?php", "$samples = ["]
    for name, code in codes.items():
        document = '${} = json_decode(getenv("{}"));'
        given = _given(taken[name], '${} = getenv("{}");', document, http_samples.camel)
        parts.append(f'"{name}" => function () {{\n' + "\n".join([*given, code]) + "\n},")
    return "\n".join([*parts, "];", "$samples[$argv[1]]();", ""])


def _ruby(codes: Mapping[str, str], taken: Taken) -> str:
    parts = ['require "json"', "samples = {"]
    for name, code in codes.items():
        document = '{} = JSON.parse(ENV.fetch("{}"))'
        given = _given(taken[name], '{} = ENV.fetch("{}")', document, http_samples.snake)
        parts.append(f'"{name}" => lambda {{\n' + "\n".join([*given, code]) + "\n},")
    return "\n".join([*parts, "}", "samples.fetch(ARGV[0]).call", ""])


def _java(codes: Mapping[str, str], taken: Taken) -> str:
    parts = [JAVA]
    for name, code in codes.items():
        text = 'String {} = System.getenv("{}");'
        given = _given(taken[name], text, text, http_samples.camel)
        parts.append(f"static void {name}() throws Exception {{\n" + "\n".join([*given, code]) + "\n}")
    return "\n".join([*parts, "}", ""])


PROGRAMS: Final[Mapping[str, tuple[str, Callable[[Mapping[str, str], Taken], str]]]] = {
    "js": ("main.mjs", _js),
    "python": ("main.py", _python),
    "go": ("main.go", _go),
    "php": ("main.php", _php),
    "ruby": ("main.rb", _ruby),
    "java": ("Main.java", _java),
}


def build(language: str, codes: Mapping[str, str], curls: Mapping[str, str], folder: Path) -> tuple[str, ...]:
    """Write and compile one program of all samples; return the command that a sample's name is added to.

    Raises `Missing` without the language's programs, and `AssertionError` for what does not compile.
    """
    for tool in TOOLS[language]:
        if shutil.which(tool) is None:
            raise Missing(f"{tool} is not on PATH")
    file, program = PROGRAMS[language]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / file
    taken = {name: curl_requests.read(curls[name]) for name in codes}
    path.write_text(program(codes, taken), encoding="utf-8")
    if language == "go":
        _compile(("go", "build", "-o", str(folder / "main"), str(path)), folder)
        return (str(folder / "main"),)
    if language == "java":
        quick = tuple(f"-J{option}" for option in QUICK_JAVA)
        _compile(("javac", *quick, "-encoding", "UTF-8", str(path)), folder)
        return ("java", *QUICK_JAVA, "-cp", str(folder), "Main")
    command = {"js": "node", "python": sys.executable, "php": "php", "ruby": "ruby"}[language]
    return (command, str(path))


def run(command: tuple[str, ...], name: str, base_url: str, scene: Mapping[str, str]) -> Told:
    """Run one sample."""
    ended = subprocess.run(
        (*command, name),
        env=environment_of(base_url) | {key.upper(): value for key, value in scene.items()},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
        timeout=SECONDS,
        check=False,
    )
    said = " ".join(re.sub(r"\s+", " ", ended.stderr + ended.stdout)[-600:].split())
    return Told(ended.returncode == 0, said, "", ended.stdout)


def _compile(command: tuple[str, ...], folder: Path) -> None:
    ended = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "GOTOOLCHAIN": "local", "GO111MODULE": "off"},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    if ended.returncode:
        raise AssertionError(f"the samples without an SDK do not compile: {ended.stderr[-4000:]}")
