"""The contracts: which files come in, which tables go out, and what every column of them is.

This module is the public interface of the data and its dictionary at once. A `Column` says what a value
means (description, unit, feature group, Russian header in the export) and what it must hold (type, range,
vocabulary); `Table.contract` turns the same declaration into the pandera schema that every table passes
before it becomes readable. Paths are declared here too, so that nothing else spells them:

    HOME/raw/<month>/<file>.csv
    HOME/tables/<stage>/<table>/<month>.parquet
    HOME/reports/<month>.html
    HOME/mlflow/  HOME/dagster/
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, Protocol

from oneclick_pipeline.errors import BadInputError

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    import pandas as pd
    import pandera.polars as pa

Kind = Literal["int", "float", "bool", "str"]
Group = Literal["key", "target", "product", "communication", "customer", "site", "purchasing", "value", ""]

STAGES = (
    "raw", "clean", "features", "exploration", "model", "scores", "segments", "campaigns", "offers", "monitoring", "report"
)  # fmt: skip

_MONTH = re.compile(r"(?!0000)[0-9]{4}-(0[1-9]|1[0-2])")  # no calendar has a year 0


def is_month(text: str) -> bool:
    """Whether a text is a snapshot key `YYYY-MM`, in ASCII digits and with nothing around it.

    >>> [is_month(text) for text in ("2026-10", "2026-13", "２０２６-10", "2026-10 ")]
    [True, False, False, False]
    """
    return _MONTH.fullmatch(text) is not None


def is_over(month: str, now: datetime) -> bool:
    """Whether a month has ended; the snapshot of one that has not cannot have come.

    Args:
        month: Snapshot month.
        now: The time, in UTC.
    """
    return month < f"{now.year:04}-{now.month:02}"


def check_month(month: str) -> str:
    """Return `month` if it is a snapshot key `YYYY-MM`.

    Everything that builds a path from a month calls this first, so a month can never climb out of the home.

    Raises:
        BadInputError: If it is not a calendar month.

    >>> check_month("2026-10")
    '2026-10'
    """
    if not is_month(month):
        raise BadInputError(
            f"{month!r} is not a month",
            remedy="write the snapshot month as YYYY-MM, for example 2026-10",
        )
    return month


def add_months(month: str, months: int) -> str:
    """The month so many months later, or earlier where `months` is negative.

    Raises:
        BadInputError: If `month` is not a calendar month, or what comes of it lies outside the years 1 to 9999.

    >>> add_months("2026-10", 3), add_months("2026-01", -1)
    ('2027-01', '2025-12')
    """
    year, number = divmod(int(check_month(month)[:4]) * 12 + int(month[5:]) - 1 + months, 12)
    return check_month(f"{year:04}-{number + 1:02}")


def raw_file(home: Path, month: str, file: str) -> Path:
    """Where the export `file` (for example `market_file`) of a month is delivered."""
    return home / "raw" / check_month(month) / f"{file}.csv"


def table_file(home: Path, table: str, month: str) -> Path:
    """Where the table of a month stands once it is whole."""
    return home / "tables" / TABLES[table].stage / table / f"{check_month(month)}.parquet"


def report_file(home: Path, month: str, language: str = "") -> Path:
    """Where the report of a month stands; one in another language than that of the settings beside it."""
    return home / "reports" / f"{check_month(month)}{language and '.'}{language}.html"


class Columns(Protocol):
    """A table of which columns are looked at one by one: a frame, or a file that is not held whole."""

    def __getitem__(self, name: str, /) -> pd.Series:
        """A column."""
        ...


@dataclass(frozen=True)
class Column:
    """One column of a table: what it means and what it must hold.

    Attributes:
        name: English name, used everywhere after the raw stage.
        kind: Type of the values.
        description: What the value is, for a reader who has never seen the store.
        unit: Unit of measurement, empty where there is none.
        group: Feature group; `key`, `target` and `value` columns never reach a model.
        header: Russian header in the store's export, empty for columns that we compute.
        nullable: Whether a value may be missing.
        minimum: Smallest legal value.
        maximum: Largest legal value.
        values: Closed vocabulary: spelling in the export -> canonical value. A computed column maps
            every value to itself.
        known: Open vocabulary: spellings that near misses are repaired to; other values pass.
        repairable: Whether a robust outlier is replaced by the median of its period.
    """

    name: str
    kind: Kind
    description: str
    unit: str = ""
    group: Group = ""
    header: str = ""
    nullable: bool = False
    minimum: float | None = None
    maximum: float | None = None
    values: dict[str, str | bool] = field(default_factory=dict)
    known: tuple[str, ...] = ()
    repairable: bool = False

    @property
    def promise(self) -> str:
        """What the values of the finished table are: the range, or the words that stand in it."""
        if self.values:
            return "one of " + ", ".join(str(v) for v in dict.fromkeys(self.values.values()))
        return self.rule

    @property
    def rule(self) -> str:
        """What a text of the export must be: the range, or the words that the store uses."""
        if self.values:
            return "one of " + ", ".join(f"«{v}»" for v in self.values)
        if self.minimum is not None and self.maximum is not None:
            return f"between {self.minimum:g} and {self.maximum:g}"
        if self.minimum is not None:
            return f"at least {self.minimum:g}"
        if self.maximum is not None:
            return f"at most {self.maximum:g}"
        return ""


@dataclass(frozen=True)
class Table:
    """One table: its place in the graph, its key, its columns.

    Attributes:
        name: Name of the asset and of the folder.
        stage: Stage (asset group) that makes it.
        description: What one row is.
        columns: Columns in order.
        key: Columns that identify a row; empty where rows have no identity.
        file: Name of the export it is cleaned from, empty for tables that we compute.
    """

    name: str
    stage: str
    description: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    file: str = ""

    def __getitem__(self, name: str) -> Column:
        """Return the column `name`."""
        return next(c for c in self.columns if c.name == name)

    @property
    def names(self) -> list[str]:
        """Column names in order."""
        return [c.name for c in self.columns]

    def contract(self) -> pa.DataFrameSchema:
        """The pandera schema of the table (Polars backend): types, nulls, ranges, vocabulary, column order.

        Uniqueness of the key is not in it: a schema sees one batch of rows at a time, so `engine.validate`
        checks the key over the whole table.
        """
        import pandera.polars as pa  # heavy: only where a table is validated

        dtypes = {"int": int, "float": float, "bool": bool, "str": str}
        columns = {}
        for c in self.columns:
            checks = []
            if c.minimum is not None:
                checks.append(pa.Check.ge(c.minimum))
            if c.maximum is not None:
                checks.append(pa.Check.le(c.maximum))
            if c.values and c.kind == "str":
                checks.append(pa.Check.isin(list(dict.fromkeys(c.values.values()))))
            columns[c.name] = pa.Column(
                dtypes[c.kind],
                checks=checks,
                nullable=c.nullable,
                title=c.header or c.name,
                description=c.description,
                metadata={"unit": c.unit, "group": c.group, "header": c.header},
            )
        return pa.DataFrameSchema(columns, name=self.name, description=self.description, strict=True, ordered=True)


def _same(*values: str) -> dict[str, str | bool]:
    """A closed vocabulary of values that we write ourselves."""
    return {v: v for v in values}


CUSTOMER_ID = Column("customer_id", "int", "The store's number of the customer", group="key", header="id", minimum=0)

PERIODS_OF_REVENUE: dict[str, str | bool] = {
    "текущий_месяц": "m0",
    "предыдущий_месяц": "m1",
    "препредыдущий_месяц": "m2",
}
PERIODS_OF_MINUTES: dict[str, str | bool] = {k: v for k, v in PERIODS_OF_REVENUE.items() if v != "m2"}

CUSTOMERS = Table(
    "customers",
    "clean",
    "One row a customer: who they are and how they behave",
    (
        CUSTOMER_ID,
        Column(
            "activity",
            "str",
            "The store's class of the customer's purchasing activity; empty where the store has not classed them yet",
            group="target",
            header="Покупательская активность",
            nullable=True,
            values={"Снизилась": "declined", "Прежний уровень": "stable"},
        ),
        Column(
            "service_level",
            "str",
            "Level of service the customer pays for",
            group="product",
            header="Тип сервиса",
            values={"стандарт": "standard", "премиум": "premium"},
        ),
        Column(
            "marketing_consent",
            "bool",
            "Whether the customer allows messages about offers",
            group="communication",
            header="Разрешить сообщать",
            values={"да": True, "нет": False},
        ),
        Column(
            "contacts_6m",
            "float",
            "Mean number of marketing contacts a month over the last six months",
            unit="contacts a month",
            group="communication",
            header="Маркет_актив_6_мес",
            minimum=0,
        ),
        Column(
            "contacts_month",
            "int",
            "Marketing contacts in the snapshot month",
            unit="contacts",
            group="communication",
            header="Маркет_актив_тек_мес",
            minimum=0,
        ),
        Column(
            "tenure_days",
            "int",
            "Days since the customer registered",
            unit="days",
            group="customer",
            header="Длительность",
            minimum=0,
        ),
        Column(
            "promo_share",
            "float",
            "Share of purchases made at a discount, mean over the last six months",
            unit="share",
            group="product",
            header="Акционные_покупки",
            minimum=0,
            maximum=1,
        ),
        Column(
            "favourite_category",
            "str",
            "Category bought most often over the last six months; the store may add new ones",
            group="product",
            header="Популярная_категория",
            known=(
                "Домашний текстиль",
                "Косметика и аксессуары",
                "Кухонная посуда",
                "Мелкая бытовая техника и электроника",
                "Техника для красоты и здоровья",
                "Товары для детей",
            ),
        ),
        Column(
            "categories_per_visit",
            "float",
            "Mean number of categories viewed in a visit over the last month",
            unit="categories a visit",
            group="site",
            header="Средний_просмотр_категорий_за_визит",
            minimum=0,
        ),
        Column(
            "unpaid_items",
            "int",
            "Items left unpaid in the basket over the last three months",
            unit="items",
            group="product",
            header="Неоплаченные_продукты_штук_квартал",
            minimum=0,
        ),
        Column(
            "service_errors",
            "int",
            "Failures of the site that the customer met",
            unit="errors",
            group="site",
            header="Ошибка_сервиса",
            minimum=0,
        ),
        Column(
            "pages_per_visit",
            "float",
            "Mean number of pages viewed in a visit over the last three months",
            unit="pages a visit",
            group="site",
            header="Страниц_за_визит",
            minimum=0,
        ),
    ),
    key=("customer_id",),
    file="market_file",
)

REVENUE = Table(
    "revenue",
    "clean",
    "One row a customer and month: what they paid",
    (
        CUSTOMER_ID,
        Column(
            "period",
            "str",
            "Month: m0 the snapshot month, m1 and m2 the months before",
            group="key",
            header="Период",
            values=PERIODS_OF_REVENUE,
        ),
        Column(
            "revenue",
            "float",
            "Revenue from the customer in the month",
            unit="roubles",
            group="purchasing",
            header="Выручка",
            minimum=0,
            repairable=True,
        ),
    ),
    key=("customer_id", "period"),
    file="market_money",
)

SITE_MINUTES = Table(
    "site_minutes",
    "clean",
    "One row a customer and month: how long they were on the site",
    (
        CUSTOMER_ID,
        Column(
            "period",
            "str",
            "Month: m0 the snapshot month, m1 the month before",
            group="key",
            header="Период",
            values=PERIODS_OF_MINUTES,
        ),
        Column(
            "minutes",
            "float",
            "Minutes on the site in the month",
            unit="minutes",
            group="site",
            header="минут",
            minimum=0,
        ),
    ),
    key=("customer_id", "period"),
    file="market_time",
)

PROFIT = Table(
    "profit",
    "clean",
    "One row a customer: what they earn the store",
    (
        CUSTOMER_ID,
        Column(
            "profit",
            "float",
            "Mean monthly profit from the customer over the snapshot's three months; may be negative",
            unit="finance units",
            group="value",
            header="Прибыль",
        ),
    ),
    key=("customer_id",),
    file="money",
)

SOURCES = (CUSTOMERS, REVENUE, SITE_MINUTES, PROFIT)

_FILE = Column("file", "str", "Export file", values=_same(*(s.file for s in SOURCES)))
_LINE = Column("line", "int", "Line number in the file, the header being line 1", minimum=1)


def _raw_table(source: Table) -> Table:
    """The raw table of an export: its lines, split into the columns' texts, nothing judged yet."""
    texts = tuple(Column(c.name, "str", f"«{c.header}» as it came", header=c.header, nullable=True) for c in source.columns)
    problem = Column("problem", "str", "Why the line could not be split into its columns", nullable=True)
    excerpt = Column("excerpt", "str", "Beginning of a line that could not be split", nullable=True)
    return Table(
        source.file,
        "raw",
        f"One row a line of {source.file}.csv, as text",
        (_LINE, *texts, problem, excerpt),
        file=source.file,  # no key: the reader numbers the lines, so they need no check
    )


