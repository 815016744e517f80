# ruff: noqa: T201 - it reports by printing
"""Run every sample of the reference: `python -m conformance.samples [--record] [LANGUAGE ...]`.

curl, js, python and go run against a server with the real SDKs; js, python and java also with the newest.
php, ruby and the older java, whose packages are not available here, have their syntax checked; what such code
sends is replayed by `make conformance`. Samples without an SDK run in all languages.

Every sample must send the one request that its page describes, with
each field and value of curl's, and print what the answer holds. `--record` writes the answers that the pages
show and how each sample was checked; without it both must still be so.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import httpx
import msgspec

from authfactor import reference
from authfactor.reference import Endpoint, Recorded, RecordedAnswer
from conformance.recorded.replay import AUTHENTICATE
from conformance.samples import checking, guide, http_programs, programs, scenes
from conformance.samples.recorder import Recorder, recording
from conformance.toolchains import Missing
from tests.support.server_process import Server, running

EXECUTED: Final = ("curl", "js", "python", "go")
RECORDINGS: Final = {"php": "php-4.32.0", "ruby": "ruby-5.31.1", "java": "java-4.25.0"}
GRANTS: Final = {
    "authenticate_with_password": "password",
    "authenticate_with_totp": "urn:workos:oauth:grant-type:mfa-totp",
    "authenticate_with_refresh_token": "refresh_token",
    "authenticate_with_magic_auth": "urn:workos:oauth:grant-type:magic-auth:code",
    "authenticate_with_email_verification": "urn:workos:oauth:grant-type:email-verification:code",
}
SETTINGS: Final = {
    "AUTHFACTOR_WEBHOOK_PRIVATE_ADDRESSES": "true",
    "AUTHFACTOR_MAX_WEBHOOK_ENDPOINTS": "1000",
    "AUTHFACTOR_METRICS_TOKEN": scenes.METRICS_TOKEN,
}
# Fields of curl's samples that an SDK's method cannot send.
UNSENT: Final = {("go", "list_auth_factors"): ("limit",)}
RECORDED: Final = reference.FOLDER / "recorded.json"


class Run:
    """One run: what went wrong, what could not run, what was seen."""

    def __init__(self) -> None:
        self.failed: dict[str, str] = {}
        self.missing: list[str] = []
        self.checked: dict[str, dict[str, str]] = {}
        self.answers: dict[str, RecordedAnswer] = {}
        self.guide: dict[str, RecordedAnswer] = {}
        self.wanted: dict[str, checking.Request] = {}  # by page, what curl's sample sends

    def note(self, language: str, name: str, how: str, problem: str) -> None:
        if problem:
            self.failed[f"{language} {name}"] = " ".join(problem.split())
        self.checked.setdefault(language, {})[name] = how


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("languages", nargs="*", metavar="LANGUAGE")
    parser.add_argument("--record", action="store_true")
    chosen = parser.parse_args(arguments)
    languages = chosen.languages or list(reference.LANGUAGES)
    if "curl" not in languages:  # whose requests the others are compared with
        languages = ["curl", *languages]
    run = Run()
    with tempfile.TemporaryDirectory(prefix="samples-") as folder:
        data = Path(folder)
        scenes.DATA[:] = [data / "data"]
        with running(data / "data", SETTINGS) as server:
            places = ("--logout-redirect", scenes.RETURN_TO, "--page-redirect", scenes.RETURN_TO)
            places += ("--trusted-devices", "allowed", "--verify-email", "required")
            webauthn = data / "webauthn.json"
            webauthn.write_text(json.dumps(scenes.RELYING_PARTY), encoding="utf-8")
            places += ("--webauthn-file", str(webauthn))
            told = server.run("environments", "update", "default", *places)
            assert told.returncode == 0, told.stdout
            with recording(server.url) as recorder, server.client() as client:
                for language in languages:
                    _language(run, language, server, recorder, client, data)
                run.guide = dict(guide.answers(client))
    _compare(run, languages, write=chosen.record)
    return _report(run)


def _language(
    run: Run, language: str, server: Server, recorder: Recorder, client: httpx.Client, folder: Path
) -> None:
    pages = {name: page for name, page in reference.endpoints().items() if language in page.reference}
    for name in sorted(pages.keys() ^ programs.names(language)):
        run.failed[f"{language} {name}"] = "there is a page without a sample, or a sample without a page"
    pages = {name: page for name, page in pages.items() if name in programs.names(language)}
    if language not in EXECUTED:
        _check(run, language, pages)
    elif language == "curl":
        for name, page in pages.items():
            recorder.begin(name)
            scene = scenes.prepare(name, client)
            told = programs.run_curl(recorder.url, name, scene)
            problem = "" if told.ok else told.said
            run.note(language, name, "run", problem or _sent(run, language, page, recorder, scene))
    else:
        for major in sorted({page.reference[language].sdk for page in pages.values()}):
            of_major = {name: page for name, page in pages.items() if page.reference[language].sdk == major}
            try:
                _execute(run, language, major, of_major, recorder, client, folder)
            except Missing as missing:
                run.missing.append(f"{language} {major}: {missing}")
    print(f"{language}: {len(pages)} samples", flush=True)
    if codes := programs.generated(language):
        _without_sdk(run, language, codes, recorder, client, folder)
    if (newest := f"{language}-newest") in programs.NEWEST:
        _newest(run, newest, recorder, client, folder)


def _without_sdk(
    run: Run, language: str, codes: Mapping[str, str], recorder: Recorder, client: httpx.Client, folder: Path
) -> None:
    """Run the samples of endpoints that no SDK has a method for."""
    edition = f"{language}-http"
    curls = {name: reference.samples()["curl"][name].code for name in codes}
    try:
        command = http_programs.build(language, codes, curls, folder / edition)
    except Missing as missing:
        run.missing.append(f"{edition}: {missing}")
        return
    for name in codes:
        recorder.begin(name)
        scene = scenes.prepare(name, client)
        told = http_programs.run(command, name, recorder.url, scene)
        problem = "" if told.ok else told.said or "failed"
        problem = problem or _sent(run, edition, reference.endpoints()[name], recorder, scene)
        if not problem and recorder.exchanges[name][0].body and not told.printed.strip():
            problem = "printed nothing"
        run.note(edition, name, "run", problem)
    recorder.current = ""
    print(f"{edition}: {len(codes)} samples", flush=True)


def _newest(run: Run, edition: str, recorder: Recorder, client: httpx.Client, folder: Path) -> None:
    """Run the samples of a language's newest SDK: those of every page that has an older one, and more."""
    language, major = edition.partition("-")[0], programs.NEWEST[edition]
    pages = {name: page for name, page in reference.endpoints().items() if name in programs.names(edition)}
    older = {
        name
        for name, page in reference.endpoints().items()
        if (method := page.reference.get(language)) and method.title != "httpx" and method.sdk != major
    } - programs.WITHOUT.get(edition, set())
    for name in sorted((older - pages.keys()) | (programs.names(edition) - pages.keys())):
        run.failed[f"{edition} {name}"] = "there is a page without a sample, or a sample without a page"
    try:
        _execute(run, edition, major, pages, recorder, client, folder)
    except Missing as missing:
        run.missing.append(f"{edition} {major}: {missing}")
    print(f"{edition} ({major}): {len(pages)} samples", flush=True)


