"""Fail when modules of the package import each other in a circle, inside one package too.

Usage: python tools/import_cycles.py [FOLDER]   (default: src)

Imports inside functions and under `if TYPE_CHECKING:` count: a reader has to follow them as well. The layers
of import-linter order packages and do not see a circle between two modules of one package.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

# Module -> what it imports -> the line of the first such import.
Graph: TypeAlias = dict[str, dict[str, int]]


def module_name(path: Path) -> str:
    """Return the dotted name of a file, given relative to the folder that is on the import path."""
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(tree: ast.Module, modules: set[str]) -> Iterator[tuple[str, int]]:
    """Yield the modules that a tree imports, with the line; `from a import b` means `a.b` if that is one."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [(alias.name, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [(f"{node.module}.{alias.name}", node.module) for alias in node.names]
        else:
            continue
        for exact, package in names:
            target = exact if exact in modules else package
            if target in modules:
                yield target, node.lineno


def import_graph(folder: Path) -> Graph:
    """Read all modules below a folder."""
    files = {module_name(path.relative_to(folder)): path for path in sorted(folder.rglob("*.py"))}
    graph: Graph = {name: {} for name in files}
    for name, path in files.items():
        for target, line in imported(ast.parse(path.read_text(encoding="utf-8"), str(path)), set(files)):
            if target != name:
                graph[name].setdefault(target, line)
    return graph


def reachable(graph: Graph, start: str) -> set[str]:
    """Return what a module imports, directly or not; the module itself only if it is in a circle."""
    found: set[str] = set()
    waiting = list(graph[start])
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting.extend(graph[name])
    return found


def circles(graph: Graph) -> list[list[str]]:
    """Return the groups of modules that all reach each other, largest first."""
    reach = {name: reachable(graph, name) for name in graph}
    groups = {
        tuple(sorted(other for other in reach[name] if name in reach[other]))
        for name in graph
        if name in reach[name]
    }
    return [list(group) for group in sorted(groups, key=lambda group: (-len(group), group))]


def main(arguments: list[str]) -> int:
    graph = import_graph(Path(arguments[0] if arguments else "src"))
    found = circles(graph)
    for circle in found:
        print(f"circle of {len(circle)} modules:")
        for name in circle:
            for target, line in graph[name].items():
                if target in circle:
                    print(f"  {name}:{line} imports {target}")
    print(f"import cycles: {len(graph)} modules, {len(found)} circles")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