RAW = {source.file: _raw_table(source) for source in SOURCES}

REJECTED_ROWS = Table(
    "rejected_rows",
    "clean",
    "One row a broken rule of a rejected input line; a line that breaks several has several rows",
    (
        _FILE,
        _LINE,
        Column("column", "str", "Header of the column in the export; empty where the whole line is broken", nullable=True),
        Column("value", "str", "Value as it came, without surrounding blanks (cut after 200 characters)", nullable=True),
        Column("rule", "str", "Rule that the value breaks"),
    ),
)

CORRECTIONS = Table(
    "corrections",
    "clean",
    "One row a value that was changed, or a line that was dropped as an exact copy",
    (
        _FILE,
        _LINE,
        Column("column", "str", "Header of the column in the export; empty for a dropped copy", nullable=True),
        Column("old", "str", "Value as it came", nullable=True),
        Column("new", "str", "Value that took its place", nullable=True),
        Column("rule", "str", "Why", values=_same("spelling", "exact_duplicate", "outlier")),
    ),
)

_REVENUES = tuple(
    Column(f"revenue_{m}", "float", f"Revenue in {text}", unit="roubles", group="purchasing", nullable=True, minimum=0)
    for m, text in (("m0", "the snapshot month"), ("m1", "the month before"), ("m2", "the month before that"))
)
_MINUTES = tuple(
    Column(f"minutes_{m}", "float", f"Minutes on the site in {text}", unit="minutes", group="site", nullable=True, minimum=0)
    for m, text in (("m0", "the snapshot month"), ("m1", "the month before"))
)


