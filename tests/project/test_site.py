"""The documentation: a site that builds strictly, fetches nothing, and covers the code."""

import json
import re
import shlex
from pathlib import Path
from typing import Final

import pytest
from click.testing import CliRunner

from authfactor.cli import app
from authfactor.http.app import all_routes
from authfactor.http.telemetry import metric_names
from authfactor.http.telemetry.log_setup import FIELDS
from authfactor.rules.events import event_log
from authfactor.server.supervisor import SIGNALS
from tests.support import documentation_site

ROOT: Final = Path(__file__).parents[2]
DOCS: Final = ROOT / "docs"
REFERENCE: Final = DOCS / "reference"
HOW_TO: Final = sorted(
    page for folder in ("how-to", "install") for page in (DOCS / folder).glob("*.md") if page.stem != "index"
)
# What newcomers type into the search field, and a page that has to be found.
SEARCHED: Final = {
    "docker": "install/compose.html",
    "compose": "install/compose.html",
    "kubernetes": "install/kubernetes.html",
    "helm": "install/kubernetes.html",
    "install": "install/index.html",
    "pipx": "install/python.html",
    "image": "install/image.html",
    "systemd": "install/systemd.html",
    "postgresql": "install/compose.html",
    "webhook": "reference/events.html",
    "migrate": "how-to/move-from-hosted-and-back.html",
}
# A how-to page names the test that runs it, or says that there is none.
WALKED: Final = re.compile(r"^(?:Tested by\b|Not tested\b)", re.MULTILINE)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return documentation_site.build(tmp_path_factory.mktemp("site"))


@pytest.mark.timeout(240)
def test_long_names_in_tables_break_between_words_and_are_found(site: Path) -> None:
    page = (site / "reference" / "settings.html").read_text(encoding="utf-8")
    assert "<code>AUTHFACTOR_<wbr>DATABASE_<wbr>URL</code>" in page
    assert "<wbr>" not in page.partition("<table")[0]
    assert "AUTHFACTOR_DATABASE_URL" in (site / "search" / "search_index.json").read_text(encoding="utf-8")


@pytest.mark.timeout(240)
def test_the_site_builds_strictly_and_fetches_nothing(site: Path) -> None:
    pages = {path.relative_to(site).with_suffix("").as_posix() for path in site.rglob("*.html")} - {"404"}
    sources = {path.relative_to(DOCS).with_suffix("").as_posix() for path in DOCS.rglob("*.md")}
    assert pages == sources
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        fetched = re.findall(r"""<(?:script|img|iframe)\b[^>]*\bsrc=["'](?:https?:)?//[^"']*""", text)
        fetched += re.findall(
            r"""<link\b[^>]*\brel=["']?(?:stylesheet|preconnect)[^>]*\bhref=["']?(?:https?:)?//[^>]*""", text
        )
        assert fetched == [], page
    assert 'id="__search"' in (site / "index.html").read_text(encoding="utf-8")


@pytest.mark.timeout(240)
def test_every_page_is_in_the_navigation_once_and_decisions_come_last(site: Path) -> None:
    home = (site / "index.html").read_text(encoding="utf-8")
    tabs = re.findall(r'class="md-tabs__link">\s*([\w-]+)\s*</a>', home)
    assert tabs == ["Start", "Install", "How-to", "Reference", "Explanation", "Operations", "Decisions"]
    sidebar = home[home.index("md-nav--primary") : home.index("md-sidebar--secondary")]
    linked = re.findall(r'<a href="([\w./-]+\.html)" class="md-nav__link', sidebar)
    pages = {path.relative_to(site).as_posix() for path in site.rglob("*.html")} - {"404.html", "index.html"}
    assert pages <= set(linked), sorted(pages - set(linked))


@pytest.mark.timeout(240)
@pytest.mark.parametrize("word", SEARCHED)
def test_search_finds_what_newcomers_look_for(site: Path, word: str) -> None:
    index = json.loads((site / "search" / "search_index.json").read_text(encoding="utf-8"))
    found = {
        entry["location"].partition("#")[0]
        for entry in index["docs"]
        if re.search(rf"\b{word}\b", f"{entry['title']} {entry['text']}", re.IGNORECASE)
    }
    assert SEARCHED[word] in found


@pytest.mark.timeout(240)
def test_diagrams_are_drawn_and_pictures_exist(site: Path) -> None:
    assert 'class="diagram diagram-light"><svg' in (site / "architecture.html").read_text(encoding="utf-8")
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert "language-mermaid" not in text, page
        for source in re.findall(r'<img\b[^>]*\bsrc="([^"]+)"', text):
            assert source.startswith("data:") or (page.parent / source).is_file(), (page, source)


