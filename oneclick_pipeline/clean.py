"""Stage clean: texts become typed tables that keep their contract; what does not is quarantined.

Every rule comes from `tables`: the type, range and vocabulary of each column. A row that breaks one goes to
`rejected_rows` with the file, line, column, value and rule; a value that can be mended safely is mended and
listed in `corrections`: a misspelt word of a vocabulary, an exact copy of a row, a revenue that is an error
by a robust rule. So, for every file: rows read = clean rows + rejected rows + exact copies.

Most rows have nothing to them. Where the engine can (Polars), every row is first read the cheap way (`_quick`):
numbers by the engine's own parser, words by looking them up among those of the first rows. Whatever is not
beyond doubt so is read again with care (`_careful`), as all rows are elsewhere: the outcome is the same.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from functools import reduce
from operator import add, or_
from typing import TYPE_CHECKING, Any

import narwhals as nw

from oneclick_pipeline.contracts.clean import CORRECTIONS, REJECTED_ROWS
from oneclick_pipeline.engine.files import dtype, stands_twice

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    import polars as pl

    from oneclick_pipeline.contracts.schema import Column, Table
    from oneclick_pipeline.settings import Cleaning

    Compute = Callable[[nw.LazyFrame], nw.LazyFrame]
    Words = Mapping[str, Mapping[Any, tuple[str, str]]]  # by column and key: the text and its right spelling

_INTEGER = r"^[+-]?0*[0-9]{1,18}(?:[.,]0+)?$"
_NUMBER = r"^[+-]?(?:[0-9]+(?:[.,][0-9]*)?|[.,][0-9]+)(?:[eE][+-]?[0-9]+)?$"
_INTEGERS_END = 10**18  # of 18 digits, so that every engine holds them
_FIRST_ROWS = 20_000
_SHORTEST_REPAIR = 6  # in shorter words one letter may be the whole difference: «да», «на»
_MAD_TO_SD = 1.4826  # a normal distribution's standard deviation in median absolute deviations
_LARGEST_LOG = math.log(sys.float_info.max)
_VALUE_CHARACTERS = 200
# Unicode's white space: left to themselves, engines differ in what is a blank.
_BLANKS = "\t\n\v\f\r \x85\xa0\u1680" + "".join(map(chr, range(0x2000, 0x200B))) + "\u2028\u2029\u202f\u205f\u3000"

CONFLICT = "another row has the same key and different values"


@dataclass(frozen=True)
class Cleaned:
    """One export, cleaned.

    Attributes:
        table: Clean table, columns of its contract; words may be categories.
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
    stripped = raw.with_columns(nw.col(c.name).str.strip_chars(_BLANKS) for c in table.columns)
    return stripped.with_columns(nw.when(nw.col(c.name) != "").then(nw.col(c.name)).alias(c.name) for c in table.columns)


def _is_word(column: Column) -> bool:
    """Whether the column has a vocabulary."""
    return bool(column.values or column.known)


def _spellings(texts: nw.LazyFrame, column: Column) -> dict[str, str]:
    """Every different text of a vocabulary column -> its right spelling; words nobody knows are left out."""
    found = texts.select(column.name).unique().collect()[column.name].drop_nulls().to_list()
    words = list(column.values) or list(column.known)
    right = {text: text if text in words else nearest(text, words) for text in sorted(found)}
    if column.known:  # an open vocabulary: a new word is as good as a known one
        return {text: word or text for text, word in right.items()}
    return {text: word for text, word in right.items() if word is not None}


def _chosen(key: nw.Expr, by_key: Mapping[Any, Any], dtype: nw.dtypes.DType) -> nw.Expr:
    """What stands in a dictionary under the key, null where nothing does."""
    if not by_key:
        return nw.lit(None, dtype)
    return key.replace_strict(list(by_key), list(by_key.values()), default=None, return_dtype=dtype)


def _typed(column: Column, spellings: dict[str, str]) -> nw.Expr:
    """The value of the text, null where it has none."""
    text, kind = nw.col(column.name), dtype(column)
    if _is_word(column):
        return _chosen(text, {text: column.values.get(word, word) for text, word in spellings.items()}, kind)
    if column.kind == "str":
        return text
    if column.kind == "int":
        number = nw.when(text.str.contains(_INTEGER)).then(text).str.replace_all(r"^\+|[.,]0+$", "")
    else:
        number = nw.when(text.str.contains(_NUMBER)).then(text).str.replace_all(",", ".", literal=True)
    return number.cast(kind)