def _nullable(column: Column) -> Column:
    """The same column where a customer may be missing from the file that holds it."""
    return replace(column, nullable=True, header="", repairable=False)


REGULAR_REASONS = ("regular", "no_purchase_in_a_month", "revenue_incomplete", "not_in_market_file")

CUSTOMER_FEATURES = Table(
    "customer_features",
    "features",
    "One row a customer seen in any file: everything known about them, and whether they are regular",
    (
        CUSTOMER_ID,
        *(_nullable(c) for c in CUSTOMERS.columns[1:]),
        *_REVENUES,
        *_MINUTES,
        _nullable(PROFIT["profit"]),
        Column("regular", "bool", "Bought something in each of the snapshot's three months"),
        Column("regular_reason", "str", "Why the customer is regular or not", values=_same(*REGULAR_REASONS)),
        Column(
            "missing_from",
            "str",
            "Files that have no valid row for the customer, comma-separated; empty where none",
        ),
    ),
    key=("customer_id",),
)

FEATURES: tuple[Column, ...] = tuple(
    c for c in CUSTOMER_FEATURES.columns if c.group in ("product", "communication", "customer", "site", "purchasing")
)
"""The columns a model may see: never the id, the target or the profit."""

FEATURE_NAMES = tuple(c.name for c in FEATURES)

