"""The README: claims have a test or a file, the comparison says where it was checked, and links work.

The tour of the quick start runs here too, block after block in one shell, against a demo server.
"""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Final

import pytest
from PIL import Image

from tests.support.documented_commands import blocks, in_one_shell
from tests.support.server_process import Server, clean_environment, fields
from tests.support.skip_or_fail import skip_or_fail

ROOT: Final = Path(__file__).parents[2]
README: Final = (ROOT / "README.md").read_text(encoding="utf-8")
QUICK_START: Final = ROOT / "docs" / "quick-start.md"
COMPARISON: Final = (ROOT / "docs" / "explanation" / "comparison.md").read_text(encoding="utf-8")
WRITTEN_URL: Final = "http://127.0.0.1:8080"
NOT_CHECKED: Final = "not checked"

CLAIMS: Final[dict[str, str]] = tomllib.loads(
    (ROOT / "tests" / "project" / "readme-claims.toml").read_text(encoding="utf-8")
)


@pytest.mark.parametrize("claim", CLAIMS)
def test_a_claim_of_the_readme_has_a_test_or_a_file(claim: str) -> None:
    assert claim in " ".join(README.split()), "the README no longer says this: remove it from the list"
    path, _, name = CLAIMS[claim].partition("::")
    assert (ROOT / path).is_file(), path
    if name:
        source = (ROOT / path).read_text(encoding="utf-8")
        assert re.search(rf"^(?:async )?def {name}\b", source, re.MULTILINE), CLAIMS[claim]


def test_the_reasons_to_stay_say_nothing_but_claims() -> None:
    reasons = README.partition("## Three reasons to stay")[2].partition("\n![")[0]
    text = re.sub(r"\*\*.*?\*\*", "", " ".join(reasons.split()))
    sentences = [part for part in re.split(r"(?<=\.) (?=[A-Z])", text) if part.strip()]
    assert len(sentences) >= 8
    for sentence in sentences:
        rest = sentence
        for claim in CLAIMS:
            rest = rest.replace(claim, "")
        assert len(re.findall(r"\w+", rest)) <= 2, f"not in readme-claims.toml: {rest} of: {sentence}"


def comparison() -> list[list[str]]:
    """Return the cells of the comparison, row by row, the first row with the names of the products."""
    found = re.search(r"<!-- comparison:start -->(.*?)<!-- comparison:end -->", README, re.DOTALL)
    assert found
    lines = [line for line in found.group(1).splitlines() if line.startswith("|") and "---" not in line]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_the_comparison_names_its_date_and_what_was_read_for_every_product() -> None:
    head, *rows = comparison()
    assert re.search(r"Checked on 20\d\d-\d\d-\d\d", README)
    assert re.search(r"checked on 20\d\d-\d\d-\d\d", COMPARISON)
    sections = dict(re.findall(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", COMPARISON, re.MULTILINE | re.DOTALL))
    assert set(head[1:]) <= set(sections)
    assert len(rows) > 6
    for number, product in enumerate(head[1:], 1):
        cells = [row[number] for row in rows]
        assert all(cells), product
        if product != "authfactor":
            assert len(re.findall(r"`[^`]+[./][^`]+`", sections[product])) >= 3, (
                f"{product}: name what was read"
            )


def test_a_product_that_was_not_checked_everywhere_says_so_on_the_page_too() -> None:
    head, *rows = comparison()
    for number, product in enumerate(head[1:], 1):
        if any(row[number] == NOT_CHECKED for row in rows):
            section = COMPARISON.partition(f"## {product}\n")[2].partition("\n## ")[0]
            assert NOT_CHECKED in section, product


def test_pictures_of_the_readme_are_files_of_a_reasonable_size() -> None:
    pictures = re.findall(r"!\[([^\]]*)\]\(([^)]+)\)", README)
    assert {"docs/screenshots/front.png", "docs/performance.png"} <= {path for _, path in pictures}
    for text, path in pictures:
        assert len(text) > 20, "describe the picture for readers who cannot see it"
        assert (ROOT / path).stat().st_size < 150_000, path


def test_the_picture_is_composed_of_the_current_screenshots(tmp_path: Path) -> None:
    made = tmp_path / "front.png"
    script = ROOT / "tools" / "front_picture.py"
    subprocess.run([sys.executable, script, "--into", made], check=True, capture_output=True)
    with Image.open(made) as new, Image.open(ROOT / "docs" / "screenshots" / "front.png") as kept:
        same = new.convert("RGB").tobytes() == kept.convert("RGB").tobytes()
    assert same, "run python tools/front_picture.py"


@pytest.fixture
def server(tmp_path: Path) -> Server:
    # As `make run` starts it, except for the port and the folder.
    return Server(
        tmp_path / "data", {"AUTHFACTOR_BOOTSTRAP_API_KEY": "", "AUTHFACTOR_BOOTSTRAP_CLIENT_ID": ""}
    )


def test_the_tour_of_the_quick_start_works_as_written(server: Server, tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        skip_or_fail("curl is not on PATH")
    # The tour runs in the clone; its files are in the data folder.
    folder = tmp_path / "clone"
    folder.mkdir()
    (folder / ".venv").symlink_to(Path(sys.executable).parent.parent)
    tour = blocks(QUICK_START, between=("<!-- tour:start -->", "<!-- tour:end -->"))
    server.start("--demo")
    try:
        environment = clean_environment(AUTHFACTOR_BASE_URL=server.url, AUTHFACTOR_DATA=str(server.data))
        done = in_one_shell([block.replace(WRITTEN_URL, server.url) for block in tour], folder, environment)
        key = (server.data / "demo-api-key").read_text().strip()
        with server.client(key) as client:
            users = fields(client.get("/user_management/users"), 200)["data"]
            factors = [
                fields(client.get(f"/user_management/users/{user['id']}/auth_factors"), 200)["data"]
                for user in users
            ]
    finally:
        assert server.stop() == 0

    assert len(done.outputs) == len(tour) > 3
    assert done.errors == ""
    # What the text around the blocks says.
    text = "".join(done.outputs)
    assert re.search(r'"valid": true', text)
    assert re.search(r'"valid": false', text)
    assert "code_already_used" in text
    assert "otpauth://totp/Acme:" in text
    assert any(factors), "the tour enrolls a factor"
    assert "internal_error" not in text


def test_urls_and_make_targets_in_the_readme_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^make ([a-z]+)", README, re.MULTILINE)) | set(
        re.findall(r"`make ([a-z]+)`", README)
    )
    assert {"run", "test"} <= targets
    assert targets <= set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    assert WRITTEN_URL.removeprefix("http://127.0.0.1:") in makefile


def test_files_linked_from_the_readme_exist() -> None:
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", README) if "://" not in link]
    assert [link for link in links if link and not (ROOT / link).exists()] == []
