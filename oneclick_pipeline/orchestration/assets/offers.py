"""Assets of stage offers: who gets which offer this month, and the file that the CRM loads."""

from collections.abc import Iterator, Sequence
from typing import Any

import dagster as dg
import pandas as pd

from oneclick_pipeline import campaigns, contracts, offers, pictures
from oneclick_pipeline.campaigns import evidence, ledger, worth
from oneclick_pipeline.campaigns.policy_value import PolicyValue
from oneclick_pipeline.catalogue import eligibility
from oneclick_pipeline.catalogue.offer import Offer
from oneclick_pipeline.contracts.customers import CUSTOMER_FEATURES, FEATURE_NAMES
from oneclick_pipeline.engine.batches import ROWS, Batches
from oneclick_pipeline.engine.files import read_metadata
from oneclick_pipeline.errors import AlreadyPublishedError
from oneclick_pipeline.offers import export, plan
from oneclick_pipeline.offers.backtest import compared
from oneclick_pipeline.orchestration.asset_specs import EXPECTED_GAIN, FRESH, OWNERS, code_version, table_asset
from oneclick_pipeline.orchestration.assets.campaigns import PAST, PAST_CAMPAIGNS, past_campaigns
from oneclick_pipeline.orchestration.checks import CHECKS, check
from oneclick_pipeline.orchestration.resources import Home, Months
from oneclick_pipeline.settings import Settings

_CODE = code_version(offers, campaigns, pictures, contracts)
_CERTIFIED = 0.001
_CATALOGUE = "oneclick_catalogue"
"""Key of the catalogue's digest in the file of the plan."""


class Replan(dg.Config):
    """Whether a plan that was published may be replaced."""

    replan: bool = False


