"""Segments of customers."""

from __future__ import annotations

from dataclasses import dataclass

from oneclick_pipeline.contracts.exports import CUSTOMER_ID
from oneclick_pipeline.contracts.schema import Column, Table
from oneclick_pipeline.contracts.scores import MEANING


@dataclass(frozen=True)
class Segment:
    """A group of customers: its identifier, its names, and its cell of risk (0 low to 2 high) and profit (0 low, 1 high)."""

    id: str
    ru: str
    en: str
    risk: int | None = None
    profit: int | None = None


SEGMENTS = (
    Segment("save_first", "Удержать в первую очередь", "Save first", risk=2, profit=1),
    Segment("save_cheaply", "Удержать недорого", "Save at low cost", risk=2, profit=0),
    Segment("support", "Поддержать", "Support", risk=1, profit=1),
    Segment("watch", "Наблюдать", "Watch", risk=1, profit=0),
    Segment("core", "Опора магазина", "Core", risk=0, profit=1),
    Segment("grow", "Развивать", "Grow", risk=0, profit=0),
    Segment("irregular", "Нерегулярные покупатели", "Irregular customers"),
    Segment("unknown", "Недостаточно данных", "Not enough data"),
)
"""All segments, the most urgent first."""

ALL = Segment("all", "Все регулярные клиенты", "All regular customers")
"""The row of `segment_profiles` for all regular customers with a score, with or without a profit."""

CUSTOMER_SEGMENTS = Table(
    "customer_segments",
    "segments",
    "One row per customer: the segment to which they belong",
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
    "One row per segment, and one for all regular customers with a score: size, risk and value, and what the customers are like",
    (
        Column("segment", "str", "Identifier of the segment; all: every regular customer with a score"),
        Column("segment_ru", "str", "Name in Russian"),
        Column("segment_en", "str", "Name in English"),
        Column("customers", "int", "Customers in the segment", minimum=0),
        Column("share", "float", "Share of all customers", unit="share", minimum=0, maximum=1),
        Column("mean_p_decline", "float", "Mean p_decline", unit="probability", nullable=True, minimum=0, maximum=1),
        Column(
            "expected_declines",
            "float",
            "Sum of p_decline: the expected number of customers of the class declined, see meaning; empty for irregular "
            "customers, whose scores extrapolate",
            nullable=True,
            minimum=0,
        ),
        Column(
            "expected_declines_low",
            "float",
            "Lower end of its 95 % interval, which holds chance and the model's own error; empty where that was not recorded "
            "with the model",
            nullable=True,
            minimum=0,
        ),
        Column("expected_declines_high", "float", "Upper end of its 95 % interval", nullable=True, minimum=0),
        Column("mean_profit", "float", "Mean monthly profit", unit="finance units", nullable=True),
        Column(
            "value_at_risk",
            "float",
            "Sum of the value at risk; empty for irregular customers",
            unit="finance units",
            nullable=True,
            minimum=0,
        ),
        Column("value_at_risk_low", "float", "Lower end of its 95 % interval", unit="finance units", nullable=True, minimum=0),
        Column("value_at_risk_high", "float", "Upper end of its 95 % interval", unit="finance units", nullable=True, minimum=0),
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
        MEANING,
    ),
    key=("segment",),
)
