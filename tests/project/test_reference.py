"""The pages about the code agree with it: the generated reference, the module table, the decisions."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from authfactor.settings import Settings, reading
from tests.support import event_scenario

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "authfactor"
DOCS = ROOT / "docs"
DECISIONS = DOCS / "decisions"
PAGES = ("cli.md", "endpoints.md", "errors.md", "events.md", "logs.md", "metrics.md", "settings.md")


def reference(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, ROOT / "tools" / "reference.py", *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )


def modules() -> set[str]:
    """Return the package's modules as the architecture page names them: `core`, `rules/pagination`."""
    found = {path.relative_to(PACKAGE).with_suffix("").as_posix() for path in PACKAGE.rglob("*.py")}
    return {name for name in found if not name.split("/")[-1].startswith("__") and "versions/" not in name}


def test_the_generated_reference_is_up_to_date() -> None:
    result = reference("--check")
    assert result.returncode == 0, f"run `make reference`\n{result.stdout}{result.stderr}"


def test_examples_of_events_are_what_real_calls_cause() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "event_examples.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"run `make reference`\n{done.stdout}{done.stderr}"
    page = (DOCS / "reference" / "events.md").read_text(encoding="utf-8")
    sections = re.findall(r"^## `([\w.]+)`\n\n[^\n]+\n\n```json\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert [(name, json.loads(text)["event"]) for name, text in sections] == [
        (name, name) for name in event_scenario.event_names()
    ]


@pytest.mark.timeout(240)  # writes the reference four times
def test_stale_reference_pages_are_named(tmp_path: Path) -> None:
    assert reference("--into", tmp_path).returncode == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(PAGES)
    assert reference("--into", tmp_path, "--check").returncode == 0
    (tmp_path / "settings.md").write_text("edited")
    (tmp_path / "errors.md").unlink()
    result = reference("--into", tmp_path, "--check")
    assert result.returncode == 1
    assert {line.rpartition("/")[2] for line in result.stdout.splitlines()} == {"settings.md", "errors.md"}
    assert not (tmp_path / "errors.md").exists()


def test_man_page_and_sample_settings_are_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "manual.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"run `make reference`\n{done.stdout}{done.stderr}"


def test_groff_formats_the_man_page_without_a_warning(needs: Callable[[str], Path]) -> None:
    page = DOCS / "man" / "authfactor.1"
    done = subprocess.run(
        [needs("groff"), "-man", "-Tutf8", "-ww", "-k", "-P-c", page],
        capture_output=True,
        text=True,
        check=False,
    )
    shown = " ".join(re.sub(r".\x08", "", done.stdout).split())
    assert (done.returncode, done.stderr) == (0, "")
    assert "authfactor users list [OPTIONS]" in shown
    assert "AUTHFACTOR_DATABASE_URL_FILE" in shown
    assert "8 configuration, keys or schema" in shown


def test_the_sample_names_every_setting_with_its_default(tmp_path: Path) -> None:
    text = (ROOT / "deploy" / "authfactor.toml").read_text(encoding="utf-8")
    assert reading.read({}, ROOT / "deploy" / "authfactor.toml") == Settings()
    file = tmp_path / "authfactor.toml"
    file.write_text(re.sub(r"^#(?=\w+ = )", "", text, flags=re.MULTILINE), encoding="utf-8")
    loaded = reading.load({}, file)
    assert loaded.settings == Settings()
    assert set(loaded.origins.values()) == {str(file)}


def test_files_named_in_the_architecture_page_exist() -> None:
    text = (DOCS / "architecture.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([a-z_]+(?:/[a-z_0-9]+)*(?:/|\.[a-z]+))`", text))
    assert len(named) > 10, "the page names files in backticks"
    missing = [name for name in named if not (ROOT / name).exists() and not (PACKAGE / name).exists()]
    assert not missing


def test_the_module_table_lists_exactly_the_modules() -> None:
    text = (DOCS / "architecture.md").read_text(encoding="utf-8")
    table = text.partition("## Modules")[2].partition("\n## ")[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    mentions = [name for row in rows for name in re.findall(r"`([^`]+)`", row)]
    named = set(mentions)
    assert len(mentions) == len(named), "modules that have two rows"
    folders = {name.removesuffix("/") for name in named if name.endswith("/")}
    in_folders = {name for name in modules() if any(name.startswith(f"{folder}/") for folder in folders)}
    single = {name for name in named if not name.endswith("/")}
    assert modules() - in_folders - single == set(), "modules that the table in docs/architecture.md lacks"
    assert single - modules() == set(), "modules that no longer exist"
    assert all((PACKAGE / folder).is_dir() for folder in folders)


def test_decisions_cited_in_the_source_exist() -> None:
    cited = {
        (number, path)
        for path in PACKAGE.rglob("*.py")
        for number in re.findall(r"decisions?[ /](\d{4})", path.read_text(encoding="utf-8"))
    }
    assert cited
    missing = [
        f"{number} ({path})" for number, path in sorted(cited) if not [*DECISIONS.glob(f"{number}-*.md")]
    ]
    assert not missing


def test_every_decision_has_the_four_sections() -> None:
    for path in DECISIONS.glob("[0-9]*.md"):
        text = path.read_text(encoding="utf-8").lower()
        absent = [
            part
            for part in ("context", "decision", "alternatives", "consequences")
            if f"## {part}" not in text
        ]
        assert not absent, f"{path.name} lacks {absent}"


def test_links_between_pages_resolve() -> None:
    pages = [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "SECURITY.md", *DOCS.rglob("*.md")]
    dead = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in pages
        for target in re.findall(r"\]\(([^)#\s]+)[^)\s]*\)", page.read_text(encoding="utf-8"))
        if "://" not in target and not (page.parent / target).exists()
    ]
    assert not dead
