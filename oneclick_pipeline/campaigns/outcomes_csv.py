"""Outcomes of a campaign that was run elsewhere: a CSV with one row per customer.

The columns are `customer_id`, `offer_id` (`control` for customers deliberately left without an offer), any number of outcomes
and, named `<outcome>_before`, what each of them was before the campaign; all are numbers, or yes and no. Delimiter, encoding and
decimal mark are detected as for the exports of the store. A row that breaks one of `outcomes_csv_rules` is named and left out;
the others count, see `outcomes_csv_effects`.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from oneclick_pipeline.campaigns import outcomes_csv_header
from oneclick_pipeline.campaigns.outcomes_csv_columns import KEYS, is_covariate, usable
from oneclick_pipeline.campaigns.outcomes_csv_rules import CONTROL, DECLINED, RejectedRow, split
from oneclick_pipeline.contracts.schema import Column, Table
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.formats import FileFormat
from oneclick_pipeline.raw.export import all_rows, unchanged
from oneclick_pipeline.raw.facts import inspect
from oneclick_pipeline.raw.header import HeaderError
from oneclick_pipeline.raw.letters import BLANKS, INVISIBLE
from oneclick_pipeline.raw.missing import MARKERS

if TYPE_CHECKING:
    from collections.abc import Collection

    import pandas as pd


@dataclass(frozen=True)
class OutcomesFile:
    """A campaign as it was read.

    Attributes:
        file: The file.
        rows_read: Rows of the file; the used and the rejected are as many together.
        outcomes: Names of the outcomes, in the order of the file.
        binary: Those that can only be 0 or 1.
        table: customer_id, offer_id, the outcomes and their covariates: the rows that are used.
        rejected: The rows that are not.
        ignored: Columns that are not used, each with the reason.
        encoding: Encoding of the file.
        delimiter: Character between its fields.
        formats: How numbers, or yes and no, are written, by column; digits alone are left out.
    """

    file: str
    rows_read: int
    outcomes: tuple[str, ...]
    binary: tuple[str, ...]
    table: pd.DataFrame
    rejected: tuple[RejectedRow, ...]
    ignored: dict[str, str]
    encoding: str
    delimiter: str
    formats: dict[str, str]

    @property
    def sizes(self) -> dict[str, int]:
        """Number of customers used, by offer, control included."""
        return dict(sorted(Counter(self.table["offer_id"]).items()))

    def message(self, rejected: RejectedRow) -> str:
        """The message for a rejected row: where it is and what to do."""
        return str(BadInputError(rejected.problem, self.file, rejected.line, rejected.column, rejected.value, rejected.remedy))


def read(path: Path, *, known: Collection[int] | None = None, written: FileFormat | None = None) -> OutcomesFile:
    """Read and check a file of outcomes.

    Args:
        path: The CSV.
        known: Customers that exist; None: not checked.
        written: How the file is written, as far as that is known, see `Settings.formats`.

    Raises:
        BadInputError: If the file is missing, empty, lacks a column, has one twice, has no outcome, no row that can be
            used, no control, or only controls; if its numbers can be read in two ways.
    """
    written = written or FileFormat()
    keys = _layout([(name, name) for name in KEYS])
    with unchanged(path), tempfile.TemporaryDirectory() as scratch:
        try:
            seen = inspect(path, keys, Path(scratch), encoding=written.encoding, delimiter=written.delimiter)
        except HeaderError as error:
            raise outcomes_csv_header.foreign(error.columns, path) from error
        facts = seen.facts
        outcomes_csv_header.check(facts.header, path)
        columns = [(f"c{i}", header) for i, header in enumerate(facts.header)]  # a header may be any text
        texts = all_rows(seen, _layout(columns), Path(scratch))[0].sort("line").collect()
    if texts.is_empty():
        raise BadInputError("the file has a header but no rows", file=str(path), remedy="export it again")
    cells = pl.col([name for name, _ in columns]).str.strip_chars(BLANKS + INVISIBLE)
    texts = texts.with_columns(pl.when(~cells.is_in(["", *MARKERS])).then(cells))
    used, ignored = usable(texts, columns, written.columns, str(path))
    outcomes = tuple(h for h in used if h not in KEYS and not is_covariate(h, used))
    if not outcomes:
        raise BadInputError(
            "there is no outcome: no column other than the keys holds numbers, or yes and no",
            file=str(path),
            line=1,
            value=", ".join(facts.header),
            remedy="add a numeric column for every outcome, for example revenue, and revenue_before beside it",
        )
    good, rejected = split(texts, used, outcomes, known)
    binary = tuple(h for h in outcomes if used[h].words or h == DECLINED or {*good[h].unique()} == {0.0, 1.0})
    campaign = OutcomesFile(
        file=str(path),
        rows_read=len(texts),
        outcomes=outcomes,
        binary=binary,
        table=good.to_pandas(),
        rejected=rejected,
        ignored=ignored,
        encoding=facts.encoding,
        delimiter=facts.delimiter,
        formats={h: str(reading) for h, reading in used.items() if reading.words or any(reading.format.marks)},
    )
    _check_arms(campaign)
    return campaign


def _layout(columns: list[tuple[str, str]]) -> Table:
    """Columns (name, header) of texts, as the raw stage takes them."""
    return Table(
        "outcomes", "campaigns", "", tuple(Column(name, "str", "", header=header) for name, header in columns), file="campaign"
    )


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