def _rules(column: Column) -> list[tuple[str, nw.Expr]]:
    """Rules of a column that a row may break, with what is true where it does.

    The expressions see the texts under the columns' names and the values under `value_<name>`.
    """
    empty, value = nw.col(column.name).is_null(), nw.col(f"value_{column.name}")
    rules = [] if column.nullable else [("is missing", empty)]
    if column.values:
        return [*rules, (f"is not {column.rule}", ~empty & value.is_null())]
    if column.type.is_number:
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
    columns = [nw.col(c.name).cast(dtype(c)) for c in table.columns if c.name != "file"]
    listed = [part.select(nw.lit(file).alias("file"), *columns) for part in parts]
    if not listed:
        nothing = [nw.lit(None, dtype(c)).alias(c.name) for c in table.columns if c.name != "line"]
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


def _misspelt(kept: nw.LazyFrame, table: Table, words: Words) -> list[nw.LazyFrame]:
    """The misspelt words of the rows that are kept, one frame a column; they stand under `word_<name>`."""
    parts = []
    for column in (c for c in table.columns if c.name in words):
        wrong = {key: (text, word) for key, (text, word) in words[column.name].items() if text != word}
        if wrong:
            key = nw.col(f"word_{column.name}")
            parts.append(
                kept.filter(key.is_in(list(wrong))).select(
                    "line",
                    nw.lit(column.header).alias("column"),
                    _chosen(key, {k: text for k, (text, _) in wrong.items()}, nw.String()).alias("old"),
                    _chosen(key, {k: word for k, (_, word) in wrong.items()}, nw.String()).alias("new"),
                    nw.lit("spelling").alias("rule"),
                )
            )
    return parts


def _number(column: Column) -> nw.Expr:
    """The place of a word of a closed vocabulary: engines count and group by numbers much faster than by texts."""
    words = dict.fromkeys(column.values.values())
    return reduce(add, ((nw.col(column.name) == word).cast(nw.Int64) * i for i, word in enumerate(words)))


def _same_keys_possible(good: nw.LazyFrame, table: Table) -> bool:
    """Whether a key stands twice: much cheaper than to list those that do."""
    key = nw.col(table.key[0])  # a customer, and in some tables a word: then one number is made of both
    for name in table.key[1:]:
        key = key * len(table[name].values) + _number(table[name])
    if good.implementation.is_spark_like():
        counts = good.select(key.n_unique().alias("keys"), nw.len().alias("rows")).collect()
        return bool(counts["keys"].item() < counts["rows"].item())
    return stands_twice(good.select(key.alias("key")).collect()["key"].to_numpy())


def _same_keys(good: nw.LazyFrame, table: Table) -> tuple[list[int], list[int]]:
    """Lines to drop among rows whose key stands twice: (exact copies, rows in conflict).

    Of exact copies the first line stays; of rows in conflict none does, since nobody can say which is right.
    """
    if not _same_keys_possible(good, table):
        return [], []
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


def _median(frame: nw.LazyFrame, value: nw.Expr) -> float | None:
    """Median of a value; None where there are no rows."""
    median: float | None = frame.select(value.median().alias("median")).collect()["median"].item()
    return median


def _outlier_limit(values: nw.LazyFrame, column: Column, limit: float) -> tuple[float, float] | None:
    """The value above which one of a period is an error, and the median of the others, which replaces it.

    On the log scale of the positive values, where revenue is near normal: median + `limit` robust standard
    deviations (1.4826 x median absolute deviation; Iglewicz and Hoaglin, 1993). None where there is no scale to judge
    by: no values, or most of them equal.
    """
    value = nw.col(column.name)
    positive = values.filter(value > 0)
    middle = _median(positive, value.log())
    spread = None if middle is None else _median(positive, (value.log() - middle).abs())
    if middle is None or not spread:
        return None
    exponent = middle + limit * _MAD_TO_SD * spread
    if exponent > _LARGEST_LOG:  # no value lies above
        return None
    highest = math.exp(exponent)
    median = _median(values.filter(value <= highest), value)
    return None if median is None else (highest, median)