DATA_PROFILE = Table(
    "data_profile",
    "exploration",
    "One row a column of customer_features: how it is distributed among regular customers",
    (
        Column("column", "str", "Column of customer_features"),
        Column("feature_group", "str", "Feature group of the column"),
        Column("kind", "str", "Type of the column", values=_same("int", "float", "bool", "str")),
        Column("rows", "int", "Customers", minimum=0),
        Column("missing", "int", "Customers without a value", minimum=0),
        Column("distinct", "int", "Different values", minimum=0),
        Column("top_value", "str", "Most frequent value", nullable=True),
        Column("top_share", "float", "Share of the most frequent value", unit="share", nullable=True, minimum=0, maximum=1),
        *(
            Column(name, "float", text, nullable=True)
            for name, text in (
                ("mean", "Mean"),
                ("sd", "Standard deviation"),
                ("minimum", "Smallest value"),
                ("q05", "5 % quantile"),
                ("q25", "25 % quantile"),
                ("median", "Median"),
                ("q75", "75 % quantile"),
                ("q95", "95 % quantile"),
                ("maximum", "Largest value"),
                ("skewness", "Skewness; 0 for a symmetric distribution"),
            )
        ),
        Column("outliers", "int", "Values beyond 1.5 interquartile ranges from the quartiles (Tukey)", nullable=True, minimum=0),
        Column("normality_test", "str", "Name of the normality test", nullable=True),
        Column("normality_statistic", "float", "Statistic of the normality test", nullable=True),
        Column("normality_p", "float", "p-value of the normality test", nullable=True, minimum=0, maximum=1),
        Column("normal", "bool", "Whether normality is not rejected at the level of the settings", nullable=True),
    ),
    key=("column",),
)

CORRELATIONS = Table(
    "correlations",
    "exploration",
    "One row a pair of columns: how strongly they depend on each other, among regular customers",
    (
        Column("column_a", "str", "First column"),
        Column("column_b", "str", "Second column"),
        Column("phik", "float", "phik correlation, 0 (independent) to 1", minimum=0, maximum=1),
        Column("significance", "float", "Significance of the dependence, in standard deviations", nullable=True),
        Column("collinear", "bool", "Two features whose phik is above the collinearity threshold of the settings"),
    ),
    key=("column_a", "column_b"),
)

LABEL_SOURCES = ("delivered", "revenue_rule", "vanished")

TRAINING_SET = Table(
    "training_set",
    "model",
    "One row a labelled regular customer: features of a month and what became of the customer",
    (
        Column("feature_month", "str", "Snapshot month of the features"),
        Column("label_month", "str", "Snapshot month of the label"),
        CUSTOMER_ID,
        *FEATURES,
        Column("declined", "int", "Label: 1 declined, 0 stable", group="target", minimum=0, maximum=1),
        Column(
            "label_source",
            "str",
            "delivered: the store's class in the label month; revenue_rule: the fall of the revenue until then, where the class "
            "is empty; vanished: the customer is in no file of the label month",
            values=_same(*LABEL_SOURCES),
        ),
        Column(
            "copies",
            "int",
            "Number of the group of rows with identical features or of the same customer; folds never split a group",
            minimum=0,
        ),
    ),
    key=("feature_month", "customer_id"),
)

MODEL_EXPLANATION = Table(
    "model_explanation",
    "model",
    "One row a feature: what the champion loses on unseen customers when it is shuffled, and what it adds to their log-odds",
    (
        Column("feature", "str", "Feature"),
        *(
            Column(f"{metric}{end}", "float", text + which, unit="nats" if metric.startswith("log") else "")
            for metric, text in (("log_loss_increase", "Increase of log loss"), ("roc_auc_decrease", "Decrease of ROC-AUC"))
            for end, which in (
                ("", ""),
                ("_low", ", lower end of the 95 % interval"),
                ("_high", ", upper end of the 95 % interval"),
            )
        ),
        *(
            Column(
                f"mean_abs_contribution{end}",
                "float",
                "Mean absolute contribution to a customer's log-odds of declining" + which,
                unit="log-odds",
                minimum=0,
            )
            for end, which in (
                ("", ""),
                ("_low", ", lower end of the 95 % bootstrap interval over the sampled customers"),
                ("_high", ", upper end of the 95 % bootstrap interval over the sampled customers"),
            )
        ),
    ),
    key=("feature",),
)

