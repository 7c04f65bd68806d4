"""Assets of stage offers: who gets which offer this month, and the file that the CRM loads."""

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import dagster as dg
import pandas as pd

from oneclick_pipeline import campaigns, contracts, experiment, offers, pictures, stats, tracking
from oneclick_pipeline.campaigns import ledger, worth
from oneclick_pipeline.campaigns.dr_learner import Learner
from oneclick_pipeline.campaigns.policy_value import PolicyValue
from oneclick_pipeline.catalogue import eligibility
from oneclick_pipeline.catalogue.offer import Offer
from oneclick_pipeline.contracts.customers import CUSTOMER_FEATURES, FEATURE_NAMES
from oneclick_pipeline.engine.batches import ROWS, Batches
from oneclick_pipeline.engine.files import read_metadata
from oneclick_pipeline.errors import AlreadyPublishedError
from oneclick_pipeline.figures import figure
from oneclick_pipeline.offers import export, month_plan
from oneclick_pipeline.offers.budget_curve import budget_curve
from oneclick_pipeline.offers.curve_picture import curve_picture
from oneclick_pipeline.offers.plan_summary import Summary
from oneclick_pipeline.offers.summary_table import summary_table
from oneclick_pipeline.orchestration.asset_specs import FRESH, OWNERS, code_version, table_spec
from oneclick_pipeline.orchestration.assets.campaigns import PAST, PAST_CAMPAIGNS, past_campaigns
from oneclick_pipeline.orchestration.checks import CHECKS, Check, check
from oneclick_pipeline.orchestration.metadata import picture, table
from oneclick_pipeline.orchestration.resources import Home
from oneclick_pipeline.orchestration.table_months import Months
from oneclick_pipeline.stats import Z_95

_CODE = code_version(offers, campaigns, experiment, stats, pictures, contracts)
_TABLES = ("offer_plan", "plan_summary", "profit_curve")
_CERTIFIED = 0.001
_CATALOGUE = "oneclick_catalogue"
"""Key of the catalogue's digest in the file of the plan."""


class Replan(dg.Config):
    """Whether a plan that was published may be replaced."""

    replan: bool = False


def _outputs() -> dict[str, dg.AssetOut]:
    return {name: dg.AssetOut(**table_spec(name, _CODE, {"pandas"}), freshness_policy=FRESH) for name in _TABLES}


@dg.multi_asset(
    name="offer_plan",
    ins={"customer_features": dg.AssetIn(partition_mapping=PAST)},
    outs=_outputs(),
    check_specs=[spec for name in _TABLES for spec in CHECKS[name]],
)
def offer_plan(
    context: dg.AssetExecutionContext,
    home: Home,
    customer_features: Months,
    customer_scores: Batches,
    customer_segments: Batches,
    offer_beliefs: pd.DataFrame,
    campaign_outcomes: pd.DataFrame,
) -> Iterator[Any]:
    """Give every customer one offer, or control, or nothing; see `offers.planner`. Its figures are of the same plan."""
    with home.step(context) as step:
        catalogue, features = home.catalogue(), customer_features.batches(step.month)
        inputs = PlanInputs(customer_features, customer_scores, customer_segments, offer_beliefs, campaign_outcomes)
        made = opened(home, step.month, inputs)
        home.forget(PAST_CAMPAIGNS, step.month)
        decided = made.opened.decide()
        plan = decided.summary
        staged = step.stage_batches(decided.tables(ROWS), {_CATALOGUE: catalogue.digest}, "offer_plan")
        given = (Batches("offer_plan", staged.path)["arm"] == "offer").to_numpy()
        consent = features["marketing_consent"][given]  # of the table itself: both are by customer
        consented = bool((consent == True).all())  # noqa: E712 - may be missing
        curve, figures = budget_curve(made.opened, plan, made.earlier), _figures(home, made, plan)
        yield from step.publish_all(
            [staged, step.stage(figures, "plan_summary"), step.stage(curve, "profit_curve")],
            [
                check("consent", passed=consented, offered=int(given.sum())).of("offer_plan"),
                *(one.of("offer_plan") for one in _checks_of_plan(plan, catalogue.valid_in(step.month))),
                check("worth_its_cost", passed=not plan.offers or plan.expected_gain > 0, expected_gain=plan.expected_gain).of(
                    "plan_summary"
                ),
                _check_of_the_past(curve).of("profit_curve"),
            ],
            {
                "offer_plan": {"digest of the catalogue": catalogue.digest, **_facts_of_plan(made, plan)},
                "plan_summary": {str(name): value for name, value in figures.dropna(axis=1).to_dict("records")[0].items()},
                "profit_curve": {"gain by budget": picture(curve_picture(curve), "Expected gain against the budget")},
            },
        )