def _mend_outliers(
    good: nw.LazyFrame, table: Table, column: Column, limit: float, compute: Compute
) -> tuple[nw.LazyFrame, list[nw.LazyFrame]]:
    """Replace errors of a column by their period's median: (the mended frame, the corrections)."""
    value, parts, read = nw.col(column.name), [], good
    for period in dict.fromkeys(table["period"].values.values()):
        found = _outlier_limit(compute(read.filter(nw.col("period") == period).select(value)), column, limit)
        if found is None:
            continue
        highest, median = found
        wrong = (nw.col("period") == period) & (value > highest)
        parts.append(
            read.filter(wrong).select(
                "line",
                nw.lit(column.header).alias("column"),
                nw.col(f"text_{column.name}").alias("old"),
                nw.lit(str(median)).alias("new"),
                nw.lit("outlier").alias("rule"),
            )
        )
        good = good.with_columns(nw.when(wrong).then(nw.lit(median)).otherwise(value).alias(column.name))
    return good, parts


@dataclass(frozen=True)
class _Judged:
    """Rows that were read.

    Attributes:
        frame: Columns line, bad, the values under their names, the texts of repairable columns under `text_<name>`,
            and the words under `word_<name>`: themselves, or numbers that stand for them.
        words: What stands under `word_<name>`.
        bad: Lines of bad rows.
        rejected: What is bad about them, for `rejected_rows`.
    """

    frame: nw.LazyFrame
    words: Words
    bad: list[int]
    rejected: list[nw.LazyFrame]


def _careful(raw: nw.LazyFrame, table: Table, compute: Compute) -> _Judged:
    """Read rows by the rules of the contract, text by text."""
    texts = _texts(raw, table)
    spellings = {c.name: _spellings(texts, c) for c in table.columns if _is_word(c)}
    valued = texts.with_columns(_typed(c, spellings.get(c.name, {})).alias(f"value_{c.name}") for c in table.columns)
    breaks = reduce(or_, (rule for c in table.columns for _, rule in _rules(c)))
    judged = compute(
        valued.select(
            "line",
            (~nw.col("problem").is_null() | breaks).alias("bad"),
            *(nw.col(f"value_{c.name}").alias(c.name) for c in table.columns),
            *(nw.col(c.name).alias(f"text_{c.name}") for c in table.columns if c.repairable),
            *(nw.col(name).alias(f"word_{name}") for name in spellings),
        )
    )
    bad = judged.filter(nw.col("bad")).select("line").collect()["line"].to_list()
    rejected = _broken(compute(valued.filter(nw.col("line").is_in(bad))), table) if bad else []
    words = {name: {text: (text, word) for text, word in right.items()} for name, right in spellings.items()}
    return _Judged(judged, words, bad, rejected)


def _quick_value(column: Column, *, decimal_comma: bool) -> pl.Expr:
    """The number that the engine's own parser reads, null where it reads none."""
    import polars as pl

    text = pl.col(column.name)
    if column.kind == "int":
        return text.cast(pl.Int64, strict=False)
    return (text.str.replace(",", ".", literal=True) if decimal_comma else text).cast(pl.Float64, strict=False)


def _doubts(column: Column) -> list[nw.Expr]:
    """What must not be so for a number or word that was read the cheap way to stand."""
    value = nw.col(column.name)
    if _is_word(column):
        return [nw.col(f"word_{column.name}").is_null()]
    doubts = [value.is_null()]
    if column.kind == "int":
        doubts += [value <= -_INTEGERS_END, value >= _INTEGERS_END]
    else:
        doubts.append(~value.is_finite())
    if column.minimum is not None:
        doubts.append(value < column.minimum)
    if column.maximum is not None:
        doubts.append(value > column.maximum)
    return doubts


