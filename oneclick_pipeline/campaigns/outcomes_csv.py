"""Outcomes of a campaign that was run elsewhere: a CSV with a row a customer.

The columns are `customer_id`, `offer_id` (`control` for who got nothing on purpose), any number of numeric outcomes
and, named `<outcome>_before`, what each of them was before the campaign. Delimiter, encoding and decimal mark are
found out as for the exports of the store. A row that breaks a rule is named and left out; the others count.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import narwhals as nw
import numpy as np

from oneclick_pipeline.campaigns.effects import Effect, estimate, significant
from oneclick_pipeline.contracts.schema import Column, Table
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.raw.encoding import of_content
from oneclick_pipeline.raw.export import unchanged
from oneclick_pipeline.raw.facts import FileFacts, inspect
from oneclick_pipeline.raw.header import split_header
from oneclick_pipeline.raw.lines import first_line
from oneclick_pipeline.raw.numbers import NUMBER, number
from oneclick_pipeline.raw.splitting import split_lines
from oneclick_pipeline.terminal import plain

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    import pandas as pd
    import polars as pl
    from rich.console import Group

    from oneclick_pipeline.settings import Campaigns

CONTROL = "control"
BEFORE = "_before"
KEYS = ("customer_id", "offer_id")

_CUSTOMER = r"^[+]?[0-9]{1,18}$"
_LARGEST = 1e15  # beyond it a float no longer holds every whole number, and its square loses what is added
_LONGEST_OFFER = 200


@dataclass(frozen=True)
class Rejected:
    """A row that is left out.

    Attributes:
        line: Line of the file, the header being line 1.
        column: Header of the column, None where the whole line is wrong.
        value: Offending value, as it came.
        problem: What is wrong.
        remedy: What to do.
    """

    line: int
    column: str | None
    value: str
    problem: str
    remedy: str


@dataclass(frozen=True)
class Imported:
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
    rejected: tuple[Rejected, ...]
    ignored: dict[str, str]

    @property
    def sizes(self) -> dict[str, int]:
        """How many customers are used, by offer, control included."""
        return dict(sorted(Counter(self.table["offer_id"]).items()))

    def message(self, rejected: Rejected) -> str:
        """A rejected row, with where it stands and what to do."""
        return str(BadInputError(rejected.problem, self.file, rejected.line, rejected.column, rejected.value, rejected.remedy))


def read(path: Path, *, known: Collection[int] | None = None) -> Imported:
    """Read and judge a file of outcomes.

    Args:
        path: The CSV.
        known: Customers that exist; None: not checked.

    Raises:
        BadInputError: If the file is missing, empty, lacks a column, has one twice, has no outcome, no row that can be
            used, no control, or nobody but controls.
    """
    import polars as pl

    keys = _layout([(name, name) for name in KEYS])
    with unchanged(path), tempfile.TemporaryDirectory() as scratch:
        facts = _with_encoding(inspect(path, keys)[0], path)
        _check_header(facts.header, path)
        columns = [(f"c{i}", header) for i, header in enumerate(facts.header)]  # a header may be any text
        texts = split_lines(path, _layout(columns), replace(facts, rewritten=True), {}, Path(scratch)).collect()
    if texts.is_empty():
        raise BadInputError("the file has a header and no rows", file=str(path), remedy="export it again")
    texts = texts.with_columns(pl.col([name for name, _ in columns]).str.strip_chars().replace("", None))
    used, ignored = _usable(texts, columns)
    outcomes = tuple(h for h in used if h not in KEYS and not _is_covariate(h, used))
    if not outcomes:
        raise BadInputError(
            "there is no outcome: no column but the keys holds numbers",
            file=str(path),
            line=1,
            value=", ".join(facts.header),
            remedy="add a numeric column for every outcome, for example revenue, and revenue_before beside it",
        )
    named = texts.select("line", "problem", "excerpt", *(pl.col(used[h]).alias(f"={h}") for h in used))
    good, rejected = _judge(named, outcomes, [h for h in used if _is_covariate(h, used)], known)
    found = Imported(str(path), len(texts), outcomes, good.to_pandas(), rejected, ignored)
    _check_arms(found)
    return found


def estimates(campaign: Imported, settings: Campaigns, ratios: Mapping[str, float] | None = None) -> pd.DataFrame:
    """Effect of every offer on every outcome against the controls, estimated as the pipeline's own campaigns are.

    Args:
        campaign: What was read.
        settings: How effects are measured.
        ratios: Offer -> how many customers were meant to get it for every control; offers that are not named are not
            checked for a broken split.

    Returns:
        offer_id, outcome, adjusted (whether there is a covariate), the fields of `effects.Effect`, significant:
        a row an offer and outcome. `significant` allows for the number of offers, outcome by outcome.

    Raises:
        BadInputError: If `ratios` names an offer that is not in the file, or a ratio is not above 0.
    """
    import pandas as pd

    offers = [offer for offer in campaign.sizes if offer != CONTROL]
    ratios = ratios or {}
    for offer, ratio in ratios.items():
        if offer not in offers or not 0 < ratio < np.inf:
            raise BadInputError(
                f"the ratio {offer}={ratio:g} cannot be used",
                file=campaign.file,
                remedy=f"name one of the offers {', '.join(offers)} and a number above 0",
            )
    arms = campaign.table["offer_id"].to_numpy()
    rows = []
    for offer in offers:
        here = (arms == offer) | (arms == CONTROL)
        share = ratios[offer] / (1 + ratios[offer]) if offer in ratios else None
        for outcome in campaign.outcomes:
            adjusted = outcome + BEFORE in campaign.table
            found = estimate(
                campaign.table[outcome].to_numpy()[here],
                arms[here] == offer,
                campaign.table[[outcome + BEFORE]].to_numpy()[here] if adjusted else None,
                settings=settings,
                expected_share=share,
            )
            rows.append({"offer_id": offer, "outcome": outcome, "adjusted": adjusted, **asdict(found)})
    numbers = [field.name for field in fields(Effect) if field.name not in {"offered", "controls", "status"}]
    table = pd.DataFrame(rows).astype(dict.fromkeys(numbers, float))
    return table.assign(significant=significant(table.assign(campaigns=campaign.file), settings))


def _layout(columns: list[tuple[str, str]]) -> Table:
    """Columns (name, header) of texts, as the raw stage takes them."""
    return Table("outcomes", "campaigns", "", tuple(Column(name, "str", "", header=header) for name, header in columns))


def _with_encoding(facts: FileFacts, path: Path) -> FileFacts:
    """The facts under the encoding of the content: the keys in the header are ASCII and do not reveal it."""
    encoding = of_content(path)
    if encoding == facts.encoding:
        return facts
    header = split_header(first_line(path), encoding, facts.delimiter) or ()
    return replace(facts, encoding=encoding, header=header, rewritten=True)


def _is_covariate(header: str, columns: Collection[str]) -> bool:
    """Whether the column is what another was before."""
    return header.endswith(BEFORE) and header.removesuffix(BEFORE) in columns


def _check_header(header: tuple[str, ...], path: Path) -> None:
    """Refuse headers that can be read in two ways."""
    for column, times in Counter(header).items():
        if times > 1 and column:
            raise BadInputError("the column stands twice", file=str(path), line=1, column=column, remedy="remove one of them")
    for column in header:
        if column.endswith(BEFORE) and not _is_covariate(column, header):
            raise BadInputError(
                f"there is no outcome «{column.removesuffix(BEFORE)}» that this could be the past of",
                file=str(path),
                line=1,
                column=column,
                remedy="add the outcome, or give the column another name",
            )


def _usable(texts: pl.DataFrame, columns: list[tuple[str, str]]) -> tuple[dict[str, str], dict[str, str]]:
    """Header -> name of the columns that are used, header -> reason of those that are not.

    A column in which fewer than half of the values are numbers is text; its rows are not to blame.
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
            ignored[header] = "the column holds text, no numbers"
        else:
            used[header] = name
    for header in [h for h in used if h.endswith(BEFORE) and h.removesuffix(BEFORE) not in used]:
        ignored[header] = "its outcome is not used"
        del used[header]
    return used, ignored