@pytest.mark.parametrize("page", HOW_TO, ids=lambda page: page.stem)
def test_how_to_pages_say_whether_they_are_tested(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert WALKED.search(text), (
        f"{page.name} must say 'Tested by `tests/…`' or 'Not tested …' at the start of a line"
    )
    for name in re.findall(r"`(tests/[\w/.]+)`", text):
        assert (ROOT / name).exists(), name


def install_commands() -> list[str]:
    """Return the command lines of the pages about installing, each as one line."""
    text = "\n".join(page.read_text(encoding="utf-8") for page in sorted((DOCS / "install").glob("*.md")))
    blocks = re.findall(r"^```sh\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    return [line for block in blocks for line in block.replace("\\\n", " ").splitlines() if line]


def test_commands_of_the_install_pages_exist() -> None:
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    made = [line.split()[1] for line in install_commands() if line.startswith("make ")]
    found = [re.search(r"^(?:(?:\S*/)?|.* -- )authfactor (.+)$", line) for line in install_commands()]
    ours = [match[1] for match in found if match]
    assert (set(made) <= set(targets), len(made)) == (True, 4)
    assert len(ours) >= 5
    for arguments in ours:
        # --help stops the command before it does anything, after all its options were accepted.
        done = CliRunner().invoke(app, [*arguments.split(), "--help"])
        assert done.exit_code == 0, (arguments, done.output)


def test_common_tasks_have_a_how_to_page() -> None:
    names = {page.stem for page in HOW_TO}
    assert {
        "tls",
        "upgrade",
        "watch",
        "mfa-for-an-existing-password-system",
        "move-from-hosted-and-back",
    } <= names


def documented_commands(page: Path) -> list[str]:
    """Return each `authfactor …` of a page's blocks and running text."""
    text = page.read_text(encoding="utf-8")
    blocks = re.findall(r"^ *```(?:sh)?\n(.*?)^ *```$", text, re.DOTALL | re.MULTILINE)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    commands = [line for line in lines if re.match(r"\s*(?:[\w./]*/)?authfactor ", line)]
    commands += re.findall(r"`((?:[\w./]*/)?authfactor [a-z-][^`]*)`", text)
    return sorted({" ".join(command.split()) for command in commands})


DOCUMENTED: Final = {
    page.relative_to(ROOT).as_posix(): documented_commands(page)
    for page in [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
    if page != REFERENCE / "cli.md" and page.parent.name != "decisions"
}


@pytest.mark.parametrize("page", [name for name, commands in DOCUMENTED.items() if commands])
def test_documented_commands_exist_with_their_options(page: str) -> None:
    for command in DOCUMENTED[page]:
        # Up to a pipe or the like. --help stops a command after it has read its options.
        words = shlex.split(re.split(r" (?:\||\|\||&&|>|>>|<) ?", command)[0], comments=True)[1:]
        done = CliRunner().invoke(app, [*words, "--help"])
        placeholder = "'…' is not a valid" in done.output
        assert done.exit_code == 0 or placeholder, (command, done.output)


def test_metrics_log_fields_events_and_signals_are_documented() -> None:
    pages = {
        name: (REFERENCE / f"{name}.md").read_text() for name in ("metrics", "logs", "events", "signals")
    }
    named = [value for name, value in vars(event_log).items() if name.isupper() and isinstance(value, str)]
    routes = [route.name for route in all_routes()]

    assert [name for name, *_ in metric_names.described(routes) if f"`{name}`" not in pages["metrics"]] == []
    assert [name for name in FIELDS if f"`{name}`" not in pages["logs"]] == []
    assert len(named) > 10
    assert [name for name in named if f"`{name}`" not in pages["events"]] == []
    # SIGCHLD is internal to the supervisor and its children.
    assert [one.name for one in SIGNALS if one.name != "SIGCHLD" and one.name not in pages["signals"]] == []


def test_event_names_are_defined_only_in_event_log() -> None:
    """Check that event names are written only in the module that defines them."""
    event_name = re.compile(r"""["'](authfactor\.[a-z_]+)["']""")
    elsewhere = [
        f"{path.name}: {name}"
        for path in (ROOT / "src" / "authfactor" / "rules").rglob("*.py")
        if path.name != "event_log.py"
        for name in event_name.findall(path.read_text(encoding="utf-8"))
    ]
    assert elsewhere == []
