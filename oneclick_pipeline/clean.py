"""Stage clean: texts become typed tables that keep their contract; what does not is quarantined.

Every rule comes from `tables`: the type, range and vocabulary of each column. A row that breaks one goes to
`rejected_rows` with the file, line, column, value and rule; a value that can be mended safely is mended and
listed in `corrections`: a misspelt word of a vocabulary, an exact copy of a row, a revenue that is an error
by a robust rule. So, for every file: rows read = clean rows + rejected rows + exact copies.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING

import narwhals as nw

from oneclick_pipeline.engine.files import DTYPES
from oneclick_pipeline.tables import CORRECTIONS, REJECTED_ROWS, Column, Table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from oneclick_pipeline.settings import Cleaning

    Compute = Callable[[nw.LazyFrame], nw.LazyFrame]

_INTEGER = r"^[+-]?[0-9]{1,18}(?:[.,]0+)?$"
_NUMBER = r"^[+-]?(?:[0-9]+(?:[.,][0-9]*)?|[.,][0-9]+)(?:[eE][+-]?[0-9]{1,2})?$"
_SHORTEST_REPAIR = 6  # in shorter words one letter may be the whole difference: «да», «на»
_MAD_TO_SD = 1.4826  # a normal distribution's standard deviation in median absolute deviations
_VALUE_CHARACTERS = 200

CONFLICT = "another row has the same key and different values"


@dataclass(frozen=True)
class Cleaned:
    """One export, cleaned.

    Attributes:
        table: Clean table, columns of its contract.
        rejected: Rows for `rejected_rows`.
        corrections: Rows for `corrections`.
        rows: Rows of the export.
        rejected_rows: How many of them were rejected (a row may break several rules).
        duplicates: How many were exact copies.
    """

    table: nw.LazyFrame
    rejected: nw.LazyFrame
    corrections: nw.LazyFrame
    rows: int
    rejected_rows: int
    duplicates: int

    @property
    def rejected_share(self) -> float:
        """Share of the export's rows that were rejected."""
        return self.rejected_rows / self.rows


def nearest(text: str, words: Iterable[str]) -> str | None:
    """The one word that `text` is a misspelling of: itself but for case and spaces, or one edit away.

    >>> nearest("предыдцщий_месяц", ["предыдущий_месяц", "препредыдущий_месяц"])
    'предыдущий_месяц'
    >>> nearest("на", ["да", "нет"]) is None
    True
    """
    from rapidfuzz.distance import OSA

    def plain(word: str) -> str:
        return " ".join(word.casefold().replace("ё", "е").split())

    words = list(words)
    same = [w for w in words if plain(w) == plain(text)]
    if same or len(text) < _SHORTEST_REPAIR:
        return same[0] if same else None
    near = [w for w in words if len(w) >= _SHORTEST_REPAIR and OSA.distance(plain(text), plain(w), score_cutoff=1) <= 1]
    return near[0] if len(near) == 1 else None


def _texts(raw: nw.LazyFrame, table: Table) -> nw.LazyFrame:
    """The raw table with its texts stripped of surrounding blanks; empty ones become null."""
    stripped = raw.with_columns(nw.col(c.name).str.strip_chars() for c in table.columns)
    return stripped.with_columns(nw.when(nw.col(c.name) != "").then(nw.col(c.name)).alias(c.name) for c in table.columns)


def _spellings(texts: nw.LazyFrame, column: Column) -> dict[str, str]:
    """Every different text of a vocabulary column -> its right spelling; words nobody knows are left out."""
    if not (column.values or column.known):
        return {}
    found = texts.select(column.name).unique().collect()[column.name].drop_nulls().to_list()
    words = list(column.values) or list(column.known)
    right = {text: text if text in words else nearest(text, words) for text in sorted(found)}
    if column.known:  # an open vocabulary: a new word is as good as a known one
        return {text: word or text for text, word in right.items()}
    return {text: word for text, word in right.items() if word is not None}


def _typed(column: Column, spellings: dict[str, str]) -> nw.Expr:
    """The value of the text, null where it has none."""
    text, dtype = nw.col(column.name), DTYPES[column.kind]()
    if column.values or column.known:
        values = {text: column.values.get(word, word) for text, word in spellings.items()}
        if not values:
            return nw.lit(None, dtype)
        return text.replace_strict(list(values), list(values.values()), default=None, return_dtype=dtype)
    if column.kind == "str":
        return text
    if column.kind == "int":
        number = nw.when(text.str.contains(_INTEGER)).then(text).str.replace_all(r"[.,]0+$", "")
    else:
        number = nw.when(text.str.contains(_NUMBER)).then(text).str.replace_all(",", ".", literal=True)
    return number.cast(dtype)