def _judge(
    texts: pl.DataFrame, outcomes: tuple[str, ...], covariates: list[str], known: Collection[int] | None
) -> tuple[pl.DataFrame, tuple[Rejected, ...]]:
    """Split rows into those that keep all rules, as numbers, and those that break one: the first rule each breaks.

    Args:
        texts: line, problem, excerpt, and the used columns as texts, their headers behind a `=`.
        outcomes: Headers of outcomes; an empty one breaks a rule, since who did nothing has 0 and not nothing.
        covariates: Headers of covariates, which may be empty.
        known: Customers that exist.
    """
    import polars as pl

    customer, offer = pl.col("=customer_id"), pl.col("=offer_id")
    customer_id = pl.when(customer.str.contains(_CUSTOMER)).then(customer).cast(pl.Int64)
    arm = pl.when(offer.str.to_lowercase() == CONTROL).then(pl.lit(CONTROL)).otherwise(offer)
    values = [number(nw.col(f"={h}")).alias(f"#{h}") for h in (*outcomes, *covariates)]
    rows = (
        nw.from_native(texts)
        .with_columns(values)
        .to_native()
        .with_columns(customer_id.alias("customer_id"), arm.alias("offer_id"))
    )
    rows = rows.with_columns(pl.len().over("customer_id").alias("times"))
    whole = pl.col("problem").is_null()
    rules: list[tuple[str | None, pl.Expr, str, str]] = [
        (
            "customer_id",
            pl.col("customer_id").is_null(),
            "is no customer number",
            "write the store's whole number of the customer",
        ),
        ("offer_id", offer.is_null(), "the offer is missing", f"write the offer, or `{CONTROL}` for who got nothing on purpose"),
        ("offer_id", offer.str.len_chars() > _LONGEST_OFFER, "is too long for an offer", "write the offer's identifier"),
        (
            "customer_id",
            pl.col("times") > 1,
            "the customer stands on several lines, and nobody can know which counts",
            "leave one line of the customer",
        ),
    ]
    if known is not None:
        exists = pl.col("customer_id").is_in(pl.Series(list(known), dtype=pl.Int64).implode())
        rules.append(("customer_id", ~exists, "the customer is unknown", "check the number, or leave the customer out"))
    for header in (*outcomes, *covariates):
        cell, value = pl.col(f"={header}"), pl.col(f"#{header}")
        if header in outcomes:
            rules.append((header, cell.is_null(), "the outcome is missing", "write 0 for who did nothing; nobody may drop out"))
        rules += [
            (
                header,
                cell.is_not_null() & value.is_null(),
                "is no number",
                "write digits, with a point or comma before the fraction",
            ),
            (header, value.abs() > _LARGEST, "is no possible value", f"write a number of at most {_LARGEST:g} either way"),
        ]
        if header == "declined":
            rules.append((header, ~value.is_in([0.0, 1.0]), "is neither 0 nor 1", "write 1 for declined, 0 for stable"))
    broken: Any = pl.when(~whole).then(-1)  # a chain has another type than its first link
    for i, (_, fails, _, _) in enumerate(rules):
        broken = broken.when(fails.fill_null(value=False)).then(i)
    rows = rows.with_columns(broken.otherwise(None).cast(pl.Int32).alias("broken"))
    good = rows.filter(pl.col("broken").is_null())
    rejected = []
    for row in rows.filter(pl.col("broken").is_not_null()).iter_rows(named=True):
        if row["broken"] < 0:
            rejected.append(Rejected(row["line"], None, row["excerpt"], row["problem"], "fix the line"))
            continue
        column, _, problem, remedy = rules[row["broken"]]
        rejected.append(Rejected(row["line"], column, row[f"={column}"] or "", problem, remedy))
    renamed = [pl.col(f"#{h}").alias(h) for h in (*outcomes, *covariates)]
    return good.select("customer_id", "offer_id", *renamed), tuple(rejected)