class PlanInputs(NamedTuple):
    """The tables that a plan is made of."""

    features: Months
    scores: Batches
    segments: Batches
    beliefs: pd.DataFrame
    outcomes: pd.DataFrame


def opened(home: Home, month: str, inputs: PlanInputs) -> month_plan.MonthPlan:
    """The plan of a month, still open."""
    settings, valid = home.settings(), home.catalogue().valid_in(month)
    scored = inputs.scores.only("customer_id", "p_decline", "value_at_risk", "model_version")
    segments = inputs.segments.only("customer_id", "segment")
    return month_plan.open_month(
        inputs.features.batches(month).only(*_needed(valid)).beside(scored, segments),
        valid,
        inputs.beliefs,
        past_campaigns(home, month, inputs.outcomes, inputs.features),
        inputs.features.sample(worth.MAX_ROWS, settings.model.seed),
        engine=home.tables(),
        month=month,
        settings=settings,
    )


def _figures(home: Home, made: month_plan.MonthPlan, plan: Summary) -> pd.DataFrame:
    """The table `plan_summary`."""
    versions = made.opened.everybody.version[:1].tolist()  # the whole month has one
    return summary_table(
        plan,
        month=made.opened.month,
        catalogue=home.catalogue().digest,
        learned=made.lessons.response is not None,
        worth=made.worth,
        forecast=any(not tracking.Tracking(home.root).version(int(number)).foretells_same_month for number in versions),
        settings=home.settings(),
    )


def _check_of_the_past(curve: pd.DataFrame) -> Check:
    """Whether earlier campaigns showed the gain that the plan expects: whether the intervals overlap."""
    own = curve[curve["budget_share"] == 1].iloc[0]
    known, figures = bool(pd.notna(own["past_gain"])), {"expected_gain": float(own["expected_gain"])}
    apart = own["past_gain_low"] > own["expected_gain_high"] or own["past_gain_high"] < own["expected_gain_low"]
    figures |= {"past_gain": float(own["past_gain"])} if known else {}
    return check("agrees_with_the_past", passed=not (known and apart), **figures).evaluated_if(known)


def _checks_of_plan(summary: Summary, offers: Sequence[Offer]) -> list[Check]:
    within = summary.cost <= summary.budget * (1 + 1e-9)
    over = [o.id for o in offers if o.capacity is not None and summary.given.get(o.id, 0) > o.capacity]
    return [
        check("within_budget", passed=within, cost=summary.cost, budget=summary.budget),
        check("within_capacities", passed=not over, offers=len(offers), over=", ".join(over)),
        check("near_optimal", passed=summary.gap <= _CERTIFIED, certified_gap=summary.gap),
    ]


def _facts_of_plan(made: month_plan.MonthPlan, summary: Summary) -> dict[str, Any]:
    """The results of a plan, and their basis."""
    lessons = made.lessons
    low, high = figure(summary.expected_gain_low), figure(summary.expected_gain_high)
    return {
        **{f"arm {arm}": int(n) for arm, n in summary.arms.items()},
        **{f"offered {offer}": int(n) for offer, n in summary.given.items()},
        "cost, finance units": summary.cost,
        "budget, finance units": summary.budget,
        "expected gain, finance units": f"{figure(summary.expected_gain)} ({low} to {high})",
        "expected gain by risk x profit, without controls": summary.by_risk,
        "expected gain without limits and controls": summary.without_limits,
        "smallest change of the share of decliners that this plan can show": summary.detectable_effect,
        **{
            f"smallest change of the share of decliners that {offer} alone can show": "too few controls"
            if math.isnan(least)
            else least
            for offer, least in summary.detectable_effects.items()
        },
        "price of a unit of budget": summary.price_of_budget,
        "effects": "from the catalogue" if lessons.response is None else "learned from earlier campaigns",
        "used of what the DR-learner sees beyond them": (
            "not used: too few customers" if lessons.learner is None else f"{lessons.learner.slope.used:.0%} of what it sees"
        ),
        **_beyond(lessons.learner),
        "worth of a kept customer": str(made.worth),
        "earlier campaigns": _ways(made.ways),
    }