SCORE_BASES = ("out_of_fold", "model", "not_scored")

REASONS: tuple[Column, ...] = tuple(
    column
    for k, which in ((1, "Strongest"), (2, "Second"), (3, "Third"))
    for column in (
        Column(
            f"reason_{k}",
            "str",
            f"{which} reason of the score: feature with the largest absolute contribution but {k - 1}; empty where negligible",
            nullable=True,
            values=_same(*FEATURE_NAMES),
        ),
        Column(
            f"reason_{k}_effect",
            "float",
            "Its contribution against the mean customer; above 0: higher risk. By the effects of the registered model, "
            "whatever the score_basis",
            unit="log-odds",
            nullable=True,
        ),
        Column(f"reason_{k}_ru", "str", "The reason in words, Russian", nullable=True),
        Column(f"reason_{k}_en", "str", "The reason in words, English", nullable=True),
    )
)
"""The three strongest reasons of a score."""

CUSTOMER_SCORES = Table(
    "customer_scores",
    "scores",
    "One row a customer: how likely their activity declines, and what that is worth",
    (
        CUSTOMER_ID,
        Column(
            "p_decline",
            "float",
            "Probability that the activity declines within the horizon; empty for customers missing from market_file",
            unit="probability",
            nullable=True,
            minimum=0,
            maximum=1,
        ),
        Column(
            "score_basis",
            "str",
            "out_of_fold: by models that did not see the customer; model: by the registered model; not_scored: no features",
            values=_same(*SCORE_BASES),
        ),
        Column("regular", "bool", "Bought something in each of the snapshot's three months"),
        Column("profit", "float", "Mean monthly profit", unit="finance units", nullable=True),
        Column(
            "value_at_risk",
            "float",
            "p_decline x monthly profit x horizon months; 0 where the customer earns nothing or less",
            unit="finance units",
            nullable=True,
            minimum=0,
        ),
        Column("model_name", "str", "Registered model that made the score"),
        Column("model_version", "int", "Its version", minimum=1),
        *REASONS,
    ),
    key=("customer_id",),
)

PROFIT_CURVE = Table(
    "profit_curve",
    "scores",
    "One row a treated share of the regular customers with a score and a profit: what offering to them, the highest expected "
    "gain first, would earn under the settings' offer cost and saved share; consent, budget and capacity aside",
    (
        Column("treated_share", "float", "Share that is treated, in whole percents", unit="share", minimum=0, maximum=1),
        Column("customers", "int", "Customers treated", minimum=0),
        Column(
            "last_gain",
            "float",
            "Expected gain of the last customer treated: p_decline x saved share x value - cost; treating more pays while it is "
            "above 0, that is while p_decline is above the customer's break-even; empty where nobody is treated",
            unit="finance units",
            nullable=True,
        ),
        Column("expected_profit", "float", "Sum of the expected gains of the treated", unit="finance units"),
        Column(
            "expected_profit_low",
            "float",
            "Lower end of its 95 % interval: chance of who declines and whom the offer keeps, not of a wrong model or assumption",
            unit="finance units",
        ),
        Column("expected_profit_high", "float", "Upper end of its 95 % interval", unit="finance units"),
        Column(
            "by_risk_profit",
            "float",
            "Expected profit of treating as many customers by p_decline alone, the highest first",
            unit="finance units",
        ),
        Column(
            "by_risk_threshold",
            "float",
            "Lowest p_decline among those; empty where nobody is treated",
            unit="probability",
            nullable=True,
            minimum=0,
            maximum=1,
        ),
        Column("random_profit", "float", "Expected profit of treating as many customers drawn at random", unit="finance units"),
        Column(
            "realised_customers",
            "int",
            "Customers treated whose class is known and whose score is out-of-fold; others have no honest comparison",
            minimum=0,
        ),
        Column(
            "realised_profit",
            "float",
            "Profit from the realised_customers alone, given who of them declined; empty where no customer counts",
            unit="finance units",
            nullable=True,
        ),
        Column(
            "realised_profit_low",
            "float",
            "Lower end of its 95 % interval: chance of whom the offer keeps",
            unit="finance units",
            nullable=True,
        ),
        Column("realised_profit_high", "float", "Upper end of its 95 % interval", unit="finance units", nullable=True),
        Column(
            "realised_random_profit",
            "float",
            "Profit from as many such customers drawn at random",
            unit="finance units",
            nullable=True,
        ),
    ),
    key=("treated_share",),
)

CUSTOMER_SEGMENTS = Table(
    "customer_segments",
    "segments",
    "One row a customer: the one segment they belong to",
    (
        CUSTOMER_ID,
        Column("segment", "str", "Identifier of the segment"),
        Column("segment_ru", "str", "Name of the segment in Russian"),
        Column("segment_en", "str", "Name of the segment in English"),
        Column("p_decline", "float", "See customer_scores", unit="probability", nullable=True, minimum=0, maximum=1),
        Column("profit", "float", "Mean monthly profit", unit="finance units", nullable=True),
        Column("value_at_risk", "float", "See customer_scores", unit="finance units", nullable=True, minimum=0),
    ),
    key=("customer_id",),
)