def _execute(
    run: Run,
    edition: str,
    major: str,
    pages: dict[str, Endpoint],
    recorder: Recorder,
    client: httpx.Client,
    folder: Path,
) -> None:
    version = programs.row(edition.partition("-")[0], major)
    programs.prepare(version)
    prepared = {name: scenes.prepare(name, client) for name in pages}
    for name, told in programs.run(edition, major, recorder.url, prepared, folder).items():
        problem = "" if told.ok else told.said
        if not problem and told.result:  # an address that the sample made for a browser
            recorder.current = name
            httpx.get(told.result, trust_env=False)
        problem = problem or _sent(run, edition, pages[name], recorder, prepared[name])
        problem = problem or checking.print_problem(
            told.printed, programs.path_of(edition, name).read_text(encoding="utf-8")
        )
        run.note(edition, name, f"run {version.name.split()[1]}" if major else "run", problem)
    recorder.current = ""


def _sent(run: Run, edition: str, page: Endpoint, recorder: Recorder, scene: Mapping[str, str]) -> str:
    exchanges = recorder.exchanges[page.name]
    strictly = edition == "curl"
    problem = checking.problem(page, exchanges, strictly=strictly)
    if problem:
        return problem
    one = exchanges[0]
    sent = checking.request(one, scene)
    if strictly:
        shown = (checking.shown(one.body), checking.shown(one.sent))
        run.answers[page.name] = RecordedAnswer(f"{one.method} {one.target}", one.status, *shown)
        run.wanted[page.name] = sent
        return ""
    return checking.difference(run.wanted[page.name], sent, UNSENT.get((edition, page.name), ()))


