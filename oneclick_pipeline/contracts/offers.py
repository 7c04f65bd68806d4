"""The plan of a month, the plan in figures, and what other budgets would bring."""

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


EFFECTS, WORTHS, SCORES = ("catalogue", "learned"), ("assumed", "learned"), ("recognition", "forecast")
"""Where the believed effects of offers come from, where the worth of a kept customer does, and which class a score is of."""


def _money(name: str, description: str, *, nullable: bool = False, minimum: float | None = None) -> Column:
    return Column(name, "float", description, unit="finance units", nullable=nullable, minimum=minimum)


def _gain(name: str, description: str, covers: str, *, nullable: bool = False) -> tuple[Column, ...]:
    """An expected gain and the ends of its 95 % interval."""
    return (
        _money(name, description, nullable=nullable),
        _money(f"{name}_low", f"Lower end of its 95 % interval, which covers {covers}", nullable=nullable),
        _money(f"{name}_high", "Upper end of its 95 % interval", nullable=nullable),
    )


_BELIEVED = "what effects and worth may be wrong by, not the chance of who declines"

PLAN_SUMMARY = Table(
    "plan_summary",
    "offers",
    "One row: the plan of the month in figures, and what it was made with. Every page and command reads these figures here",
    (
        Column("month", "str", "Snapshot month"),
        Column("customers", "int", "Customers of the month", minimum=0),
        _money("budget", "Most that the offers of the month were allowed to cost", minimum=0),
        SHARES[0],
        Column("exploration_share", "float", "Share of the others whose arm was to be drawn at random", unit="share", minimum=0),
        Column(
            "explored_share",
            "float",
            "The same as far as budget and capacities allowed: exploration_share of offer_plan",
            unit="share",
            minimum=0,
            maximum=1,
        ),
        SHARES[2],
        Column("catalogue", "str", "Digest of the catalogue"),
        Column(
            "effects",
            "str",
            "Effects of offers: as the catalogue expects, or learned from campaigns",
            values=vocabulary(*EFFECTS),
        ),
        Column(
            "worth",
            "str",
            "Worth of a kept customer: learned from history, or an assumed share of the profit",
            values=vocabulary(*WORTHS),
        ),
        Column("worth_months", "int", "Months after the snapshot whose profit is that worth", unit="months", minimum=1),
        Column(
            "worth_share",
            "float",
            "Where the worth is assumed: share of the profit of these months that a decline takes away",
            unit="share",
            nullable=True,
            minimum=0,
        ),
        _money("worth_mean", "Where it is learned: its mean over the customers that it was learned from", nullable=True),
        _money("worth_standard_error", "Standard error of that mean", nullable=True, minimum=0),
        Column(
            "score",
            "str",
            "What p_decline is: recognition of the class that the store has given in the same month, or a forecast",
            values=vocabulary(*SCORES),
        ),
        Column("offers", "int", "Customers who get an offer", minimum=0),
        Column("controls", "int", "Customers held out at random", minimum=0),
        _money("cost", "What the offers cost", minimum=0),
        *_gain("expected_gain", "Expected gain of the offers less their cost; 0 is to offer nothing", _BELIEVED),
        _money("without_limits", "Expected gain if all got their best offer, without limits and controls", minimum=0),
        _money("by_risk", "Expected gain within the limits, without controls, by p_decline x value, the highest first"),
        Column(
            "detectable_effect",
            "float",
            "Smallest change of the share of decliners that the plan can show; empty without controls",
            unit="share",
            nullable=True,
            minimum=0,
        ),
        Column("gap", "float", "Share of the best expected gain that the plan lacks at most", unit="share", minimum=0),
        Column(
            "price_of_budget", "float", "What one more unit of budget would bring; 0 where the budget does not bind", minimum=0
        ),
        Column(
            "profit_unit_roubles",
            "float",
            "Roubles in a finance unit; empty where the store does not say",
            unit="roubles",
            nullable=True,
            minimum=0,
        ),
    ),
    key=("month",),
)


PROFIT_CURVE = Table(
    "profit_curve",
    "offers",
    "One row per budget, from none to twice the plan's: what a plan of the month with it would bring; at 1 it is the plan itself",
    (
        Column("budget_share", "float", "Budget as a share of the plan's", unit="share", minimum=0, maximum=2),
        _money("budget", "The budget", minimum=0),
        Column("offers", "int", "Customers who would get an offer", minimum=0),
        _money("cost", "What the offers would cost", minimum=0),
        *_gain("expected_gain", "Expected gain of the offers less their cost", _BELIEVED),
        *_gain(
            "past_gain",
            "The same by what earlier campaigns showed of customers like these, doubly robust; empty while none has matured",
            "the chance of who was drawn and who declined in them",
            nullable=True,
        ),
        Column(
            "sampled_share",
            "float",
            "Share of the customers on whom other budgets were solved; 1 where on all",
            unit="share",
            minimum=0,
            maximum=1,
        ),
    ),
    key=("budget_share",),
)