def _rules(column: Column) -> list[tuple[str, nw.Expr]]:
    """Rules of a column that a row may break, with what is true where it does.

    The expressions see the texts under the columns' names and the values under `value.<name>`.
    """
    empty, value = nw.col(column.name).is_null(), nw.col(f"value.{column.name}")
    rules = [] if column.nullable else [("is missing", empty)]
    if column.values:
        return [*rules, (f"is not {column.rule}", ~empty & value.is_null())]
    if column.kind in ("int", "float"):
        # 1e400 fits the pattern and is infinite.
        rules.append(
            (f"is no {'integer' if column.kind == 'int' else 'number'}", ~empty & (value.is_null() | ~value.is_finite()))
        )
    if column.minimum is not None:
        rules.append((f"is not {column.rule}", (value < column.minimum).fill_null(value=False)))
    if column.maximum is not None:
        rules.append((f"is not {column.rule}", (value > column.maximum).fill_null(value=False)))
    return rules


def _listing(table: Table, file: str, parts: Iterable[nw.LazyFrame], like: nw.LazyFrame) -> nw.LazyFrame:
    """Parts of `rejected_rows` or `corrections` under one another; an empty one where there are none."""
    columns = [nw.col(c.name).cast(DTYPES[c.kind]()) for c in table.columns if c.name != "file"]
    listed = [part.select(nw.lit(file).alias("file"), *columns) for part in parts]
    if not listed:
        nothing = [nw.lit(None, DTYPES[c.kind]()).alias(c.name) for c in table.columns if c.name != "line"]
        return like.head(0).select("line", *nothing).select(table.names)
    return nw.concat(listed).select(table.names)


def _broken(frame: nw.LazyFrame, table: Table) -> list[nw.LazyFrame]:
    """The rules that rejected rows break, one frame a rule."""
    parts = [
        frame.filter(~nw.col("problem").is_null()).select(
            "line", nw.lit(None, nw.String()).alias("column"), nw.col("excerpt").alias("value"), nw.col("problem").alias("rule")
        )
    ]
    for column in table.columns:
        for rule, breaks in _rules(column):
            found = frame.filter(nw.col("problem").is_null() & breaks)
            value = nw.col(column.name).str.head(_VALUE_CHARACTERS).alias("value")
            parts.append(found.select("line", nw.lit(column.header).alias("column"), value, nw.lit(rule).alias("rule")))
    return parts


def _without(frame: nw.LazyFrame, lines: list[int]) -> nw.LazyFrame:
    """The rows of other lines."""
    return frame.filter(~nw.col("line").is_in(lines)) if lines else frame


def _listed(texts: nw.LazyFrame, lines: list[int], table: Table, *, value: str, rule: str) -> nw.LazyFrame:
    """Whole lines for `rejected_rows` or `corrections`: their key stands for them, in the column `value`."""
    key = table[table.key[0]]
    nothing = nw.lit(None, nw.String())
    header = nw.lit(key.header) if value == "value" else nothing
    return texts.filter(nw.col("line").is_in(lines)).select(
        "line", header.alias("column"), nw.col(key.name).alias(value), nothing.alias("new"), nw.lit(rule).alias("rule")
    )


def _misspelt(kept: nw.LazyFrame, table: Table, spellings: dict[str, dict[str, str]]) -> list[nw.LazyFrame]:
    """The misspelt words of the rows that are kept, one frame a column."""
    parts = []
    for column in table.columns:
        wrong = {text: word for text, word in spellings[column.name].items() if text != word}
        if wrong:
            text = nw.col(column.name)
            parts.append(
                kept.filter(text.is_in(list(wrong))).select(
                    "line",
                    nw.lit(column.header).alias("column"),
                    text.alias("old"),
                    text.replace_strict(list(wrong), list(wrong.values()), default=None, return_dtype=nw.String()).alias("new"),
                    nw.lit("spelling").alias("rule"),
                )
            )
    return parts


def _same_keys(good: nw.LazyFrame, table: Table) -> tuple[list[int], list[int]]:
    """Lines to drop among rows whose key stands twice: (exact copies, rows in conflict).

    Of exact copies the first line stays; of rows in conflict none does, since nobody can say which is right.
    """
    key = list(table.key)
    counts = good.group_by(key).agg(nw.len().alias("rows")).filter(nw.col("rows") > 1).select(key)
    suspects = good.join(counts, on=key, how="semi").sort("line").collect()
    first: dict[tuple[object, ...], int] = {}
    contents: dict[tuple[object, ...], set[tuple[object, ...]]] = {}
    lines: list[tuple[tuple[object, ...], tuple[object, ...], int]] = []
    for row in suspects.select(*table.names, "line").iter_rows(named=True):
        identity = tuple(row[k] for k in key)
        content = tuple(row[n] for n in table.names)
        first.setdefault(identity, row["line"])
        contents.setdefault(identity, set()).add(content)
        lines.append((identity, content, row["line"]))
    conflicts = [line for identity, _, line in lines if len(contents[identity]) > 1]
    copies = [line for identity, _, line in lines if len(contents[identity]) == 1 and line != first[identity]]
    return copies, conflicts