SEGMENT_PROFILES = Table(
    "segment_profiles",
    "segments",
    "One row a segment: how many, how risky, how valuable, and what they are like",
    (
        Column("segment", "str", "Identifier of the segment"),
        Column("segment_ru", "str", "Name in Russian"),
        Column("segment_en", "str", "Name in English"),
        Column("customers", "int", "Customers in the segment", minimum=0),
        Column("share", "float", "Share of all customers", unit="share", minimum=0, maximum=1),
        Column("mean_p_decline", "float", "Mean p_decline", unit="probability", nullable=True, minimum=0, maximum=1),
        Column("expected_declines", "float", "Sum of p_decline: customers expected to decline", nullable=True, minimum=0),
        Column("expected_declines_low", "float", "Lower end of its 95 % interval", nullable=True, minimum=0),
        Column("expected_declines_high", "float", "Upper end of its 95 % interval", nullable=True, minimum=0),
        Column("mean_profit", "float", "Mean monthly profit", unit="finance units", nullable=True),
        Column("value_at_risk", "float", "Sum of the value at risk", unit="finance units", minimum=0),
        Column("consent_share", "float", "Share that allows messages", unit="share", nullable=True, minimum=0, maximum=1),
        Column("premium_share", "float", "Share with premium service", unit="share", nullable=True, minimum=0, maximum=1),
        Column("top_category", "str", "Most frequent favourite category", nullable=True),
        *(
            Column(f"mean_{name}", "float", f"Mean of {name}", nullable=True)
            for name in (
                "promo_share",
                "unpaid_items",
                "service_errors",
                "pages_per_visit",
                "revenue_m0",
                "minutes_m0",
                "tenure_days",
            )
        ),
    ),
    key=("segment",),
)

ARMS = ("offer", "control", "none")
ASSIGNMENTS = ("plan", "exploration", "hold_out", "none")
REASONS_OF_PLAN = (
    "offered",
    "control",
    "hold_out",
    "not_regular",
    "not_scored",
    "no_profit",
    "no_consent",
    "contact_cap",
    "no_offer_fits",
    "not_worth",
    "no_room",
)

SHARES = tuple(
    Column(name, "float", f"{share}; the same for the whole month", unit="share", minimum=0, maximum=1)
    for name, share in (
        ("control_share", "Share of customers who were held out for good when the month was drawn"),
        (
            "exploration_share",
            "Share of the others up to which arms were drawn at random: the settings', less where room ran out",
        ),
        ("offer_control_share", "Share of those chosen for an offer who were held out of it for the month"),
    )
)
"""The shares that a month was drawn with: they belong to its plan, whatever the settings say later."""

CAMPAIGN_OUTCOMES = Table(
    "campaign_outcomes",
    "campaigns",
    "One row a customer and earlier campaign, offered something or held out: what they were meant to get, what became of them",
    (
        Column("campaign_month", "str", "Snapshot month whose plan it was"),
        CUSTOMER_ID,
        Column("arm", "str", "What the customer was meant to get", values=_same("offer", "control")),
        Column("offer_id", "str", "The offer; of a control the one that would have been given, empty where none", nullable=True),
        Column("assignment", "str", "How the arm came about", values=_same("plan", "exploration", "hold_out")),
        Column("propensity", "float", "Probability of this arm and offer", unit="probability", minimum=0, maximum=1),
        *SHARES,
        Column("fits", "str", "Offers that fitted the customer, by commas"),
        Column("segment", "str", "Segment at the time"),
        Column("p_decline", "float", "Score at the time", unit="probability", minimum=0, maximum=1),
        Column("value", "float", "What keeping the customer from declining was worth", unit="finance units", minimum=0),
        Column("cost", "float", "Cost of the offer given, 0 for controls", unit="finance units", minimum=0),
        Column(
            "revenue_before",
            "float",
            "Mean monthly revenue of the three months up to the campaign's",
            unit="roubles",
            nullable=True,
        ),
        Column("profit_before", "float", "Mean monthly profit at the time", unit="finance units", nullable=True),
        Column("months_observed", "int", "Months after the campaign's that snapshots show by now, up to the horizon", minimum=0),
        Column(
            "revenue_after", "float", "Mean monthly revenue of those months; 0 for who vanished", unit="roubles", nullable=True
        ),
        Column(
            "profit_after",
            "float",
            "Mean monthly profit in the newest of them; 0 for who vanished",
            unit="finance units",
            nullable=True,
        ),
        Column("declined", "int", "1 declined, 0 stable; empty until the horizon is over", nullable=True, minimum=0, maximum=1),
        Column("vanished", "bool", "Whether the customer is in no file of the newest of these months"),
    ),
    key=("campaign_month", "customer_id"),
)

_INTERVAL_ENDS = (("", ""), ("_low", ", lower end of the 95 % interval"), ("_high", ", upper end of the 95 % interval"))

