"""What became of earlier campaigns, what offers changed, and what the next plan believes of them."""

from __future__ import annotations

from oneclick_pipeline.contracts.exports import CUSTOMER_ID
from oneclick_pipeline.contracts.offers import P_EXPLORE, SHARES
from oneclick_pipeline.contracts.schema import Column, Table, vocabulary

CAMPAIGN_OUTCOMES = Table(
    "campaign_outcomes",
    "campaigns",
    "One row per customer and earlier campaign, offered something or held out: what they were meant to get, and what "
    "happened to them",
    (
        Column("campaign_month", "str", "Snapshot month whose plan it was"),
        CUSTOMER_ID,
        Column("arm", "str", "What the customer was meant to get", values=vocabulary("offer", "control")),
        Column("offer_id", "str", "The offer; for a control, the one that would have been given; empty if none", nullable=True),
        Column("assignment", "str", "How the arm was assigned", values=vocabulary("plan", "exploration", "hold_out")),
        Column("propensity", "float", "Probability of this arm and offer", unit="probability", minimum=0, maximum=1),
        P_EXPLORE,
        *SHARES,
        Column("fits", "str", "Offers that fitted the customer, separated by commas"),
        Column("segment", "str", "Segment at the time"),
        Column("p_decline", "float", "Score at the time", unit="probability", minimum=0, maximum=1),
        Column("value", "float", "What it was worth to keep the customer from declining", unit="finance units", minimum=0),
        Column("cost", "float", "Cost of the offer given, 0 for controls", unit="finance units", minimum=0),
        Column(
            "revenue_before",
            "float",
            "Mean monthly revenue of the three months up to the campaign",
            unit="roubles",
            nullable=True,
        ),
        Column("profit_before", "float", "Mean monthly profit at the time", unit="finance units", nullable=True),
        Column("months_observed", "int", "Months after the campaign that snapshots cover so far, up to the horizon", minimum=0),
        Column(
            "revenue_after",
            "float",
            "Mean monthly revenue of those months; 0 for customers who vanished",
            unit="roubles",
            nullable=True,
        ),
        Column(
            "profit_after",
            "float",
            "Mean monthly profit of exactly the three months after the campaign, empty until their snapshot is there; 0 for "
            "customers who have vanished by then",
            unit="finance units",
            nullable=True,
        ),
        Column(
            "declined", "int", "1 declined, 0 stable; empty until the horizon has passed", nullable=True, minimum=0, maximum=1
        ),
        Column("vanished", "bool", "Whether the customer is in no file of the newest of these months"),
    ),
    key=("campaign_month", "customer_id"),
)


_INTERVAL_ENDS = (("", ""), ("_low", ", lower end of the 95 % interval"), ("_high", ", upper end of the 95 % interval"))


OFFER_EFFECTS = Table(
    "offer_effects",
    "campaigns",
    "One row per comparison and outcome: what an offer changed, measured against customers held out at random",
    (
        Column("campaigns", "str", "Campaign month, or `all`"),
        Column("offer_id", "str", "Offer, or `all`"),
        Column("segment", "str", "Segment, or `all`"),
        Column(
            "comparison",
            "str",
            "targeted: those the plan chose; fitting: explored among all whom the offer fits; pooled: both",
            values=vocabulary("targeted", "fitting", "pooled"),
        ),
        Column(
            "outcome",
            "str",
            "declined (share), revenue (roubles per month) or profit (finance units per month)",
            values=vocabulary("declined", "revenue", "profit"),
        ),
        Column("offered", "int", "Customers in the arm offer whose outcome is known", minimum=0),
        Column("controls", "int", "Customers in the arm control whose outcome is known", minimum=0),
        Column("mean_controls", "float", "Mean outcome of the controls", nullable=True),
        *(
            Column(f"effect{end}", "float", f"Offer minus control, adjusted for what was known beforehand{text}", nullable=True)
            for end, text in _INTERVAL_ENDS
        ),
        Column(
            "interval",
            "str",
            "What interval, p-value and smallest effect are for. fixed: a figure that is final when it is first read; "
            "always_valid: one that is read again and again while outcomes come in",
            values=vocabulary("fixed", "always_valid"),
        ),
        Column("standard_error", "float", "Standard error of the effect", nullable=True, minimum=0),
        Column(
            "p_value", "float", "p-value of the hypothesis that the offer changes nothing", nullable=True, minimum=0, maximum=1
        ),
        Column("significant", "bool", "Whether the effect is significant, allowing for the number of comparisons"),
        Column(
            "detectable_effect",
            "float",
            "Smallest effect that this many customers can show, at the power in the settings",
            nullable=True,
            minimum=0,
        ),
        Column("sample_ratio_p", "float", "p-value of the sample-ratio check", nullable=True, minimum=0, maximum=1),
        Column(
            "status",
            "str",
            "measured; not_enough_data; sample_ratio_mismatch: the split is broken, so nothing can be concluded from it",
            values=vocabulary("measured", "not_enough_data", "sample_ratio_mismatch"),
        ),
    ),
    key=("campaigns", "offer_id", "segment", "comparison", "outcome"),
)


OFFER_BELIEFS = Table(
    "offer_beliefs",
    "campaigns",
    "One row per offer and segment: what the next plan believes about the effect of the offer on P(decline)",
    (
        Column("offer_id", "str", "Offer"),
        Column("segment", "str", "Segment, or `all`"),
        Column("prior_mean", "float", "Effect on P(decline) that the catalogue expects; negative is good"),
        Column("prior_sd", "float", "Its standard deviation", minimum=0),
        Column("campaigns", "int", "Matured campaigns from which it was learned", minimum=0),
        Column("customers", "int", "Customers in those campaigns, offered and controls", minimum=0),
        Column("measured_mean", "float", "Effect measured in those campaigns", nullable=True),
        Column("measured_sd", "float", "Its standard error", nullable=True, minimum=0),
        Column("mean", "float", "Posterior mean: what the plan uses"),
        Column("sd", "float", "Posterior standard deviation", minimum=0),
    ),
    key=("offer_id", "segment"),
)
