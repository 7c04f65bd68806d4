"""Outcomes of a campaign that was run elsewhere: a CSV with one row per customer.

The columns are `customer_id`, `offer_id` (`control` for customers deliberately left without an offer), any number of numeric
outcomes and, named `<outcome>_before`, what each of them was before the campaign. Delimiter, encoding and decimal mark are
detected as for the exports of the store. A row that breaks one of `outcomes_csv_rules` is named and left out; the others
count, see `outcomes_csv_effects`.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from oneclick_pipeline.campaigns.outcomes_csv_rules import CONTROL, RejectedRow, split
from oneclick_pipeline.contracts.schema import Column, Table
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.raw.export import all_rows, unchanged
from oneclick_pipeline.raw.facts import inspect
from oneclick_pipeline.raw.numbers import NUMBER

if TYPE_CHECKING:
    from collections.abc import Collection

    import pandas as pd

BEFORE = "_before"
KEYS = ("customer_id", "offer_id")


@dataclass(frozen=True)
class OutcomesFile:
    """A campaign as it was read.

    Attributes:
        file: The file.
        rows_read: Rows of the file; the used and the rejected are as many together.
        outcomes: Names of the outcomes, in the order of the file.
        table: customer_id, offer_id, the outcomes and their covariates: the rows that are used.
        rejected: The rows that are not.
        ignored: Columns that are not used, each with the reason.
    """

    file: str
    rows_read: int
    outcomes: tuple[str, ...]
    table: pd.DataFrame
    rejected: tuple[RejectedRow, ...]
    ignored: dict[str, str]

    @property
    def sizes(self) -> dict[str, int]:
        """Number of customers used, by offer, control included."""
        return dict(sorted(Counter(self.table["offer_id"]).items()))

    def message(self, rejected: RejectedRow) -> str:
        """The message for a rejected row: where it is and what to do."""
        return str(BadInputError(rejected.problem, self.file, rejected.line, rejected.column, rejected.value, rejected.remedy))


def read(path: Path, *, known: Collection[int] | None = None) -> OutcomesFile:
    """Read and check a file of outcomes.

    Args:
        path: The CSV.
        known: Customers that exist; None: not checked.

    Raises:
        BadInputError: If the file is missing, empty, lacks a column, has one twice, has no outcome, no row that can be
            used, no control, or only controls.
    """
    keys = _layout([(name, name) for name in KEYS])
    with unchanged(path), tempfile.TemporaryDirectory() as scratch:
        seen = inspect(path, keys, Path(scratch))
        header = seen.facts.header
        _check_header(header, path)
        columns = [(f"c{i}", header) for i, header in enumerate(header)]  # a header may be any text
        texts = all_rows(seen, _layout(columns), Path(scratch))[0].sort("line").collect()
    if texts.is_empty():
        raise BadInputError("the file has a header but no rows", file=str(path), remedy="export it again")
    texts = texts.with_columns(pl.col([name for name, _ in columns]).str.strip_chars().replace("", None))
    used, ignored = _usable(texts, columns)
    outcomes = tuple(h for h in used if h not in KEYS and not _is_covariate(h, used))
    if not outcomes:
        raise BadInputError(
            "there is no outcome: no column other than the keys holds numbers",
            file=str(path),
            line=1,
            value=", ".join(header),
            remedy="add a numeric column for every outcome, for example revenue, and revenue_before beside it",
        )
    named = texts.select("line", "problem", "excerpt", *(pl.col(used[h]).alias(f"={h}") for h in used))
    good, rejected = split(named, outcomes, [h for h in used if _is_covariate(h, used)], known)
    campaign = OutcomesFile(str(path), len(texts), outcomes, good.to_pandas(), rejected, ignored)
    _check_arms(campaign)
    return campaign


def _layout(columns: list[tuple[str, str]]) -> Table:
    """Columns (name, header) of texts, as the raw stage takes them."""
    return Table(
        "outcomes", "campaigns", "", tuple(Column(name, "str", "", header=header) for name, header in columns), file="campaign"
    )


def _is_covariate(header: str, columns: Collection[str]) -> bool:
    """Whether the column is what another was before."""
    return header.endswith(BEFORE) and header.removesuffix(BEFORE) in columns


def _check_header(header: tuple[str, ...], path: Path) -> None:
    """Refuse headers that can be read in two ways."""
    for column, times in Counter(header).items():
        if times > 1 and column:
            raise BadInputError("the column appears twice", file=str(path), line=1, column=column, remedy="remove one of them")
    for column in header:
        if column.endswith(BEFORE) and not _is_covariate(column, header):
            raise BadInputError(
                f"there is no outcome «{column.removesuffix(BEFORE)}» for which this could be the value before",
                file=str(path),
                line=1,
                column=column,
                remedy="add the outcome, or give the column another name",
            )


def _usable(texts: pl.DataFrame, columns: list[tuple[str, str]]) -> tuple[dict[str, str], dict[str, str]]:
    """Header -> name of the columns that are used, header -> reason of those that are not.

    A column in which fewer than half of the values are numbers is text; its rows are not at fault.
    """
    used, ignored = {}, {}
    for name, header in columns:
        values = texts[name].drop_nulls()
        numbers = values.str.contains(NUMBER).sum()
        if header in KEYS:
            used[header] = name
        elif not header:
            ignored["(no header)"] = "the column has no header"
        elif values.is_empty():
            ignored[header] = "the column is empty"
        elif 2 * numbers < len(values):
            ignored[header] = "the column holds text, not numbers"
        else:
            used[header] = name
    for header in [h for h in used if h.endswith(BEFORE) and h.removesuffix(BEFORE) not in used]:
        ignored[header] = "its outcome is not used"
        del used[header]
    return used, ignored


def _check_arms(campaign: OutcomesFile) -> None:
    """Refuse a campaign in which nothing can be compared."""
    if campaign.table.empty:
        raise BadInputError(
            f"none of the {campaign.rows_read} rows can be used; the first: {campaign.message(campaign.rejected[0])}",
            remedy="fix the file and import it again",
        )
    sizes = campaign.sizes
    if CONTROL not in sizes or len(sizes) == 1:
        raise BadInputError(
            "there is no control to compare with" if CONTROL not in sizes else "there are only controls",
            file=campaign.file,
            column="offer_id",
            value=", ".join(list(sizes)[:10]),
            remedy=f"mark customers who were deliberately left without an offer as `{CONTROL}`, the others with the name of "
            "their offer",
        )