def _check(run: Run, language: str, pages: dict[str, Endpoint]) -> None:
    try:
        wrong = programs.check(language)
    except Missing as missing:
        run.missing.append(f"{language}: {missing}")
        return
    if "connect" in wrong:
        run.failed[f"{language} connect"] = wrong["connect"]
    replayed = json.loads(
        (programs.HERE.parent / "recorded" / f"{RECORDINGS[language]}.json").read_text(encoding="utf-8")
    )
    for name, page in pages.items():
        sends = any(_is_of(page, request) for request in replayed)
        how = f"replayed {RECORDINGS[language].rpartition('-')[2]}" if sends else "parsed"
        run.note(language, name, how, wrong.get(name, ""))


def _is_of(page: Endpoint, request: dict[str, str]) -> bool:
    """Tell whether a recorded request is the one that a page describes."""
    method, path = page.operation.split(" ")
    target = request["target"].partition("?")[0]
    if request["method"] != method or target.count("/") != path.count("/"):
        return False
    if path == AUTHENTICATE and target == path:
        return bool(json.loads(request["body"])["grant_type"] == GRANTS[page.name])
    pairs = zip(target.split("/"), path.split("/"), strict=True)
    return all(found == wanted or wanted.startswith("{") for found, wanted in pairs)


def _compare(run: Run, languages: Sequence[str], *, write: bool) -> None:
    known = reference.recorded()
    checked = {name: how for name, how in known.checked.items() if name not in languages} | run.checked
    seen = Recorded(run.answers, run.guide, checked)
    if write:
        RECORDED.write_bytes(msgspec.json.format(msgspec.json.encode(seen), indent=1) + b"\n")
        return
    if not run.missing and known.checked != seen.checked:
        run.failed["recorded"] = (
            "samples are checked in another way than the pages say: make samples RECORD=1"
        )
    for kind, was, now in (("page", known.answers, seen.answers), ("guide", known.guide, seen.guide)):
        for name in sorted(was.keys() | now.keys()):
            if name not in was or name not in now or _shape(was[name]) != _shape(now[name]):
                run.failed[f"answer of {kind} {name}"] = (
                    "differs from what the page shows: make samples RECORD=1"
                )


def _shape(answer: RecordedAnswer) -> object:
    bodies = [json.loads(text) if text.startswith("{") else None for text in (answer.body, answer.sent)]
    return answer.status, checking.shape(bodies)


def _report(run: Run) -> int:
    for what in run.missing:
        print(f"NOT RUN {what}")
    for name, problem in run.failed.items():
        print(f"FAILED {name}: {problem}")
    failed = len(run.failed) + (len(run.missing) if os.environ.get("CI") else 0)
    passed = sum(len(names) for names in run.checked.values()) - len(run.failed)
    print(f"\n{max(passed, 0)} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
