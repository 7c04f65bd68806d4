"""The shape of the house: files that fit a sitting, functions that fit a screen, imports at the top or for a measured reason.

python .ci/structure.py          # prints what breaks a rule, and ends with 1 if anything does
python .ci/structure.py --tree   # prints every file with its lines
"""

from __future__ import annotations

import ast
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
PACKAGE = "oneclick_pipeline"
LONGEST_FILE, LONGEST_FUNCTION = 400, 50
TEXTS = {"report/languages/ru.py", "report/languages/en.py"}
"""Files of texts, one line each."""
HEAVY = {
    "dagster": 0.39,
    "matplotlib": 0.23,
    "mlflow": 0.98,
    "narwhals": 0.04,
    "numpy": 0.08,
    "packaging": 0.03,
    "pandas": 0.32,
    "pandera": 0.48,
    "phik": 0.89,
    "polars": 0.10,
    "pyarrow": 0.12,
    "pydantic": 0.08,
    "pyspark": 0.10,
    "scipy": 0.57,
    "skops": 1.23,
    "sklearn": 0.85,
    "sqlalchemy": 0.15,
    "starlette": 0.06,
    "tea_tasting": 0.78,
    "uvicorn": 0.06,
    "yaml": 0.02,
}
"""Libraries that are imported where they are used, and the seconds that importing one took (2 cores, Python 3.11): a command
that does not need them must not wait for them, nor a process of the pages hold their memory. Only what brings one of them in,
directly or through our own modules, may be imported inside a function."""
ELSEWHERE = {"fcntl", "grp", "resource"}
"""Modules that not every operating system has."""


def name_of(file: Path) -> str:
    """The dotted name of a module of the package."""
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {name_of(file): file for file in sorted((ROOT / PACKAGE).rglob("*.py"))}


def imported(node: ast.Import | ast.ImportFrom) -> set[str]:
    """The modules that a statement imports, by their dotted names."""
    if isinstance(node, ast.Import):
        return {alias.name for alias in node.names}
    module = str(node.module)
    return {below if (below := f"{module}.{alias.name}") in FILES else module for alias in node.names}


def at_the_top(tree: ast.Module) -> set[str]:
    """What importing a module imports at once."""
    found: set[str] = set()
    stack: list[ast.stmt] = list(tree.body)
    while stack:
        node = stack.pop()
        if isinstance(node, ast.Import | ast.ImportFrom):
            found |= imported(node)
        elif isinstance(node, ast.Try):
            stack += node.body
    return found


@cache
def reached(module: str) -> frozenset[str]:
    """The heavy libraries that importing a module brings in, through our own modules too."""
    library, seen, stack = module.partition(".")[0], set(), [module]
    if library != PACKAGE:
        return frozenset({library} & set(HEAVY))
    heavy: set[str] = set()
    while stack:
        name = stack.pop()
        if name in seen or name not in FILES:
            heavy |= {name.partition(".")[0]} & set(HEAVY)
            continue
        seen.add(name)
        packages = (name.rsplit(".", i)[0] for i in range(1, name.count(".") + 1))
        stack += [*at_the_top(ast.parse(FILES[name].read_text(encoding="utf-8"))), *packages]
    return frozenset(heavy)


def problems(file: Path) -> Iterator[str]:
    """What is too long or hidden in a file."""
    name, text = file.relative_to(ROOT).as_posix(), file.read_text(encoding="utf-8")
    if (length := text.count("\n")) > LONGEST_FILE and name.removeprefix(f"{PACKAGE}/") not in TEXTS:
        yield f"{name}: {length} lines, more than {LONGEST_FILE}"
    tree = ast.parse(text)
    here = reached(name_of(file))
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        body = node.body[1:] if ast.get_docstring(node) is not None else node.body
        length = (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0
        if length > LONGEST_FUNCTION:
            yield f"{name}:{node.lineno}: {node.name} has {length} lines, more than {LONGEST_FUNCTION}"
        for inner in ast.walk(node):
            if not isinstance(inner, ast.Import | ast.ImportFrom):
                continue
            if not any(module in ELSEWHERE or reached(module) - here for module in imported(inner)):
                what = ", ".join(sorted(imported(inner)))
                yield f"{name}:{inner.lineno}: {what} is imported inside {node.name} and brings in nothing that is slow to import"


if __name__ == "__main__":
    if "--tree" in sys.argv:
        for file in FILES.values():
            print(f"{file.read_text(encoding='utf-8').count(chr(10)):5} {file.relative_to(ROOT)}")
        sys.exit()
    broken = sorted({problem for file in FILES.values() for problem in problems(file)})
    print(*broken, sep="\n")
    sys.exit(bool(broken))