@dg.asset(
    ins={"customer_features": dg.AssetIn(partition_mapping=PAST)},
    freshness_policy=FRESH,
    **table_asset("offer_plan", _CODE, {"pandas"}),
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
    """Give every customer one offer, or control, or nothing; see `offers.plan`."""
    with home.step(context) as step:
        settings, catalogue = home.settings(), home.catalogue()
        valid = catalogue.valid_in(step.month)
        features = customer_features.batches(step.month)
        past = past_campaigns(home, step.month, campaign_outcomes, customer_features)
        lessons = evidence.learn(past, settings)
        history = customer_features.sample(worth.MAX_ROWS, settings.model.seed)
        keeping = worth.learn(history, month=step.month, settings=settings)

        scored = customer_scores.only("customer_id", "p_decline", "value_at_risk", "model_version")
        customers = features.only(*_needed(valid)).beside(scored, customer_segments.only("customer_id", "segment"))
        planner = plan.Planner(
            valid,
            offer_beliefs,
            settings,
            month=step.month,
            cuts=eligibility.quantiles(valid, customers),
            by_segment=lessons.response is None,
        )
        looked = step.engine.map(
            customers, lambda some: planner.look(some, lessons.effects(some), None if keeping is None else keeping.of(some))
        )
        for part in looked:
            planner.add(part)
        made = planner.decide()
        ways = compared(past.outcomes, valid, lessons.held_out, seed=settings.model.seed)
        home.forget(PAST_CAMPAIGNS, step.month)
        told, staged = made.summary, step.stage_batches("offer_plan", made.tables(ROWS), {_CATALOGUE: catalogue.digest})
        given = (Batches("offer_plan", staged.path)["arm"] == "offer").to_numpy()
        consent = features["marketing_consent"][given]  # of the table itself: both are by customer
        over = [o.id for o in valid if o.capacity is not None and told.given.get(o.id, 0) > o.capacity]
        yield from step.publish(
            staged,
            checks=[
                check("offer_plan", "consent", passed=bool((consent == True).all()), offered=int(given.sum())),  # noqa: E712 - may be missing
                check(
                    "offer_plan",
                    "within_budget",
                    passed=told.cost <= told.budget * (1 + 1e-9),
                    cost=told.cost,
                    budget=told.budget,
                ),
                check("offer_plan", "within_capacities", passed=not over, offers=len(valid), over=", ".join(over)),
                check("offer_plan", "near_optimal", passed=told.gap <= _CERTIFIED, certified_gap=told.gap),
            ],
            metadata={
                "offer_plan": {
                    **{f"arm {arm}": int(n) for arm, n in told.arms.items()},
                    **{f"offered {offer}": int(n) for offer, n in told.given.items()},
                    "cost, finance units": told.cost,
                    "budget, finance units": told.budget,
                    EXPECTED_GAIN: (f"{told.expected_gain:.1f} ({told.expected_gain_low:.1f} to {told.expected_gain_high:.1f})"),
                    "the same by risk x profit, without controls": told.by_risk,
                    "the same without limits and controls": told.without_limits,
                    "smallest change of the share of decliners that this plan can show": told.detectable_effect,
                    "price of a unit of budget": told.price_of_budget,
                    "digest of the catalogue": catalogue.digest,
                    "effects": "of the catalogue" if lessons.response is None else "learnt from earlier campaigns",
                    "found beyond them by the DR-learner": "not asked: too few customers"
                    if lessons.learner is None
                    else f"{lessons.learner.slope.used:.0%} of what it sees",
                    "worth of a kept customer": _assumed(settings) if keeping is None else str(keeping),
                    "earlier campaigns": dg.MetadataValue.md(_ways(ways)),
                }
            },
        )


def _needed(offers: Sequence[Offer]) -> list[str]:
    """The columns of `customer_features` that a plan looks at: of the offers, and of what learnt from campaigns."""
    wanted = eligibility.columns(offers) | {"customer_id", *FEATURE_NAMES}
    return [name for name in CUSTOMER_FEATURES.names if name in wanted]


def _assumed(settings: Settings) -> str:
    """What the plan supposes of the worth of a kept customer while it has not been learnt."""
    months, share = settings.value.horizon_months, settings.offers.lost_share
    return f"assumed: {share:.0%} of the profit of {months} months, too little history to learn it"


def _ways(ways: list[PolicyValue]) -> str:
    """What ways of choosing would have earned, as a Markdown table."""
    if not ways:
        return "not enough data: no earlier campaign has matured"
    lines = ["| way of choosing | finance units a customer and month | 95 % interval | treated |", "| --- | --- | --- | --- |"]
    lines += [f"| {w.policy} | {w.value:.3f} | {w.low:.3f} to {w.high:.3f} | {w.treated:.0%} |" for w in ways]
    return "\n".join(lines)


@dg.asset(
    name="offers_export",
    group_name="offers",
    description=(
        "HOME/exports/<month>/offers.csv for the CRM, and the same plan in the ledger. Written once: another plan for a month "
        "that was published changes nothing and is told, unless the run is started with replan."
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
            yield check("offers_export", "published_as_planned", passed=False, why=str(error))
            yield dg.MaterializeResult(metadata={"published": "an earlier plan of this month stands; nothing was changed"})
            return
        yield check("offers_export", "published_as_planned", passed=True, offered=sent.offered, controls=sent.controls)
        yield dg.MaterializeResult(
            data_version=dg.DataVersion(sent.digest),
            metadata={
                "path": dg.MetadataValue.path(file.path),
                "customers with an offer": sent.offered,
                "customers held out": sent.controls,
                "written": "now" if sent.written or file.written else "before; the plan is the same",
                "ledger": dg.MetadataValue.path(sent.path),
                "catalogue": (
                    "the one that the plan was made with"
                    if read_metadata(offer_plan.path, _CATALOGUE) in ("", catalogue.digest)
                    else "changed since the plan was made: texts are those of now"
                ),
            },
        )


ASSETS = [offer_plan, offers_export]
