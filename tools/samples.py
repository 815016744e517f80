"""Package the samples that the pages of the reference show, from the files that the runner executes.

Those of endpoints that no SDK has a method for are written here from the sample with curl.

Usage: python tools/samples.py [--check]
"""

import argparse
import json
import re
import sys
import textwrap
from pathlib import Path
from typing import Final

from pygments import lex
from pygments.lexers import get_lexer_by_name
from pygments.token import Token, _TokenType

ROOT: Final = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from authfactor import reference  # noqa: E402 - the path comes first
from tools import http_samples  # noqa: E402 - the path comes first

SAMPLES: Final = ROOT / "samples"
INTO: Final = ROOT / "src" / "authfactor" / "reference" / "samples.json"
LEXERS: Final = {
    "curl": ("bash", ".sh"),
    "js": ("javascript", ".mjs"),
    "python": ("python", ".py"),
    "go": ("go", ".go"),
    "php": ("php", ".php"),
    "ruby": ("ruby", ".rb"),
    "java": ("java", ".java"),
}
REGION: Final = re.compile(
    r"^[ \t]*(?:#|//) region\n(.*?)^[ \t]*(?:#|//) endregion$", re.DOTALL | re.MULTILINE
)
# Few classes, so that a page stays small and the colors keep their contrast.
CLASSES: Final[dict[_TokenType, str]] = {
    Token.Comment: "c",
    Token.Keyword: "k",
    Token.Literal.String: "s",
    Token.Literal.Number: "n",
    Token.Name.Function: "f",
    Token.Name.Variable: "v",
}


def region(path: Path) -> str:
    """Return what a sample shows: the one region of its file, without its indentation."""
    found = REGION.findall(path.read_text(encoding="utf-8"))
    if len(found) != 1:
        raise SystemExit(f"{path}: {len(found)} regions instead of one")
    return textwrap.dedent(found[0].expandtabs(4)).strip()


def html(code: str, language: str) -> str:
    """Write code as HTML, its tokens in spans."""
    lexer = get_lexer_by_name(LEXERS[language][0], **({"startinline": True} if language == "php" else {}))
    pieces: list[tuple[str, str]] = []  # class and text, neighbors of one class together
    for kind, text in lex(code, lexer):
        name = next((name for base, name in CLASSES.items() if kind in base), "")
        if pieces and (pieces[-1][0] == name or not text.strip()):
            name, text = pieces[-1][0], pieces.pop()[1] + text  # noqa: PLW2901 - goes on with the piece before
        pieces.append((name, text))
    return "".join(_piece(name, text) for name, text in pieces).rstrip("\n")


def _piece(name: str, text: str) -> str:
    inner = text.rstrip()
    escaped = inner.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return (f'<span class="{name}">{escaped}</span>' if name and inner else escaped) + text[len(inner) :]


def page_of(path: Path, language: str) -> str:
    """Return the page that a file is the sample of."""
    if language != "java":
        return path.stem
    return re.sub(r"(?<!^)([A-Z])", r"_\1", path.stem).lower()


def samples() -> str:
    """Read every sample."""
    found: dict[str, dict[str, dict[str, str]]] = {}
    for language, (_, extension) in LEXERS.items():
        for edition, folder in ((language, ""), (f"{language}-newest", "newest")):
            for path in sorted((SAMPLES / language / folder).glob(f"*{extension}")):
                if path.name != "main.go":
                    code = region(path)
                    found.setdefault(edition, {})[page_of(path, language)] = {
                        "code": code,
                        "html": html(code, language),
                    }
    for name, page in reference.endpoints().items():
        for language in http_samples.languages(page):
            code = http_samples.write(language, page, found["curl"][name]["code"])
            generated = found.setdefault(f"{language}-http", {})
            generated[name] = {"code": code, "html": html(code, language)}
    return json.dumps(found, indent=1, ensure_ascii=False) + "\n"


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true")
    chosen = parser.parse_args(arguments)
    text = samples()
    if INTO.is_file() and INTO.read_text(encoding="utf-8") == text:
        return 0
    if chosen.check:
        print(f"stale (run: make reference): {INTO}")
        return 1
    INTO.write_text(text, encoding="utf-8")
    print(f"written: {INTO}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
