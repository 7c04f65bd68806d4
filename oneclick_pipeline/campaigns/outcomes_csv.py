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
from oneclick_pipeline.campaigns.outcomes_csv_offers import CONTROL, spellings
from oneclick_pipeline.campaigns.outcomes_csv_rules import DECLINED, RejectedRow, as_delivered, split
from oneclick_pipeline.contracts.schema import Column, Table
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.formats import FileFormat
from oneclick_pipeline.raw.export import all_rows, unchanged
from oneclick_pipeline.raw.facts import inspect
from oneclick_pipeline.raw.header import HeaderError
from oneclick_pipeline.raw.letters import BLANKS, INVISIBLE
from oneclick_pipeline.raw.missing import MARKERS

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    import pandas as pd

    from oneclick_pipeline.raw.facts import FileFacts


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
        corrected: Headers and offers that were delivered in another spelling -> how they are read.
        set_aside: Lines that are no rows, by kind.
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
    corrected: dict[str, str]
    set_aside: dict[str, int]

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
    with unchanged(path), tempfile.TemporaryDirectory() as scratch:
        delivered, facts, spelt = _delivered(path, written, Path(scratch))
    columns = [(f"c{i}", spelt.get(header, header)) for i, header in enumerate(facts.header)]
    _check_rows(delivered, str(path))
    cells = pl.col([name for name, _ in columns]).str.strip_chars(BLANKS + INVISIBLE)
    texts = delivered.with_columns(pl.when(~cells.is_in(["", *MARKERS])).then(cells))
    empty = texts.select(pl.any_horizontal(pl.col([name for name, _ in columns]).is_null())).to_series()
    delivered = delivered.filter(empty)
    offer = next(name for name, header in columns if header == "offer_id")
    offers = spellings(texts[offer])
    texts = texts.with_columns(pl.col(offer).replace(offers)) if offers else texts
    used, ignored = usable(texts, columns, written.columns, str(path))
    outcomes = tuple(h for h in used if h not in KEYS and not is_covariate(h, used))
    if not outcomes:
        raise BadInputError(
            "there is no outcome: no column other than the keys holds numbers, or yes and no" + _first_text(texts, columns),
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
        rejected=as_delivered(rejected, delivered, columns),
        ignored=ignored,
        encoding=facts.encoding,
        delimiter=facts.delimiter,
        formats={h: str(reading) for h, reading in used.items() if reading.words or any(reading.format.marks)},
        corrected=facts.misspelt_headers | spelt | offers,
        set_aside={kind: count for kind, (count, _) in facts.set_aside.items()},
    )
    _check_arms(campaign)
    return campaign


def _delivered(path: Path, written: FileFormat, scratch: Path) -> tuple[pl.DataFrame, FileFacts, dict[str, str]]:
    """The rows as texts under c0, c1 and so on, since a header may be any text; the facts; headers in another spelling."""
    try:
        seen = inspect(path, _layout(KEYS, KEYS), scratch, encoding=written.encoding, delimiter=written.delimiter)
    except HeaderError as error:
        raise outcomes_csv_header.foreign(error.columns, path) from error
    headers = seen.facts.header
    spelt = outcomes_csv_header.mended(headers)
    outcomes_csv_header.check([spelt.get(header, header) for header in headers], path)
    rows, facts = all_rows(seen, _layout([f"c{i}" for i in range(len(headers))], headers), scratch)
    return rows.sort("line").collect(), facts, spelt


def _layout(names: Sequence[str], headers: Sequence[str]) -> Table:
    """Columns of texts, as the raw stage takes them."""
    columns = tuple(Column(name, "str", "", header=header) for name, header in zip(names, headers, strict=True))
    return Table("outcomes", "campaigns", "", columns, file="campaign")


def _check_rows(texts: pl.DataFrame, file: str) -> None:
    """Refuse a file without a row that could be split."""
    if texts.is_empty():
        raise BadInputError("the file has a header but no rows", file=file, remedy="export it again")
    if not texts["problem"].has_nulls():
        first = texts.row(0, named=True)
        remedy = "write as many fields on every line as in the header, and values that hold the delimiter in quotes"
        raise _none_of(len(texts), file, RejectedRow(first["line"], None, first["excerpt"], first["problem"], remedy))


def _none_of(rows: int, file: str, first: RejectedRow) -> BadInputError:
    """The error for a file whose rows are all rejected."""
    problem = f"none of the {rows:,} rows can be used; of the first: {first.problem}"
    return BadInputError(problem, file, first.line, first.column, first.value, first.remedy)


def _first_text(texts: pl.DataFrame, columns: list[tuple[str, str]]) -> str:
    """What the first column that could be an outcome holds instead."""
    for name, header in columns:
        if header and header not in KEYS and texts[name].count():
            return f" («{header}» holds {texts[name].drop_nulls()[0]!r})"
    return ""


def _check_arms(campaign: OutcomesFile) -> None:
    """Refuse a campaign in which nothing can be compared."""
    if campaign.table.empty:
        raise _none_of(campaign.rows_read, campaign.file, campaign.rejected[0])
    sizes = campaign.sizes
    if CONTROL not in sizes or len(sizes) == 1:
        without = [row for row in campaign.rejected if row.column == "offer_id"]
        left_out = (
            f"; {len(without):,} rows name no offer, the first (line {without[0].line}) has {without[0].value!r}"
            if without
            else ""
        )
        raise BadInputError(
            ("there is no control to compare with" if CONTROL not in sizes else "there are only controls") + left_out,
            file=campaign.file,
            column="offer_id",
            value=", ".join(list(sizes)[:10]),
            remedy=f"mark customers who were deliberately left without an offer as `{CONTROL}`, the others with the name of "
            "their offer",
        )