def _quick(raw: nw.LazyFrame, table: Table, compute: Compute) -> tuple[_Judged, list[int]] | None:
    """Read rows the cheap way: the good ones that are beyond doubt, and the lines of all others.

    None where the engine has no parser that skips what it cannot read.
    """
    import polars as pl

    native = raw.to_native()
    if not isinstance(native, pl.LazyFrame) or any(c.kind in ("str", "bool") and not _is_word(c) for c in table.columns):
        return None
    first = native.head(_FIRST_ROWS).collect()
    texts = _texts(nw.from_native(first.lazy()), table)
    columns: list[pl.Expr] = []
    words: dict[str, dict[int, tuple[str, str]]] = {}
    for c in table.columns:
        if _is_word(c):
            right = {word: word for word in (*c.values, *c.known)} | _spellings(texts, c)
            words[c.name] = dict(enumerate(right.items()))
            columns.append(_place(c.name, list(right), nullable=c.nullable).alias(f"word_{c.name}"))
        else:
            comma = c.kind == "float" and bool(first[c.name].str.contains(",", literal=True).any())
            columns.append(_quick_value(c, decimal_comma=comma))
            columns += [pl.col(c.name).alias(f"text_{c.name}")] if c.repairable else []
    doubtful = reduce(or_, (doubt.fill_null(value=True) for c in table.columns for doubt in _doubts(c)))
    values = [_meaning(table[name], [word for _, word in known.values()]) for name, known in words.items()]
    read = compute(
        nw.from_native(native.select("line", "problem", *columns).with_columns(values))
        .with_columns((doubtful | ~nw.col("problem").is_null()).alias("bad"))
        .drop("problem")
    )
    doubts = read.filter(nw.col("bad")).select("line").collect()["line"].to_list()
    return _Judged(read.filter(~nw.col("bad")) if doubts else read, words, [], []), doubts


def _place(name: str, texts: list[str], *, nullable: bool) -> pl.Expr:
    """Where a text stands among `texts`, after them if it is an allowed blank; null for any other."""
    import polars as pl

    places = pl.Enum([*texts, ""] if nullable else texts)
    return pl.col(name).cast(places, strict=False).to_physical()


def _meaning(column: Column, words: list[str]) -> pl.Expr:
    """The value of the word at a place; texts as categories, which are cheaper to carry and to write."""
    import polars as pl

    values = [column.values.get(word, word) for word in words]
    meant = pl.Series(values, dtype=pl.Boolean if column.kind == "bool" else pl.Categorical)
    places = pl.col(f"word_{column.name}")
    found = pl.when(places < len(values)).then(places)  # an allowed blank stands after them
    return found.map_batches(meant.gather, return_dtype=meant.dtype, is_elementwise=True).alias(column.name)


def clean(
    raw: nw.LazyFrame, table: Table, settings: Cleaning, compute: Compute = lambda frame: frame.collect().lazy()
) -> Cleaned:
    """Clean one export.

    Args:
        raw: The raw table of the export.
        table: Contract of the clean table.
        settings: Limits.
        compute: Computes a frame once and returns it ready to be read several times: in memory by default;
            runs pass the engine's own.

    Returns:
        The clean table, what was rejected and corrected, and the counts.
    """
    quick = _quick(raw, table, compute)
    if quick is None:
        parts = [_careful(raw, table, compute)]
    else:
        parts, doubts = [quick[0]], quick[1]
        if doubts:
            parts.append(_careful(compute(raw.filter(nw.col("line").is_in(doubts))), table, compute))
    repairable = [c for c in table.columns if c.repairable]
    names = ["line", "bad", *table.names, *(f"text_{c.name}" for c in repairable)]
    types = parts[0].frame.collect_schema()  # words may be categories
    judged = nw.concat([part.frame.select(nw.col(n).cast(types[n]) for n in names) for part in parts])
    rows = int(judged.select(nw.len()).collect().item())
    bad = [line for part in parts for line in part.bad]
    good = judged.filter(~nw.col("bad")) if bad else judged
    copies, conflicts = _same_keys(good, table)
    good = _without(good, copies + conflicts)

    rejected = [frame for part in parts for frame in part.rejected]
    if conflicts:
        rejected.append(_listed(_texts(raw, table), conflicts, table, value="value", rule=CONFLICT))
    corrections = [
        frame for part in parts for frame in _misspelt(_without(part.frame, part.bad + copies + conflicts), table, part.words)
    ]
    if copies:
        corrections.append(_listed(_texts(raw, table), copies, table, value="old", rule="exact_duplicate"))
    for column in repairable:
        good, mended = _mend_outliers(good, table, column, settings.outlier_limit, compute)
        corrections += mended
    return Cleaned(
        table=good.select(table.names),
        rejected=_listing(REJECTED_ROWS, table.file, rejected, judged),
        corrections=_listing(CORRECTIONS, table.file, corrections, judged),
        rows=rows,
        rejected_rows=len(bad) + len(conflicts),
        duplicates=len(copies),
    )
