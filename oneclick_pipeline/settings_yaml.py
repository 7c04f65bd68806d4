"""`settings.yaml` as it is written: the sections as plain values, settings that no longer exist, and where a value stands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from oneclick_pipeline import yaml
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.home.paths import settings_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pydantic import ValidationError

_REMEDY = "see docs/settings.md for the names, units and limits of the settings"
RETIRED = {
    ("value", "offer_cost"): "the profit curve takes the costs of the catalogue",
    ("value", "saved_share"): "the profit curve takes the effects that the plan believes in",
}
"""Settings that earlier versions had, and why they have no effect any more: a home that still has them goes on."""


def sections(root: yaml.Node, file: str) -> dict[str, Any]:
    """The content of a file without what is retired.

    Raises:
        BadInputError: If it does not hold sections.
    """
    if yaml.content_of(root) in ("", "~", "null"):  # a document that is begun and has nothing in it
        return {}
    content = yaml.plain(root, file)
    if not isinstance(content, dict):
        raise yaml.wrong(file, root, "sections with settings are expected here", remedy=_REMEDY)
    for section, name in RETIRED:
        if isinstance(content.get(section), dict):
            content[section].pop(name, None)
    return content


def retired(home: Path) -> Iterator[BadInputError]:
    """The settings in the file of a home that have no effect any more.

    Raises:
        BadInputError: If the file cannot be read.
    """
    path = settings_file(home)
    root = yaml.read(path)
    content = {} if root is None else yaml.plain(root, str(path))
    for (section, name), why in RETIRED.items():
        if root is not None and isinstance(content, dict) and name in (content.get(section) or {}):
            mark = yaml.at(root, (section, name), key=True).start_mark
            problem = f"the setting {section}.{name} no longer exists: {why}"
            yield BadInputError(problem, str(path), mark.line + 1, mark.column + 1, remedy="remove the line; it has no effect")


def refused(error: ValidationError, file: str, root: yaml.Node | None = None) -> BadInputError:
    """The first error found by pydantic, and its position in the file."""
    first = error.errors()[0]
    mark = None if root is None else yaml.at(root, first["loc"], key=first["type"] == "extra_forbidden").start_mark
    return BadInputError(
        f"setting {'.'.join(str(p) for p in first['loc'])}: {first['msg']}",
        file=file,
        line=None if mark is None else mark.line + 1,
        column=None if mark is None else mark.column + 1,
        value=str(first["input"]),
        remedy=_REMEDY,
    )
