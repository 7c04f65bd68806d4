"""What goes wrong because of the input, said so that the reader can mend it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class BadInputError(Exception):
    """Input that the pipeline cannot use: what, where, and how to mend it.

    Attributes:
        problem: What is wrong, one sentence without a full stop.
        file: File in which it is wrong.
        line: Line of the file, the header being line 1.
        column: Header of the column.
        value: Offending value, as it came.
        remedy: What the reader should do.

    >>> print(BadInputError("profit is no number", file="money.csv", line=7, column="Прибыль", value="abc", remedy="mend it"))
    money.csv, line 7, column «Прибыль», value 'abc': profit is no number. What to do: mend it
    """

    problem: str
    file: str | None = None
    line: int | None = None
    column: str | None = None
    value: str | None = None
    remedy: str = ""

    def __str__(self) -> str:
        """One message: place, problem, remedy."""
        place = ", ".join(
            part
            for part in (
                self.file,
                f"line {self.line}" if self.line is not None else None,
                f"column «{self.column}»" if self.column is not None else None,
                f"value {self.value[:200]!r}" if self.value is not None else None,
            )
            if part
        )
        return (f"{place}: " if place else "") + self.problem + (f". What to do: {self.remedy}" if self.remedy else "")

    def __reduce__(self) -> tuple[type[BadInputError], tuple[object, ...]]:
        """Dataclass exceptions need this to be copied between processes with their fields."""
        return type(self), (self.problem, self.file, self.line, self.column, self.value, self.remedy)


class AlreadyPublishedError(BadInputError):
    """Another plan of the month was published before; nothing was changed."""
