"""Where every column of the wide table and of the scores comes from: which file and column, by which rule.

Derived from the contracts as far as possible; the rest is stated here, once, for the pages and the docs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from oneclick_pipeline.contracts.customers import CUSTOMER_FEATURES, FEATURE_NAMES
from oneclick_pipeline.contracts.exports import (
    CUSTOMERS,
    PERIODS_OF_MINUTES,
    PERIODS_OF_REVENUE,
    PROFIT,
    REVENUE,
    SITE_MINUTES,
    SOURCES,
)
from oneclick_pipeline.contracts.scores import CUSTOMER_SCORES
from oneclick_pipeline.contracts.tables import TABLES

if TYPE_CHECKING:
    from oneclick_pipeline.contracts.schema import Column, Table


@dataclass(frozen=True)
class Origin:
    """Where a column comes from.

    Attributes:
        column: Its name.
        sources: Tables with their columns that it is made of; empty where it is made of none.
        rule: How.
    """

    column: str
    sources: tuple[tuple[str, str], ...]
    rule: str

    @property
    def exports(self) -> str:
        """Files and columns of the export behind it, as `file.csv «Header»`."""
        rest = self.sources
        if set(rest) >= set(_SEEN):
            rest = tuple(source for source in rest if source not in _SEEN)
        places = dict.fromkeys(place for table, column in rest for place in _exports(table, column))
        return ", ".join([*(["all features"] if rest != self.sources else []), *places])


def _exports(table: str, column: str) -> list[str]:
    """The columns of the exports behind a column of a table."""
    if TABLES[table].file:
        return [f"{TABLES[table].file}.csv «{TABLES[table][column].header}»"]
    return [place for t, c in _BY_TABLE[table][column].sources for place in _exports(t, c)]


def _same_column(column: Column, table: Table) -> Origin:
    """A column that the wide table takes over from a clean one."""
    rule = "as delivered"
    if column.values:
        rule = "; ".join(f"«{text}» is {str(value).lower()}" for text, value in column.values.items())
        rule += "; near misses of the spelling are repaired"
    elif column.known:
        rule = "as delivered; near misses of the known spellings are repaired"
    elif column.rule:
        rule += f"; the row is quarantined unless it is {column.rule}"
    return Origin(column.name, ((table.name, column.name),), rule)


def _pivoted(table: Table, value: str, periods: dict[str, str | bool]) -> list[Origin]:
    """Columns that were rows of a long table, one per period."""
    repaired = "; a value far above all others in the period is replaced by their median"
    return [
        Origin(
            f"{value}_{period}",
            ((table.name, value), (table.name, "period")),
            f"the row of «{text}»" + (repaired if table[value].repairable else ""),
        )
        for text, period in periods.items()
    ]


_MONTHS = tuple(("customer_features", f"revenue_{period}") for period in PERIODS_OF_REVENUE.values())
_IDS = tuple((source.name, "customer_id") for source in SOURCES)
_SEEN = tuple(("customer_features", name) for name in FEATURE_NAMES)
_REASON = "the feature with the {} absolute contribution to the log-odds, by the effects of the registered model"

FEATURES_FROM: tuple[Origin, ...] = (
    Origin("customer_id", _IDS, "every customer number in any of the four files"),
    *(_same_column(c, CUSTOMERS) for c in CUSTOMERS.columns[1:]),
    *_pivoted(REVENUE, "revenue", PERIODS_OF_REVENUE),
    *_pivoted(SITE_MINUTES, "minutes", PERIODS_OF_MINUTES),
    _same_column(PROFIT["profit"], PROFIT),
    Origin("regular", _MONTHS, "true where the customer is in market_file and revenue is above 0 in all three months"),
    Origin("regular_reason", _MONTHS, "the first condition of `regular` that does not hold"),
    Origin("missing_from", _IDS, "the files without a valid row for the customer"),
)
SCORES_FROM: tuple[Origin, ...] = (
    Origin("customer_id", (("customer_features", "customer_id"),), "every customer"),
    Origin(
        "p_decline",
        _SEEN,
        "the champion's calibrated probability; out of fold where the customer's own row was used for training",
    ),
    Origin("score_basis", (), "which kind of probability it is; not_scored if the customer is missing from market_file"),
    Origin("meaning", (), "recognition where the registered model was trained on the classes of its features' own months"),
    Origin("regular", (("customer_features", "regular"),), "as in customer_features"),
    Origin("profit", (("customer_features", "profit"),), "as in customer_features"),
    Origin(
        "value_at_risk",
        (*_SEEN, ("customer_features", "profit")),
        "p_decline x profit x value.horizon_months; 0 where the profit is negative",
    ),
    Origin("model_name", (), "of the registered model that made the score"),
    Origin("model_version", (), "of the registered model that made the score"),
    *(
        origin
        for k, which in ((1, "largest"), (2, "second largest"), (3, "third largest"))
        for origin in (
            Origin(f"reason_{k}", _SEEN, _REASON.format(which)),
            Origin(f"reason_{k}_effect", _SEEN, "its contribution relative to the mean customer, log-odds"),
            Origin(f"reason_{k}_ru", _SEEN, "the same in Russian words"),
            Origin(f"reason_{k}_en", _SEEN, "the same in English words"),
        )
    ),
)
ORIGINS = {CUSTOMER_FEATURES.name: FEATURES_FROM, CUSTOMER_SCORES.name: SCORES_FROM}
"""Origins by table, in the order of its columns."""

_BY_TABLE = {table: {origin.column: origin for origin in found} for table, found in ORIGINS.items()}


def rows(table: str) -> list[tuple[str, str, str]]:
    """Column, files and columns of the export, rule; of every column of a table that `ORIGINS` holds."""
    return [(f"`{origin.column}`", origin.exports or "–", origin.rule) for origin in ORIGINS[table]]
