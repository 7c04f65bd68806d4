"""Which versions oneclick itself made champion and previous champion, as the home knows it.

    HOME/mlflow/registered/chosen.json    {"champion": [3], "previous": [2]}

Anyone who reaches MLflow's port can move an alias, even to a version that was champion years ago. So code follows
an alias only to a version listed here. During a change, and after one that was killed, an alias has two versions.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pydantic import TypeAdapter, ValidationError

from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.tracking import versions

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FILE = "chosen.json"
_CONTENT = TypeAdapter(dict[str, list[int]])


def read(mlflow: Path) -> dict[str, list[int]]:
    """The versions that may have each alias, the newest choice last; empty for a home in which none was chosen yet.

    Args:
        mlflow: The folder `HOME/mlflow`.

    Raises:
        BadInputError: If the file cannot be used.
    """
    path = mlflow / versions.FOLDER / FILE
    try:
        return _CONTENT.validate_json(versions.content(mlflow, path.relative_to(mlflow)))
    except FileNotFoundError:
        return {}
    except (ValidationError, OSError) as error:
        raise BadInputError(
            "the record of the champion is damaged",
            file=str(path),
            remedy="restore it from a backup; or move it away, and choose: oneclick model list, then oneclick model promote N",
        ) from error


def write(mlflow: Path, chosen: Mapping[str, list[int]]) -> None:
    """Write which versions may have each alias, whole or not at all."""
    versions.keep(mlflow, FILE, json.dumps(chosen).encode())


def require(mlflow: Path, alias: str, number: int) -> None:
    """Follow an alias to no version that oneclick did not give it to; in a home in which none was chosen yet, to any.

    Raises:
        BadInputError: If it was moved by someone else.
    """
    chosen = read(mlflow).get(alias)
    if chosen is not None and number not in chosen:
        raise BadInputError(
            f"model version {number} has the alias {alias}, but oneclick gave it to version {chosen[-1]}",
            remedy=f"find out who set the alias; see oneclick model list, then choose: oneclick model promote {chosen[-1]}",
        )
