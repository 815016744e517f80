"""Every sample belongs to a page and shows its method, and the package has the current samples."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from authfactor import reference
from conformance.samples import checking, http_programs, programs
from conformance.samples.recorder import Exchange, recording
from conformance.toolchains import Missing
from tests.client.test_retries import answering
from tests.project.test_reference import ROOT
from tests.support.server_process import API_KEY
from tests.support.skip_or_fail import skip_or_fail
from tools import curl_requests, http_samples
from tools.curl_requests import Variable

ROWS = [(language, page) for page in reference.endpoints().values() for language in page.reference]


def test_packaged_samples_are_up_to_date() -> None:
    result = subprocess.run(
        [sys.executable, ROOT / "tools" / "samples.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, f"run `make reference`\n{result.stdout}{result.stderr}"


@pytest.mark.parametrize("language", reference.LANGUAGES)
def test_pages_and_samples_match_one_to_one(language: str) -> None:
    pages = {name for name, page in reference.endpoints().items() if language in page.reference}
    assert programs.names(language) == pages
    assert "connect" in reference.samples()[language]


@pytest.mark.parametrize("language", reference.LANGUAGES)
def test_exactly_the_existing_samples_were_run_or_checked(language: str) -> None:
    checked = reference.recorded().checked[language]
    assert set(checked) == programs.names(language)
    ways = {"run"} if language in {"curl", "js", "python", "go"} else {"replayed", "parsed"}
    assert {how.split()[0] for how in checked.values()} <= ways


@pytest.mark.parametrize("language", http_samples.WRITERS)
def test_a_page_without_an_sdk_has_a_sample_that_was_run_in_every_language(language: str) -> None:
    # Where SDKs of Go, PHP, Ruby or Java have the method, the samples are those of SDKs alone.
    servers = {"go", "php", "ruby", "java"}
    without_sdk = {
        name
        for name, page in reference.endpoints().items()
        if name not in http_samples.BROWSERS
        and language not in page.reference
        and not servers & page.reference.keys()
    }
    by_hand = programs.names(language) & without_sdk
    assert set(programs.generated(language)) == without_sdk - by_hand
    assert reference.recorded().checked[f"{language}-http"] == dict.fromkeys(without_sdk - by_hand, "run")


CURL = """curl --request PUT "$BASE_URL/things/$THING_ID/parts?deep=true" \\
  --header "Authorization: Bearer $API_KEY" \\
  --header "Content-Type: application/json" \\
  --header "Audit-Reason: ticket-7" \\
  --data "{\\"user_id\\": \\"$USER_ID\\", \\"tags\\": [\\"a\\", null, true, 2.5], \\"made\\": $DOCUMENT}"
