"""Every sample belongs to a page, shows the page's method, and the pages show the samples as they are."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from authfactor import reference
from conformance.samples import checking, programs
from conformance.samples.recorder import Exchange
from tests.project.test_reference import ROOT

ROWS = [(language, page) for page in reference.endpoints().values() for language in page.reference]


def test_the_package_holds_the_samples_as_they_are_today() -> None:
    ended = subprocess.run(
        [sys.executable, ROOT / "tools" / "samples.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, f"run `make reference`\n{ended.stdout}{ended.stderr}"


@pytest.mark.parametrize("language", reference.LANGUAGES)
def test_every_page_has_its_sample_and_every_sample_its_page(language: str) -> None:
    pages = {name for name, page in reference.endpoints().items() if language in page.reference}
    assert programs.names(language) == pages
    assert "connect" in reference.samples()[language]


@pytest.mark.parametrize("language", reference.LANGUAGES)
def test_every_sample_was_run_or_checked_and_none_else(language: str) -> None:
    checked = reference.recorded().checked[language]
    assert set(checked) == programs.names(language)
    ways = {"run"} if language in {"curl", "js", "python", "go"} else {"replayed", "parsed"}
    assert {how.split()[0] for how in checked.values()} <= ways


def test_every_page_shows_an_answer_that_was_recorded() -> None:
    assert set(reference.recorded().answers) == set(reference.endpoints())
    for name, answer in reference.recorded().answers.items():
        assert answer.status < 400, name
        assert answer.request.split()[0] == reference.endpoints()[name].http.type


@pytest.mark.parametrize(("language", "page"), ROWS, ids=[f"{row[0]}-{row[1].name}" for row in ROWS])
def test_a_sample_calls_the_method_that_its_page_names(language: str, page: reference.Endpoint) -> None:
    code = reference.samples()[language][page.name].code
    method = page.reference[language]
    if language == "curl":
        path = page.operation.split(" ")[1]
        assert re.search(re.sub(r"\\\{\w+\\\}", r"\\$\\w+", re.escape(path)) + r'["?]', code), code
    elif method.title == "httpx":
        assert f'"{page.operation.split(" ")[1]}"' in code
    else:
        assert f"{method.key}(" in code


def exchange(target: str = "/healthz", status: int = 200, sent: bytes = b"") -> Exchange:
    return Exchange("GET", target, sent, status, b"refused")


@pytest.mark.parametrize(
    ("exchanges", "said"),
    [
        ([], "sent 0 requests"),
        ([exchange(), exchange()], "sent 2 requests"),
        ([exchange("/readyz")], "instead of GET /healthz"),
        ([exchange(status=422)], "was answered 422"),
        ([exchange(sent=b'{"extra": 1}')], "does not describe: extra"),
        ([exchange("/healthz?deep=1")], "does not describe: deep"),
    ],
)
def test_a_sample_that_does_another_thing_than_its_page_says_is_found(
    exchanges: list[Exchange], said: str
) -> None:
    page = reference.endpoints()["healthz"]
    assert checking.problem(page, [exchange()], strictly=True) == ""
    assert said in checking.problem(page, exchanges, strictly=True)


def test_answers_agree_in_shape_not_in_values() -> None:
    assert checking.shape({"id": "a", "list": [{"n": 1}]}) == checking.shape({"list": [{"n": 2}], "id": "b"})
    assert checking.shape({"id": "a"}) != checking.shape({"id": None})
    assert checking.shape({"id": "a"}) != checking.shape({"id": "a", "more": 1})


def test_a_file_without_a_region_is_refused(tmp_path: Path) -> None:
    code = f"import sys; sys.path.insert(0, {str(ROOT / 'tools')!r}); import samples, pathlib;"
    (tmp_path / "a.py").write_text("print(1)\n")
    ended = subprocess.run(
        [sys.executable, "-c", f"{code} samples.region(pathlib.Path({str(tmp_path / 'a.py')!r}))"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "0 regions instead of one" in ended.stderr