def _outlier_limits(good: nw.LazyFrame, column: Column, limit: float) -> list[tuple[str, float, float]]:
    """For every period: the value above which one is an error, and the median of the others, which replaces it.

    On the log scale of the positive values, where revenue is near normal: median + `limit` robust standard
    deviations (1.4826 x median absolute deviation; Iglewicz and Hoaglin, 1993).
    """
    log = good.filter(nw.col(column.name) > 0).select("period", nw.col(column.name).log().alias("log"))
    middle = log.group_by("period").agg(nw.col("log").median().alias("middle"))
    spread = (
        log.join(middle, on="period", how="inner")
        .with_columns((nw.col("log") - nw.col("middle")).abs().alias("distance"))
        .group_by("period")
        .agg(nw.col("middle").max(), nw.col("distance").median())
    )
    limits = {
        row["period"]: math.exp(row["middle"] + limit * _MAD_TO_SD * row["distance"])
        for row in spread.sort("period").collect().iter_rows(named=True)
        if row["distance"] > 0  # most values are equal: no scale to judge by
    }
    if not limits:
        return []
    right = reduce(or_, ((nw.col("period") == p) & (nw.col(column.name) <= highest) for p, highest in limits.items()))
    medians = good.filter(right).group_by("period").agg(nw.col(column.name).median()).collect()
    return [(p, limits[p], median) for p, median in sorted(medians.select("period", column.name).iter_rows())]


def _mend_outliers(good: nw.LazyFrame, column: Column, limit: float) -> tuple[nw.LazyFrame, list[nw.LazyFrame]]:
    """Replace errors of a column by their period's median: (the mended frame, the corrections)."""
    value, parts = nw.col(column.name), []
    for period, highest, median in _outlier_limits(good, column, limit):
        wrong = (nw.col("period") == period) & (value > highest)
        parts.append(
            good.filter(wrong).select(
                "line",
                nw.lit(column.header).alias("column"),
                nw.col(f"text.{column.name}").alias("old"),
                nw.lit(str(median)).alias("new"),
                nw.lit("outlier").alias("rule"),
            )
        )
        good = good.with_columns(nw.when(wrong).then(nw.lit(median)).otherwise(value).alias(column.name))
    return good, parts


def clean(raw: nw.LazyFrame, table: Table, settings: Cleaning, compute: Compute = lambda frame: frame) -> Cleaned:
    """Clean one export.

    Args:
        raw: The raw table of the export.
        table: Contract of the clean table.
        settings: Limits.
        compute: Computes a frame once and returns it ready to be read several times; lazy engines pass
            one that keeps it in a scratch file.

    Returns:
        The clean table, what was rejected and corrected, and the counts.
    """
    texts = _texts(raw, table)
    spellings = {c.name: _spellings(texts, c) for c in table.columns}
    valued = texts.with_columns(_typed(c, spellings[c.name]).alias(f"value.{c.name}") for c in table.columns)
    breaks = reduce(or_, (rule for c in table.columns for _, rule in _rules(c)))
    repairable = [c for c in table.columns if c.repairable]
    judged = compute(
        valued.select(
            "line",
            (~nw.col("problem").is_null() | breaks).alias("bad"),
            *(nw.col(f"value.{c.name}").alias(c.name) for c in table.columns),
            *(nw.col(c.name).alias(f"text.{c.name}") for c in repairable),
        )
    )
    rows = int(judged.select(nw.len()).collect().item())
    bad = judged.filter(nw.col("bad")).select("line").collect()["line"].to_list()
    good = judged.filter(~nw.col("bad")) if bad else judged
    copies, conflicts = _same_keys(good, table)
    good = _without(good, copies + conflicts)

    rejected = _broken(valued.filter(nw.col("line").is_in(bad)), table) if bad else []
    if conflicts:
        rejected.append(_listed(texts, conflicts, table, value="value", rule=CONFLICT))
    corrections = _misspelt(_without(texts, bad + copies + conflicts), table, spellings)
    if copies:
        corrections.append(_listed(texts, copies, table, value="old", rule="exact_duplicate"))
    for column in repairable:
        good, mended = _mend_outliers(good, column, settings.outlier_limit)
        corrections += mended
    return Cleaned(
        table=good.select(table.names),
        rejected=_listing(REJECTED_ROWS, table.file, rejected, judged),
        corrections=_listing(CORRECTIONS, table.file, corrections, judged),
        rows=rows,
        rejected_rows=len(bad) + len(conflicts),
        duplicates=len(copies),
    )