"""


def test_a_sample_with_curl_is_read_as_the_request_that_it_sends() -> None:
    request = curl_requests.read(CURL)
    assert (request.method, request.path) == ("PUT", ("/things/", Variable("thing_id"), "/parts"))
    assert (request.query, request.key) == ((("deep", "true"),), "API_KEY")
    assert request.headers == (("Audit-Reason", "ticket-7"),)
    document = Variable("document", is_document=True)
    assert request.body == {
        "user_id": Variable("user_id"),
        "tags": ["a", None, True, 2.5],
        "made": document,
    }
    assert request.variables == ["thing_id", "user_id", "document"]
    assert request.documents == {"document"}


@pytest.mark.parametrize(
    "curl",
    [
        'wget "$BASE_URL/"',
        'curl "$BASE_URL/a" --form "a=b"',
        'curl "$BASE_URL/a" --data "{\\"a\\": \\"https://$HOST\\"}"',
    ],
)
def test_a_sample_with_curl_that_cannot_be_translated_is_refused(curl: str) -> None:
    with pytest.raises(ValueError, match=r"curl|whole value"):
        curl_requests.read(curl)


@pytest.mark.parametrize("language", http_samples.WRITERS)
def test_a_translated_sample_sends_everything_that_curl_sends(language: str, tmp_path: Path) -> None:
    code = http_samples.WRITERS[language](curl_requests.read(CURL), "json")
    try:
        command = http_programs.build(language, {"put_parts": code}, {"put_parts": CURL}, tmp_path)
    except Missing as missing:
        skip_or_fail(str(missing))
    given = {
        "thing_id": "thing_1",
        "user_id": "user_1",
        "document": '{"of": {"what": [1, "%s"]}, "none": {}}',
    }
    responses = [(200, {"content-type": "application/json"}, b'{"done": 1}')]
    with answering(responses) as (upstream, received), recording(upstream) as recorder:
        recorder.begin("put_parts")
        told = http_programs.run(command, "put_parts", recorder.url, given)
    assert told.ok, told.said
    assert "done" in told.printed
    (one,) = recorder.exchanges["put_parts"]
    assert (one.method, one.target) == ("PUT", "/things/thing_1/parts?deep=true")
    assert json.loads(one.sent) == {
        "user_id": "user_1",
        "tags": ["a", None, True, 2.5],
        "made": {"of": {"what": [1, "%s"]}, "none": {}},
    }
    (sent,) = received
    assert sent["authorization"] == f"Bearer {API_KEY}"
    assert (sent["audit-reason"], sent["content-type"]) == ("ticket-7", "application/json")


@pytest.mark.parametrize("language", http_samples.WRITERS)
def test_a_translated_sample_fails_when_the_request_is_refused(language: str, tmp_path: Path) -> None:
    curl = 'curl "$BASE_URL/things" --header "Authorization: Bearer $API_KEY"'
    code = http_samples.WRITERS[language](curl_requests.read(curl), "json")
    try:
        command = http_programs.build(language, {"get_things": code}, {"get_things": curl}, tmp_path)
    except Missing as missing:
        skip_or_fail(str(missing))
    with answering([(422, {"content-type": "application/json"}, b'{"done": 1}')]) as (url, _):
        assert not http_programs.run(command, "get_things", url, {}).ok


@pytest.mark.parametrize("edition", programs.NEWEST)
def test_every_sample_of_a_newest_sdk_was_run(edition: str) -> None:
    checked = reference.recorded().checked[edition]
    assert set(checked) == programs.names(edition)
    (how,) = set(checked.values())
    assert how.startswith(f"run {programs.NEWEST[edition]}.")
    language = edition.partition("-")[0]
    older = {
        name
        for name, page in reference.endpoints().items()
        if language in page.reference
        and page.reference[language].sdk not in {"", programs.NEWEST[edition]}
        and page.reference[language].title != "httpx"
    }
    assert older - set(checked) == programs.WITHOUT.get(edition, set())


def test_every_page_has_a_recorded_response() -> None:
    assert set(reference.recorded().answers) == set(reference.endpoints())
    for name, response in reference.recorded().answers.items():
        assert response.status < 400, name
        assert response.request.split()[0] == reference.endpoints()[name].http.type


@pytest.mark.parametrize(("language", "page"), ROWS, ids=[f"{row[0]}-{row[1].name}" for row in ROWS])
def test_samples_call_the_method_that_their_page_names(language: str, page: reference.Endpoint) -> None:
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
    ("exchanges", "problem"),
    [
        ([], "sent 0 requests"),
        ([exchange(), exchange()], "sent 2 requests"),
        ([exchange("/readyz")], "instead of GET /healthz"),
        ([exchange(status=422)], "was answered 422"),
        ([exchange(sent=b'{"extra": 1}')], "does not describe: extra"),
        ([exchange("/healthz?deep=1")], "does not describe: deep"),
    ],
)
def test_a_sample_that_contradicts_its_page_is_found(exchanges: list[Exchange], problem: str) -> None:
    page = reference.endpoints()["healthz"]
    assert checking.problem(page, [exchange()], strictly=True) == ""
    assert problem in checking.problem(page, exchanges, strictly=True)


WANTED = checking.Request("/users/{user_id}", {"password": "{password}", "limit": "10"})


@pytest.mark.parametrize(
    ("path", "query", "body", "problem"),
    [
        ("/users/u_1", "limit=10", b'{"password": "secret", "more": 1}', ""),
        ("/users/u_1", "limit=10", b'{"pass_word": "secret"}', "password = None"),
        ("/users/u_1", "limit=5", b'{"password": "secret"}', "limit = '5' instead of '10'"),
        ("/users/u_1", "limit=10", b'{"password": {"password": "secret"}}', "instead of '{password}'"),
        ("/users/u_2", "limit=10", b'{"password": "secret"}', "sent /users/u_2"),
    ],
)
def test_a_parameter_that_an_sdk_ignores_is_found(path: str, query: str, body: bytes, problem: str) -> None:
    scene = {"user_id": "u_1", "password": "secret"}
    sent = checking.request(exchange(f"{path}?{query}", sent=body), scene)
    difference = checking.difference(WANTED, sent)
    assert problem in difference
    assert bool(problem) == bool(difference)


def test_lists_in_a_query_are_equal_however_an_sdk_writes_them() -> None:
    forms = ["?events=a,b", "?events=a&events=b", "?events[0]=a&events[1]=b"]
    assert {str(checking.request(exchange(f"/events{form}"), {})) for form in forms} == {
        str(checking.Request("/events", {"events": "a,b"}))
    }


@pytest.mark.parametrize("printed", ["", "undefined", "id None", "null", "&{0 <nil>}", "user_1 nil"])
def test_a_field_that_an_answer_lacks_is_found_in_what_a_sample_prints(printed: str) -> None:
    assert checking.print_problem(printed, "console.log(user.id)")
    assert checking.print_problem("user_1 welcome", "console.log(user.id)") == ""
    assert checking.print_problem("", "workos.users.delete(id)") == ""


def test_responses_are_compared_by_shape_not_by_values() -> None:
    assert checking.shape({"id": "a", "list": [{"n": 1}]}) == checking.shape({"list": [{"n": 2}], "id": "b"})
    assert checking.shape({"id": "a"}) != checking.shape({"id": None})
    assert checking.shape({"id": "a"}) != checking.shape({"id": "a", "more": 1})


def test_a_sample_without_a_region_is_refused(tmp_path: Path) -> None:
    code = f"import sys; sys.path.insert(0, {str(ROOT / 'tools')!r}); import samples, pathlib;"
    (tmp_path / "a.py").write_text("print(1)\n")
    result = subprocess.run(
        [sys.executable, "-c", f"{code} samples.region(pathlib.Path({str(tmp_path / 'a.py')!r}))"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "0 regions instead of one" in result.stderr