OFFER_EFFECTS = Table(
    "offer_effects",
    "campaigns",
    "One row a comparison and outcome: what an offer changed, measured against customers held out at random",
    (
        Column("campaigns", "str", "Campaign month, or `all`"),
        Column("offer_id", "str", "Offer, or `all`"),
        Column("segment", "str", "Segment, or `all`"),
        Column(
            "comparison",
            "str",
            "targeted: those the plan chose; fitting: explored among all whom the offer fits; pooled: both",
            values=_same("targeted", "fitting", "pooled"),
        ),
        Column(
            "outcome",
            "str",
            "declined (share), revenue (roubles a month) or profit (finance units a month)",
            values=_same("declined", "revenue", "profit"),
        ),
        Column("offered", "int", "Customers in the arm offer whose outcome is known", minimum=0),
        Column("controls", "int", "Customers in the arm control whose outcome is known", minimum=0),
        Column("mean_controls", "float", "Mean outcome of the controls", nullable=True),
        *(
            Column(f"effect{end}", "float", f"Offer minus control, adjusted for what was known before{text}", nullable=True)
            for end, text in _INTERVAL_ENDS
        ),
        Column("standard_error", "float", "Standard error of the effect", nullable=True, minimum=0),
        Column("p_value", "float", "Of the hypothesis that the offer changes nothing", nullable=True, minimum=0, maximum=1),
        Column("significant", "bool", "Whether the effect is beyond chance, allowing for the number of comparisons"),
        Column(
            "detectable_effect",
            "float",
            "Smallest effect that so many customers show with the settings' power",
            nullable=True,
            minimum=0,
        ),
        Column("sample_ratio_p", "float", "p-value of the sample-ratio check", nullable=True, minimum=0, maximum=1),
        Column(
            "status",
            "str",
            "measured; not_enough_data; sample_ratio_mismatch: the split is broken and nothing may be read from it",
            values=_same("measured", "not_enough_data", "sample_ratio_mismatch"),
        ),
    ),
    key=("campaigns", "offer_id", "segment", "comparison", "outcome"),
)

OFFER_BELIEFS = Table(
    "offer_beliefs",
    "campaigns",
    "One row an offer and segment: what the next plan believes that the offer does to P(decline)",
    (
        Column("offer_id", "str", "Offer"),
        Column("segment", "str", "Segment, or `all`"),
        Column("prior_mean", "float", "Effect on P(decline) that the catalogue expects; negative is good"),
        Column("prior_sd", "float", "Its standard deviation", minimum=0),
        Column("campaigns", "int", "Matured campaigns that were learnt from", minimum=0),
        Column("customers", "int", "Customers in them, offered and controls", minimum=0),
        Column("measured_mean", "float", "Effect measured in them", nullable=True),
        Column("measured_sd", "float", "Its standard error", nullable=True, minimum=0),
        Column("mean", "float", "Posterior mean: what the plan uses"),
        Column("sd", "float", "Posterior standard deviation", minimum=0),
    ),
    key=("offer_id", "segment"),
)

OFFER_PLAN = Table(
    "offer_plan",
    "offers",
    "One row a customer: one offer, or control, or nothing, and why",
    (
        CUSTOMER_ID,
        Column(
            "arm", "str", "offer: gets it; control: held out at random, gets nothing; none: gets nothing", values=_same(*ARMS)
        ),
        Column("offer_id", "str", "The offer; of a control the one that would have been given, empty where none", nullable=True),
        Column("assignment", "str", "How the arm came about", values=_same(*ASSIGNMENTS)),
        Column("reason", "str", "Why this arm", values=_same(*REASONS_OF_PLAN)),
        Column(
            "propensity",
            "float",
            "Probability with which the customer got this arm and offer, the month's prices given; empty where nothing was drawn",
            unit="probability",
            nullable=True,
            minimum=0,
            maximum=1,
        ),
        *SHARES,
        Column("fits", "str", "Offers that fit the customer and could be drawn, by commas; empty where none"),
        Column("segment", "str", "See customer_segments"),
        Column("p_decline", "float", "See customer_scores", unit="probability", nullable=True, minimum=0, maximum=1),
        Column(
            "value", "float", "What keeping the customer from declining is worth", unit="finance units", nullable=True, minimum=0
        ),
        Column("expected_effect", "float", "Believed change of P(decline) by the offer; negative is good", nullable=True),
        Column("expected_gain", "float", "Expected gain of the offer less its cost", unit="finance units", nullable=True),
        Column("cost", "float", "Cost of the offer given, 0 for everybody else", unit="finance units", minimum=0),
        Column("model_version", "int", "Version of the model that scored", minimum=1),
    ),
    key=("customer_id",),
)

WATCHED = ("feature", "score", "share", "category")
LEVELS = ("stable", "moderate", "shifted")
"""How bad it is: within all limits, beyond the one that warns, beyond the one that asks for a new model."""
_LEVEL_TEXT = "stable; moderate: beyond the settings' limit that warns, shifted: beyond the hard one, both beyond chance; "

