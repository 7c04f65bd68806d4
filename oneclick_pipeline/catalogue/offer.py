"""An offer: who it is for, what it costs, what it is expected to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from oneclick_pipeline.contracts.customers import FEATURES
from oneclick_pipeline.contracts.exports import PROFIT
from oneclick_pipeline.contracts.schema import Column
from oneclick_pipeline.contracts.scores import CUSTOMER_SCORES
from oneclick_pipeline.contracts.segments import SEGMENTS

CHANNELS = ("email", "sms", "push", "site")
OPERATORS = (">=", ">", "<=", "<", "==", "!=", "in")
RESERVED_IDS = ("all", "control", "none")
"""Words used like offer ids in tables and outcome files."""

COLUMNS: dict[str, Column] = {
    **{column.name: column for column in FEATURES},
    "profit": PROFIT["profit"],
    "p_decline": CUSTOMER_SCORES["p_decline"],
    "value_at_risk": CUSTOMER_SCORES["value_at_risk"],
    "segment": Column("segment", "str", "See customer_segments", values={s.id: s.id for s in SEGMENTS}),
}
"""The columns that conditions may use."""

Value = float | str | bool
Operator = Literal[">=", ">", "<=", "<", "==", "!=", "in"]


@dataclass(frozen=True)
class Condition:
    """What must be true of a customer; exactly one of the last three is given.

    Attributes:
        column: Column of the customer, one of `COLUMNS`.
        op: How it is compared.
        value: With a number, a text or yes and no; several for the operator `in`.
        column_value: With another column of the same customer.
        quantile: With this quantile of the column among the regular customers of the month.
    """

    column: str
    op: Operator
    value: Value | tuple[Value, ...] | None = None
    column_value: str | None = None
    quantile: float | None = None

    def __str__(self) -> str:
        """The condition on one line.

        >>> print(Condition("profit", ">=", quantile=0.5))
        profit >= its 0.5 quantile
        """
        if self.quantile is not None:
            return f"{self.column} {self.op} its {self.quantile:g} quantile"
        values = self.value if isinstance(self.value, tuple) else (self.value,)
        shown = ", ".join(f"{v:g}" if type(v) is float else str(v) for v in values)
        return f"{self.column} {self.op} {self.column_value or shown}"


@dataclass(frozen=True)
class AnyOf:
    """Holds where at least one of its conditions does."""

    conditions: tuple[Condition, ...]

    def __str__(self) -> str:
        """The conditions on one line."""
        return " or ".join(str(c) for c in self.conditions)


@dataclass(frozen=True)
class Offer:
    """One marketing action.

    Attributes:
        id: Its name in files and tables: small latin letters, digits, underscores.
        title_ru: What marketers call it, Russian.
        title_en: The same, English.
        message_ru: What the customer reads, Russian, with placeholders; see `messages.PLACEHOLDERS`.
        message_en: The same, English.
        channel: Hint for the CRM, one of `CHANNELS`.
        owner: Who is responsible for it.
        conditions: All must hold.
        cost: Of one offer sent, finance units.
        capacity: How many may be sent in a month; None: any number.
        effect_mean: Prior mean of the change of P(decline); negative is good.
        effect_sd: Its standard deviation.
        valid_from: First snapshot month in whose plan it may be, None: no limit.
        valid_to: Last such month.
    """

    id: str
    title_ru: str
    title_en: str
    message_ru: str
    message_en: str
    channel: str
    owner: str
    conditions: tuple[Condition | AnyOf, ...]
    cost: float
    capacity: int | None
    effect_mean: float
    effect_sd: float
    valid_from: str | None = None
    valid_to: str | None = None
