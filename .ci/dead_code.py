"""Code that nobody uses: names that the package defines and only tests read, by vulture and by who imports what.

python .ci/dead_code.py   # prints what is dead, and ends with 1 if anything is
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, nodes
from vulture import Vulture

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
PACKAGE = "oneclick_pipeline"
USERS = [ROOT / PACKAGE, ROOT / "benchmarks", ROOT / "docs" / "generate.py"]
"""Whose use counts: not that of the tests."""
DECORATORS = ["@*app.command", "@*.callback", "@field_validator", "@model_validator"]
"""What makes Typer or Pydantic call a function."""
ALLOWED = {
    "ASSETS": "definitions.py reads it of every stage",
    "EventsReader": "Dagster loads it by the name in dagster.yaml",
    "OwnersScheduler": "Dagster loads it by the name in dagster.yaml",
    "PostgresReader": "Dagster loads it by the name in dagster.yaml",
    "PostgresStorage": "Dagster loads it by the name in dagster.yaml",
    "REFUSED": "the routes of Dagster that were reviewed: a test compares them with those that it registers",
    "__call__": "scikit-learn calls it, in the place of its own",
    "__getitem__": "a protocol: frames and batches have it",
    "_download_file": "MLflow calls it",
    "config_type": "Dagster calls it",
    "convert_field": "string.Formatter calls it",
    "defs": "Dagster loads it by the name in workspace.yaml",
    "delete_artifacts": "MLflow calls it",
    "effect_high": "a column of offer_effects, which asdict fills",
    "effect_low": "a column of offer_effects, which asdict fills",
    "estimators_": "scikit-learn's soft vote reads it",
    "exc_text": "logging reads it",
    "format_field": "string.Formatter calls it",
    "handle_data": "HTMLParser calls it",
    "handle_endtag": "HTMLParser calls it",
    "handle_pool_kwargs": "SQLAlchemy calls it",
    "handle_startendtag": "HTMLParser calls it",
    "line_terminator": "an argument of Polars' write_csv, given as **",
    "main": "the entry point that pyproject.toml names",
    "mean_controls": "a column of offer_effects, which asdict fills",
    "model_config": "Pydantic reads it",
    "pool_cls": "SQLAlchemy gives it by name",
    "process_renderables": "rich calls it",
    "registry_uri": "MLflow gives it by name",
    "separator": "an argument of Polars' write_csv, given as **",
    "sock": "http.client reads it",
    "stack_info": "logging reads it",
    "tracking_uri": "MLflow gives it by name",
    "update_url": "SQLAlchemy calls it",
    "yield_for_execution": "Dagster calls it",
}
"""Names that only look dead, each with who uses it."""


def in_templates() -> set[str]:
    """The names that templates of the report read."""
    environment = Environment(autoescape=True)
    return {
        str(getattr(node, "attr", getattr(node, "name", "")))
        for file in (ROOT / PACKAGE).rglob("*.jinja")
        for node in environment.parse(file.read_text(encoding="utf-8")).find_all((nodes.Getattr, nodes.Name))
    }


def unused() -> Iterator[tuple[str, str]]:
    """What vulture finds: a name that nothing reads, whoever defines it. Name, and where it is."""
    vulture = Vulture(ignore_decorators=DECORATORS)
    vulture.scavenge([str(path) for path in USERS])
    for item in vulture.get_unused_code(min_confidence=60):
        yield item.name, f"{Path(item.filename).relative_to(ROOT)}:{item.first_lineno}: {item.typ} {item.name} is read by nobody"


def module_name(file: Path) -> str:
    """The dotted name of a module."""
    return ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def defined(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Functions, classes and constants of a module and their lines, but for those that a decorator hands to somebody."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.decorator_list:
            yield node.name, node.lineno
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from ((target.id, node.lineno) for target in targets if isinstance(target, ast.Name))


def read(module: str, tree: ast.Module, modules: set[str]) -> tuple[set[tuple[str, str]], dict[str, tuple[str, str]]]:
    """The names of modules that a module reads, and those that it imports by name."""
    places: dict[str, str] = {}
    names: dict[str, tuple[str, str]] = {}
    found: set[tuple[str, str]] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                if whole in modules:
                    places[alias.asname or alias.name] = whole
                    found.add((str(node.module), alias.name))  # or a function that is named like its module
                else:
                    names[alias.asname or alias.name] = (str(node.module), alias.name)
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            found.add(names.get(node.id, (module, node.id)))
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in places:
            found.add((places[node.value.id], node.attr))
    return found, names


def not_imported() -> Iterator[tuple[str, str]]:
    """Functions, classes and constants whose name others may have, and that no module reads. Name, and where it is."""
    paths = [file for path in USERS for file in ([path] if path.is_file() else sorted(path.rglob("*.py")))]
    trees = {module_name(file): ast.parse(file.read_text(encoding="utf-8")) for file in paths}
    found: set[tuple[str, str]] = set()
    passed_on: dict[tuple[str, str], tuple[str, str]] = {}
    for module, tree in trees.items():
        here, names = read(module, tree, set(trees))
        found |= here
        passed_on |= {(module, name): place for name, place in names.items()}
    for place in list(found):  # a package passes on what its modules define
        while place in passed_on and passed_on[place] not in found:
            place = passed_on[place]  # noqa: PLW2901
            found.add(place)
    for file in paths:
        module = module_name(file)
        if not module.startswith(PACKAGE):
            continue
        for name, line in defined(trees[module]):
            if (module, name) not in found and not name.startswith("__"):
                yield name, f"{file.relative_to(ROOT)}:{line}: {name} is used by no module"


if __name__ == "__main__":
    suspects: dict[str, str] = {}
    for name, place in (*unused(), *not_imported()):
        if name not in in_templates():
            suspects.setdefault(name, place)
    dead = [place for name, place in suspects.items() if name not in ALLOWED]
    dead += [f".ci/dead_code.py: {name} is allowed and needs it no longer" for name in ALLOWED if name not in suspects]
    print(*dead, sep="\n")
    sys.exit(bool(dead))
