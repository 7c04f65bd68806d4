"""Scores of customers, and their reasons."""

from __future__ import annotations

from oneclick_pipeline.contracts.customers import FEATURE_NAMES
from oneclick_pipeline.contracts.exports import CUSTOMER_ID
from oneclick_pipeline.contracts.schema import Column, Table, vocabulary

SCORE_BASES = ("out_of_fold", "model", "not_scored")
RECOGNITION, FORECAST = "recognition", "forecast"

MEANING = Column(
    "meaning",
    "str",
    "What p_decline is about. recognition: the class that the store gives in this snapshot; forecast: the class a horizon later; "
    "empty in tables of earlier versions, which did not record it",
    nullable=True,
    values=vocabulary(RECOGNITION, FORECAST),
)
"""What a probability is about: known of a model by the months of its labels, and stored with every table of its figures."""

REASONS: tuple[Column, ...] = tuple(
    column
    for k, which in ((1, "Strongest"), (2, "Second"), (3, "Third"))
    for column in (
        Column(
            f"reason_{k}",
            "str",
            f"{which} reason of the score: feature with the largest absolute contribution but {k - 1}; empty where negligible",
            nullable=True,
            values=vocabulary(*FEATURE_NAMES),
        ),
        Column(
            f"reason_{k}_effect",
            "float",
            "Its contribution relative to the mean customer; above 0: higher risk. By the effects of the registered model, "
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
    "One row per customer: how likely their activity is to decline (or how much they look like customers who have), and what is "
    "at stake",
    (
        CUSTOMER_ID,
        Column(
            "p_decline",
            "float",
            "Probability of the class declined, of this snapshot or of the one a horizon later: see meaning; empty for customers "
            "missing from market_file",
            unit="probability",
            nullable=True,
            minimum=0,
            maximum=1,
        ),
        Column(
            "score_basis",
            "str",
            "out_of_fold: by models that did not see the customer; model: by the registered model; not_scored: no features",
            values=vocabulary(*SCORE_BASES),
        ),
        MEANING,
        Column("regular", "bool", "Bought something in each of the snapshot's three months"),
        Column("profit", "float", "Mean monthly profit", unit="finance units", nullable=True),
        Column(
            "value_at_risk",
            "float",
            "p_decline x monthly profit x horizon months; 0 where the customer earns nothing or less. In a recognition: what the "
            "customer earns in so many months, weighted by how much they look declined; not a loss that is forecast",
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
