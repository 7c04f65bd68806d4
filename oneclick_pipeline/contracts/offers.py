"""The plan of a month."""

from __future__ import annotations

from oneclick_pipeline.contracts.exports import CUSTOMER_ID
from oneclick_pipeline.contracts.schema import Column, Table, vocabulary

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
        ("control_share", "Share of customers who were held out permanently when the month was drawn"),
        (
            "exploration_share",
            "Share of the others up to which arms were drawn at random: that of the settings, lower where capacity ran out",
        ),
        ("offer_control_share", "Share of those chosen for an offer who were held out of it for the month"),
    )
)
"""The shares that a month was drawn with: they belong to its plan, whatever the settings say later."""


PROBABILITIES = tuple(
    Column(name, "float", f"Probability {meaning}, the month's prices given", unit="probability", minimum=0, maximum=1)
    for name, meaning in (
        ("p_no_offer", "of getting no offer, for whatever reason; 1 where nothing was drawn"),
        ("p_control", "of being control by hold-out or exploration, whatever the plan chooses; 0 where nothing was drawn"),
        ("p_explore", "of exploring; 0 where there was nothing to explore"),
    )
)
"""What chance could do to every customer, whatever it did; see `experiment.probabilities`."""
P_EXPLORE = PROBABILITIES[-1]


CHANCES = Column(
    "chances",
    "str",
    "Every offer that fits, and the probability with which exploration gives it to the customer: offer=probability, separated "
    "by commas; whatever was drawn, unlike `fits`. Empty where nothing was drawn",
    nullable=True,
)
"""See `experiment.chances`."""


OFFER_PLAN = Table(
    "offer_plan",
    "offers",
    "One row per customer: one offer, or control, or nothing, and why",
    (
        CUSTOMER_ID,
        Column(
            "arm",
            "str",
            "offer: gets it; control: held out at random, gets nothing; none: gets nothing",
            values=vocabulary(*ARMS),
        ),
        Column("offer_id", "str", "The offer; for a control, the one that would have been given; empty if none", nullable=True),
        Column("assignment", "str", "How the arm was assigned", values=vocabulary(*ASSIGNMENTS)),
        Column("reason", "str", "Why this arm", values=vocabulary(*REASONS_OF_PLAN)),
        Column(
            "propensity",
            "float",
            "Probability with which the customer got this arm and offer, the month's prices given; empty if nothing was drawn",
            unit="probability",
            nullable=True,
            minimum=0,
            maximum=1,
        ),
        *PROBABILITIES,
        CHANCES,
        *SHARES,
        Column(
            "fits",
            "str",
            "Offers that fit the customer, of those who explore those that they could draw, separated by commas; empty if none",
        ),
        Column("segment", "str", "See customer_segments"),
        Column("p_decline", "float", "See customer_scores", unit="probability", nullable=True, minimum=0, maximum=1),
        Column(
            "value",
            "float",
            "What it is worth to keep the customer from declining",
            unit="finance units",
            nullable=True,
            minimum=0,
        ),
        Column("expected_effect", "float", "Believed change of P(decline) caused by the offer; negative is good", nullable=True),
        Column("expected_gain", "float", "Expected gain of the offer less its cost", unit="finance units", nullable=True),
        Column("cost", "float", "Cost of the offer given, 0 for everyone else", unit="finance units", minimum=0),
        Column("model_version", "int", "Version of the model that scored", minimum=1),
    ),
    key=("customer_id",),
)