def _beyond(learner: Learner | None) -> dict[str, str]:
    """What the DR-learner sees beyond the other effects, on average over the customers on whom an offer was measured."""
    if learner is None:
        return {}
    means = zip(learner.offers, learner.means, learner.standard_errors, strict=True)
    return {f"{o}: effect beyond": f"{mean:+.3f} ± {Z_95 * se:.3f}" for o, mean, se in means if not math.isnan(mean)}


def _needed(offers: Sequence[Offer]) -> list[str]:
    """The columns of `customer_features` that a plan looks at: for the offers, and for what was learned from campaigns."""
    wanted = eligibility.columns(offers) | {"customer_id", *FEATURE_NAMES}
    return [name for name in CUSTOMER_FEATURES.names if name in wanted]


def _ways(ways: list[PolicyValue]) -> dg.MarkdownMetadataValue:
    """What other ways of choosing would have earned."""
    if not ways:
        return dg.MetadataValue.md("not enough data: no earlier campaign has matured")
    header = ("assignment", "finance units per customer and month", "95 % interval", "treated", "by the model alone")
    shares = [(f"{w.treated:.0%}", f"{w.unsupported:.0%}") for w in ways]
    rows = [(w.policy, f"{w.value:.3f}", f"{w.low:.3f} to {w.high:.3f}", *share) for w, share in zip(ways, shares, strict=True)]
    return table(header, rows)


@dg.asset(
    name="offers_export",
    group_name="offers",
    description=(
        "HOME/exports/<month>/offers.csv for the CRM, and the same plan in the ledger. Written once: a different plan for "
        "a published month changes nothing (a check reports it), unless the run is started with replan."
    ),
    owners=[OWNERS["offers"]],
    kinds={"csv"},
    code_version=_CODE,
    check_specs=CHECKS["offers_export"],
)
def offers_export(
    context: dg.AssetExecutionContext, config: Replan, home: Home, offer_plan: Batches, customer_features: Batches
) -> Iterator[Any]:
    """Publish the plan; see `campaigns.ledger` and `offers.export`."""
    with home.step(context) as step:
        catalogue = home.catalogue()
        planned = offer_plan.where(lambda some: some["arm"] != "none")
        customers = planned.loc[planned["arm"] == "offer", "customer_id"]
        features = customer_features.where(lambda some: some["customer_id"].isin(customers))
        try:
            # The ledger first: what is not in it was not sent. A run that dies between the two is finished by the next.
            sent = ledger.publish(home.root, step.month, planned, replan=config.replan)
            file = export.write_export(home.root, step.month, planned, features, catalogue, replan=config.replan)
        except AlreadyPublishedError as error:
            yield from step.report([check("published_as_planned", passed=False, why=str(error))])
            yield step.materialized({"published": "an earlier plan of this month is in force; nothing was changed"})
            return
        yield from step.report([check("published_as_planned", passed=True, offered=sent.offered, controls=sent.controls)])
        same = read_metadata(offer_plan.path, _CATALOGUE) in ("", catalogue.digest)
        yield step.materialized(
            {
                "path": dg.MetadataValue.path(file.path),
                "customers with an offer": sent.offered,
                "customers held out": sent.controls,
                "written": "now" if sent.written or file.written else "earlier; the plan is the same",
                "ledger": dg.MetadataValue.path(sent.path),
                "catalogue": "that of the plan" if same else "changed since the plan: the texts are the current ones",
            },
            data_version=sent.digest,
        )


ASSETS = [offer_plan, offers_export]