def _check_arms(found: Imported) -> None:
    """Refuse a campaign in which nothing can be compared."""
    if found.table.empty:
        raise BadInputError(
            f"none of the {found.rows_read} rows can be used; the first: {found.message(found.rejected[0])}",
            remedy="mend the file and import it again",
        )
    sizes = found.sizes
    if CONTROL not in sizes or len(sizes) == 1:
        raise BadInputError(
            "there is no control to compare with" if CONTROL not in sizes else "there is nobody but controls",
            file=found.file,
            column="offer_id",
            value=", ".join(list(sizes)[:10]),
            remedy=f"mark who got nothing on purpose as `{CONTROL}`, and who got an offer with its name",
        )


def messages(campaign: Imported, most: int = 20) -> list[str]:
    """One message a rejected row, the first ones, and how many there are in all."""
    told = [campaign.message(row) for row in campaign.rejected[:most]]
    rest = len(campaign.rejected) - most
    return [*told, f"and {rest:,} more; --json lists them all"] if rest > 0 else told


def render(campaign: Imported, table: pd.DataFrame) -> Group:
    """The effects as a table for a terminal, below what was read."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Group
    from rich.table import Table as Grid
    from rich.text import Text

    facts = Text(
        f"{campaign.rows_read:,} rows read: {len(campaign.table):,} used, {len(campaign.rejected):,} left out\n"
        f"Customers: {', '.join(f'{plain(offer)} {size:,}' for offer, size in campaign.sizes.items())}\n" + _split(table)
    )
    grid = Grid(box=SIMPLE_HEAD, header_style="bold", padding=(0, 1, 0, 0))
    for name in ("Offer", "Outcome"):
        grid.add_column(name, overflow="fold")
    for name in ("Controls", "Effect", "95 % interval", "p"):
        grid.add_column(name, justify="right", no_wrap=True)
    grid.add_column("", overflow="fold")
    for row in table.to_dict("records"):
        measured = row["status"] == "measured"
        grid.add_row(
            Text(plain(row["offer_id"])),
            Text(plain(row["outcome"]) + ("*" if row["adjusted"] else "")),
            f"{row['mean_controls']:.4g}" if _given(row["mean_controls"]) else "–",
            f"{row['effect']:+.4g}" if measured else "–",
            f"{row['effect_low']:+.4g} … {row['effect_high']:+.4g}" if measured else "–",
            f"{row['p_value']:.3f}" if measured else "–",
            Text(_verdict(row)),
        )
    note = Text(
        "Effect: offer minus control; * adjusted for what it was before (CUPED). Within chance, allowing for the number of\n"
        "offers, or too few customers; shows: the smallest effect that so many would show.",
        "dim",
    )
    return Group(facts, grid, note)


def _split(table: pd.DataFrame) -> str:
    """The sample-ratio check in one line."""
    checks = table.drop_duplicates("offer_id")
    told = []
    for row in checks.to_dict("records"):
        if not _given(row["sample_ratio_p"]):
            told.append(f"{plain(row['offer_id'])} not checked (give --ratio)")
        else:
            verdict = "BROKEN" if row["status"] == "sample_ratio_mismatch" else "as meant"
            told.append(f"{plain(row['offer_id'])} {verdict}, p = {row['sample_ratio_p']:.2g}")
    return f"Split: {'; '.join(told)}"


def _verdict(row: Mapping[Any, Any]) -> str:
    """What an effect says, in words that fit a terminal."""
    if row["status"] == "sample_ratio_mismatch":
        return "split broken"
    if row["status"] == "measured" and row["significant"]:
        return "beyond chance"
    seen = f", shows {row['detectable_effect']:.2g}" if _given(row["detectable_effect"]) else ""
    return ("within chance" if row["status"] == "measured" else "too few") + seen


def _given(value: float) -> bool:
    """Whether there is a figure."""
    return not np.isnan(value)


def as_json(campaign: Imported, table: pd.DataFrame) -> dict[str, Any]:
    """All that is known of an imported campaign, ready for JSON."""
    records: list[dict[str, Any]] = [
        {str(k): None if isinstance(v, float) and np.isnan(v) else v for k, v in row.items()} for row in table.to_dict("records")
    ]
    return {
        "file": campaign.file,
        "rows_read": campaign.rows_read,
        "rows_used": len(campaign.table),
        "rows_rejected": len(campaign.rejected),
        "sizes": campaign.sizes,
        "ignored_columns": campaign.ignored,
        "effects": records,
        "rejected": [asdict(row) for row in campaign.rejected],
    }
