"""The profile: everything the twin knows about a store, as aggregated statistics in one JSON file."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np

from oneclick_pipeline.contracts.customers import FEATURE_NAMES
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.simulator.twin.column import ColumnProfile
from oneclick_pipeline.simulator.twin.copula import Copula

if TYPE_CHECKING:
    from pathlib import Path

VERSION = 1
COLUMN_NAMES = (*FEATURE_NAMES, "profit")
"""The columns of the copula; profit is last, so that the features are its leading block."""
PHIK_NAMES = (*COLUMN_NAMES, "activity")

Matrix = tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Profile:
    """A store in aggregated statistics: no row of it is a customer's.

    Attributes:
        customers: Regular, classed customers it was fitted on.
        decline_share: Share of declined customers among them.
        look_active: Share of declined customers that behave like stable ones; it caps what any model can reach.
        columns: Marginals, in the order of `COLUMN_NAMES`.
        correlation_declined: Latent correlations of declined customers that do not look active.
        correlation_stable: Latent correlations of stable customers.
        phik: phik matrix of the store, in the order of `PHIK_NAMES`; what a sample must come close to.
    """

    customers: int
    decline_share: float
    look_active: float
    columns: tuple[ColumnProfile, ...]
    correlation_declined: Matrix
    correlation_stable: Matrix
    phik: Matrix

    def __post_init__(self) -> None:
        """Refuse a profile from which nothing can be drawn."""
        names = tuple(column.name for column in self.columns)
        _check(names == COLUMN_NAMES, f"the columns must be {', '.join(COLUMN_NAMES)}")
        _check(0 < self.decline_share < 1, "decline_share must lie between 0 and 1")
        _check(0 <= self.look_active < 1, "look_active must be at least 0 and below 1")
        for column in self.columns:
            cells = (column.first, column.width, column.declined, column.stable)
            _check(len({len(cell) for cell in cells}) == 1 and len(column.first) > 0, f"{column.name}: cells of unequal length")
            _check(min(column.declined + column.stable) > 0, f"{column.name}: a cell share is not positive")
            ends = np.add(column.first, column.width)
            _check(min(column.width) > 0 and bool((ends[:-1] <= column.first[1:]).all()), f"{column.name}: cells overlap")
        _check(np.shape(self.phik) == (len(PHIK_NAMES), len(PHIK_NAMES)), "the phik matrix has the wrong size")
        for matrix in (self.correlation_declined, self.correlation_stable):
            array = np.asarray(matrix)
            _check(array.shape == (len(names), len(names)), "a correlation matrix has the wrong size")
            good = (array == array.T).all() and (np.diag(array) == 1).all() and np.linalg.eigvalsh(array).min() > 0
            _check(bool(good), "a correlation matrix is not positive definite with ones on its diagonal")

    @cached_property
    def copulas(self) -> tuple[Copula, Copula]:
        """The copulas of the stable and of the declined class."""
        return Copula(self.correlation_stable), Copula(self.correlation_declined)

    @classmethod
    def load(cls, path: Path | None = None) -> Profile:
        """Read a profile; without a path, the bundled one.

        Raises:
            BadInputError: If the file is missing, no JSON, of another version, or not a sound profile.
        """
        name = str(path or "profile.json")
        try:
            return cls.from_json(_bundled() if path is None else path.read_text(encoding="utf-8"))
        except BadInputError as error:
            raise BadInputError(error.problem, file=name, remedy=error.remedy) from error
        except (OSError, UnicodeDecodeError) as error:
            raise BadInputError("the profile cannot be read", file=name, value=str(error), remedy=_REMEDY) from error

    def save(self, path: Path) -> None:
        """Write the profile as JSON."""
        path.write_text(self.to_json(), encoding="utf-8", newline="\n")

    def to_json(self) -> str:
        """The profile as JSON text, one line per list of numbers."""
        text = json.dumps({"version": VERSION, **asdict(self)}, ensure_ascii=False, indent=1)
        return re.sub(r"\[\n\s+([^\[\]{}]*?)\n\s+\]", lambda m: "[" + re.sub(r"\n\s+", " ", m[1]) + "]", text) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Profile:
        """Read what `to_json` wrote.

        Raises:
            BadInputError: If the text is not JSON, of another version, or not a sound profile.
        """
        try:
            content = json.loads(text)
            version = content.pop("version")
            _check(version == VERSION, f"the profile has version {version}, but this program reads {VERSION}")
            columns = tuple(ColumnProfile(**_tuples(column)) for column in content.pop("columns"))
            return cls(columns=columns, **_tuples(content))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise BadInputError("this is not a profile of a store", value=str(error), remedy=_REMEDY) from error


_REMEDY = "make a profile with: oneclick twin fit --from DIR"


def _bundled() -> str:
    return files("oneclick_pipeline.simulator.twin").joinpath("profile.json").read_text(encoding="utf-8")


def _check(good: bool, problem: str) -> None:  # noqa: FBT001 - an assertion reads best with its condition first
    if not good:
        raise BadInputError(problem, remedy=_REMEDY)


def _tuples(content: dict[str, Any]) -> dict[str, Any]:
    """The same fields with lists of any depth turned to tuples: a frozen profile holds nothing that can change."""

    def freeze(value: object) -> object:
        return tuple(freeze(v) for v in value) if isinstance(value, list) else value

    return {name: freeze(value) for name, value in content.items()}