DRIFT = Table(
    "drift",
    "monitoring",
    "One row a thing that is watched: the month against the one in which the champion was trained",
    (
        Column(
            "kind",
            "str",
            "feature, score: how it is distributed among regular customers; share: of the snapshot as a whole; category: share "
            "of regular customers whose category nobody had in the reference month",
            values=_same(*WATCHED),
        ),
        Column("name", "str", "Feature, p_decline, or name of the share"),
        Column("category", "str", "The new category (cut after 200 characters); empty for all together, and for other kinds"),
        Column(
            "reference_month", "str", "Month in which the champion was trained; empty where there is no champion", nullable=True
        ),
        Column("model_version", "int", "Version of the champion; empty where there is none", nullable=True, minimum=1),
        Column("customers", "int", "Customers that are looked at; of quarantine_share rows", minimum=0),
        Column("reference_customers", "int", "The same in the reference month", nullable=True, minimum=0),
        Column("bins", "int", "Bins that hold anybody in either month", nullable=True, minimum=0),
        Column(
            "psi",
            "float",
            "Population stability index, bins by the reference month; 0 where nothing moved",
            nullable=True,
            minimum=0,
        ),
        *(
            Column(f"psi_{end}", "float", f"{which} end of its 95 % bootstrap interval", nullable=True, minimum=0)
            for end, which in (("low", "Lower"), ("high", "Upper"))
        ),
        Column(
            "psi_chance", "float", "What it is on average if nothing has moved: (bins - 1)(1/n + 1/m)", nullable=True, minimum=0
        ),
        Column("count", "int", "Customers, or rows, that the share counts", nullable=True, minimum=0),
        Column("value", "float", "The share; of `customers` how many there are", nullable=True, minimum=0),
        Column("reference", "float", "The same in the reference month", nullable=True, minimum=0),
        *(
            Column(
                f"difference{end}",
                "float",
                f"Share less that of the reference month{text}; of `customers` the change as a share, counted and not sampled",
                nullable=True,
            )
            for end, text in (
                ("", ""),
                ("_low", ", lower end of the 95 % interval"),
                ("_high", ", upper end of the 95 % interval"),
            )
        ),
        Column(
            "status",
            "str",
            _LEVEL_TEXT + "not_enough_data; no_reference: no table of the reference month, or scores of another model",
            values=_same(*LEVELS, "not_enough_data", "no_reference"),
        ),
    ),
    key=("kind", "name", "category"),
)

MODEL_HEALTH = Table(
    "model_health",
    "monitoring",
    "One row an earlier month whose scores have come true by now, and one for all of a model's: what was promised, what came. "
    "Of regular customers who got no offer since, weighted by 1 / probability of getting none; months that were scored by a "
    "model of a later month are left out",
    (
        Column("feature_month", "str", "Month of the scores, or `all`"),
        Column("model_version", "int", "Version that scored", minimum=1),
        Column("label_month", "str", "Month that tells what became of them; empty for `all`", nullable=True),
        Column("customers", "int", "Customers that are judged on", minimum=0),
        Column("declined", "int", "How many of them declined", minimum=0),
        Column(
            "effective_customers",
            "float",
            "How many customers of equal weight tell as much: (sum of w)^2 / sum of w^2",
            minimum=0,
        ),
        Column("offered_left_out", "int", "Left out, as they got an offer before the outcome", minimum=0),
        Column(
            "in_sample_left_out",
            "int",
            "Left out, as the model was trained on their month and the score is not out of fold",
            minimum=0,
        ),
        *(
            Column(f"{name}{end}", "float", f"{text}{which}", nullable=True)
            for name, text in (
                ("roc_auc", "ROC-AUC"),
                ("log_loss", "Log loss, nats"),
                ("brier", "Brier score"),
                ("expected", "Mean p_decline"),
                ("observed", "Share that declined"),
                ("gap", "Mean p_decline less share that declined"),
                ("ece", "Expected calibration error over tenths of probability"),
            )
            for end, which in (
                ("", ""),
                ("_low", ", lower end of the 95 % interval"),
                ("_high", ", upper end of the 95 % interval"),
            )
        ),
        Column("ece_chance", "float", "What ece is on average if every p_decline is right", nullable=True, minimum=0),
        Column("roc_auc_at_training", "float", "ROC-AUC that the version had out of fold when it was trained", nullable=True),
        *(
            Column(name, "str", f"{what}: {_LEVEL_TEXT}not_enough_data", values=_same(*LEVELS, "not_enough_data"))
            for name, what in (("calibration", "By ece"), ("ranking", "By ROC-AUC against roc_auc_at_training"))
        ),
    ),
    key=("feature_month", "model_version"),
)

TABLES: dict[str, Table] = {
    t.name: t
    for t in (
        *RAW.values(),
        *SOURCES,
        REJECTED_ROWS,
        CORRECTIONS,
        CUSTOMER_FEATURES,
        DATA_PROFILE,
        CORRELATIONS,
        TRAINING_SET,
        MODEL_EXPLANATION,
        CUSTOMER_SCORES,
        PROFIT_CURVE,
        CUSTOMER_SEGMENTS,
        SEGMENT_PROFILES,
        CAMPAIGN_OUTCOMES,
        OFFER_EFFECTS,
        OFFER_BELIEFS,
        OFFER_PLAN,
        DRIFT,
        MODEL_HEALTH,
    )
}
