"""Fail when a module or a function exceeds its limit, or two classes share a name; print the distribution.

Usage: python tools/sizes.py [FOLDER ...]   (default: src)
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

MODULE_LIMIT = 350
FUNCTION_LIMIT = 60


class Size(NamedTuple):
    """The lines of one module or function, decorators and docstring included."""

    where: str
    lines: int


def function_sizes(path: Path, tree: ast.Module) -> Iterator[Size]:
    """Yield every function of a module; nested ones count for themselves and for the outer function."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            yield Size(f"{path}:{node.lineno} {node.name}", (node.end_lineno or node.lineno) - first + 1)


def measure(folders: list[Path]) -> tuple[list[Size], list[Size]]:
    """Return the sizes of all modules and of all functions below the folders."""
    modules: list[Size] = []
    functions: list[Size] = []
    for path in sorted(path for folder in folders for path in folder.rglob("*.py")):
        source = path.read_text(encoding="utf-8")
        modules.append(Size(str(path), len(source.splitlines())))
        functions.extend(function_sizes(path, ast.parse(source, str(path))))
    return modules, functions


def repeated_classes(folders: list[Path]) -> dict[str, list[str]]:
    """Return the names of classes that are defined more than once below the folders, with the places."""
    places: dict[str, list[str]] = {}
    for path in sorted(path for folder in folders for path in folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
            if isinstance(node, ast.ClassDef):
                places.setdefault(node.name, []).append(f"{path}:{node.lineno}")
    return {name: found for name, found in places.items() if len(found) > 1}


def percentile(sizes: list[Size], share: float) -> int:
    """Return the size that the given share (0 to 1) of the sizes does not exceed."""
    ordered = sorted(size.lines for size in sizes)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0


def main(arguments: list[str]) -> int:
    folders = [Path(argument) for argument in arguments or ["src"]]
    modules, functions = measure(folders)
    for name, sizes in (("modules", modules), ("functions", functions)):
        median, p90, longest = (percentile(sizes, share) for share in (0.5, 0.9, 1.0))
        print(f"{name}: {len(sizes)}, median {median}, p90 {p90}, longest {longest} lines")
    too_long = [size for size in modules if size.lines > MODULE_LIMIT]
    too_long += [size for size in functions if size.lines > FUNCTION_LIMIT]
    for size in too_long:
        print(f"too long: {size.where} ({size.lines} lines)")
    repeated = repeated_classes(folders)
    for name, places in repeated.items():
        print(f"defined more than once: {name} ({', '.join(places)})")
    return 1 if too_long or repeated else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
