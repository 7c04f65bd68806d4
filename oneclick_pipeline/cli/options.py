"""Parsers of command options."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

if TYPE_CHECKING:
    from collections.abc import Callable

FAILED, QUARANTINED = 1, 3
"""Exit codes: the command failed; it finished, but rows were left out."""


class Language(StrEnum):
    """Languages of what marketers read."""

    ru = "ru"
    en = "en"


def whole(least: int, most: int = 2**63 - 1) -> Callable[[object], int]:
    """A parser of whole numbers in ASCII digits: `int` also takes 1_000, blanks, and the digits of every script.

    Args:
        least: Smallest number that is allowed.
        most: Largest.

    >>> whole(0)("7")
    7
    """

    def integer(value: object) -> int:
        text = str(value)
        if not re.fullmatch(r"-?[0-9]{1,19}", text):
            raise typer.BadParameter(f"{text!r} is not a valid integer.")
        if not least <= int(text) <= most:
            raise typer.BadParameter(f"{text} is not in the range {least}<=x<={most}.")
        return int(text)

    return integer


def amounts(text: str) -> tuple[float, ...]:
    """Amounts of money, separated by commas: numbers of at least 0 in ASCII digits with a decimal point.

    >>> amounts("50,100.5")
    (50.0, 100.5)
    """
    parts = [part.strip() for part in text.split(",")]
    if wrong := [part for part in parts if not re.fullmatch(r"[0-9]{1,15}(\.[0-9]{1,15})?", part)]:
        raise typer.BadParameter(f"{wrong[0]!r} is not an amount; write for example 50,100,200.")
    return tuple(float(part) for part in parts)


class Given:
    """The options of the command that are needed when it ends.

    Attributes:
        home: The home, absolute; None where the command has none.
    """

    home: ClassVar[Path | None] = None


def _given(home: Path) -> Path:
    Given.home = home.absolute()
    return home


HomeOption = Annotated[
    Path,
    typer.Option(
        "--home", envvar="ONECLICK_HOME", callback=_given, help="Folder that holds everything that is read and written."
    ),
]
MonthOption = Annotated[str, typer.Option("--month", help="Snapshot month, YYYY-MM.", show_default=False)]
