"""Assets of stage campaigns: what earlier offers achieved, and what the next plan may believe about them."""

from collections.abc import Iterator
from typing import Any

import dagster as dg
import pandas as pd

from oneclick_pipeline import campaigns, contracts, experiment, pictures, stats
from oneclick_pipeline.campaigns import beliefs, evidence, ledger, outcomes
from oneclick_pipeline.campaigns import offer_effects as measured
from oneclick_pipeline.campaigns import pictures as drawn
from oneclick_pipeline.catalogue import reader
from oneclick_pipeline.orchestration.asset_specs import OWNERS, code_version, table_asset
from oneclick_pipeline.orchestration.checks import check
from oneclick_pipeline.orchestration.metadata import picture
from oneclick_pipeline.orchestration.resources import Home
from oneclick_pipeline.orchestration.table_months import Months

_CODE = code_version(campaigns, experiment, stats, pictures, contracts)
WINDOW = 60 + 12 - 1
"""Months before its own that outcomes may reach: the most that the settings allow, history and horizon."""
PAST_CAMPAIGNS = "past campaigns"
PAST = dg.TimeWindowPartitionMapping(start_offset=-WINDOW)

campaign_ledger = dg.AssetSpec(
    "campaign_ledger",
    group_name="campaigns",
    description=(
        "What was really sent in every month, and who was deliberately sent nothing: HOME/ledger/<month>.parquet. Publishing a "
        "plan writes it, once; a CRM's own log may replace it for a month. External: the loop closes outside the graph, "
        "as it does in reality."
    ),
    owners=[OWNERS["campaigns"]],
    kinds={"parquet"},
)


@dg.asset(
    ins={"customer_features": dg.AssetIn(partition_mapping=PAST)},
    deps=[dg.AssetDep(campaign_ledger, partition_mapping=dg.TimeWindowPartitionMapping(start_offset=-WINDOW, end_offset=-1))],
    **table_asset("campaign_outcomes", _CODE, {"pandas"}),
)
def campaign_outcomes(context: dg.AssetExecutionContext, home: Home, customer_features: Months) -> Iterator[Any]:
    """Join earlier plans with what later snapshots show; see `campaigns.outcomes`."""
    with home.step(context) as step:
        settings = home.settings()
        months = [m for m in ledger.published_months(home.root) if m < step.month][-settings.campaigns.history_months :]
        sent = ledger.read(home.root, months, settings.offers)
        table = outcomes.campaign_outcomes(
            sent,
            customer_features.only(*outcomes.COLUMNS),
            month=step.month,
            horizon=settings.value.horizon_months,
            rules=settings.labels,
            history=settings.campaigns.history_months,
        )
        inferred = ledger.without_probabilities(home.root, months)
        campaigns_seen = table["campaign_month"].nunique()
        expected = int(sent["campaign_month"].isin(table["campaign_month"].unique()).sum())
        yield from step.publish(
            step.stage(table),
            checks=[check("nobody_lost", passed=len(table) == expected, customers=len(table), in_ledger=expected)],
            metadata={
                "campaigns published": len(months),
                "campaigns with an outcome": campaigns_seen,
                "campaigns matured": table.loc[table["declined"].notna(), "campaign_month"].nunique(),
                "vanished": int(table["vanished"].sum()),
                **({"old ledgers with inferred probabilities": ", ".join(inferred)} if inferred else {}),
            },
        )


@dg.asset(**table_asset("offer_effects", _CODE, {"pandas"}))
def offer_effects(context: dg.AssetExecutionContext, home: Home, campaign_outcomes: pd.DataFrame) -> Iterator[Any]:
    """Measure what the offers changed; see `campaigns.offer_effects`."""
    with home.step(context) as step:
        settings = home.settings()
        table = measured.offer_effects(campaign_outcomes, settings.campaigns)
        broken = table[table["status"] == "sample_ratio_mismatch"]
        shown: dict[str, Any] = {str(status): int(n) for status, n in table["status"].value_counts().sort_index().items()}
        if (table["status"] == "measured").any():
            shown["intervals"] = (
                "Declines and profit of one campaign: for one reading, they are final when first read. Revenue, and all "
                "campaigns together: always valid, they hold however often they are read while outcomes come in."
            )
            shown["effects over time"] = picture(drawn.forest(table), "Effect of every offer with its interval")
        yield from step.publish(
            step.stage(table),
            checks=[
                check(
                    "split_as_planned",
                    passed=broken.empty,
                    broken=len(broken),
                    which=", ".join(sorted({f"{r.offer_id} {r.campaigns}" for r in broken.itertuples()})),
                )
            ],
            metadata=shown,
        )


def past_campaigns(home: Home, month: str, campaign_outcomes: pd.DataFrame, customer_features: Months) -> evidence.Past:
    """What earlier campaigns show: read, and the response to offers learned from it, once in a run for beliefs and plan."""

    def read() -> evidence.Past:
        settings = home.settings()
        rows = outcomes.sampled(campaign_outcomes, settings.campaigns.max_rows, settings.model.seed)
        months = set(rows["campaign_month"]).intersection(ledger.published_months(home.root))
        rows = outcomes.with_probabilities(rows, ledger.read(home.root, months, settings.offers))
        before = outcomes.known_before(rows, customer_features.of(rows["customer_id"]))
        return evidence.Past.of(rows, before, reader.priors(home.catalogue().valid_in(month)))

    return home.once(PAST_CAMPAIGNS, month, read)


@dg.asset(ins={"customer_features": dg.AssetIn(partition_mapping=PAST)}, **table_asset("offer_beliefs", _CODE, {"pandas"}))
def offer_beliefs(
    context: dg.AssetExecutionContext,
    home: Home,
    customer_features: Months,
    campaign_outcomes: pd.DataFrame,
    offer_effects: pd.DataFrame,
) -> Iterator[Any]:
    """Start from what the catalogue expects, and learn from all campaigns how customers respond; see `campaigns.beliefs`."""
    with home.step(context) as step:
        past = past_campaigns(home, step.month, campaign_outcomes, customer_features)
        table = beliefs.offer_beliefs(past.priors, offer_effects, past.response, past.outcomes, past.before)
        whole = table[table["segment"] == "all"].set_index("offer_id")
        apart = beliefs.apart(table)
        yield from step.publish(
            step.stage(table),
            checks=[
                check(
                    "every_offer",
                    passed=set(whole.index) == set(past.priors["offer_id"]),
                    offers=len(past.priors),
                    believed=len(whole),
                ),
                check("as_measured", passed=apart <= beliefs.FAR, standard_errors_apart=apart),
            ],
            metadata={f"{name}: effect on P(decline)": f"{b['mean']:+.3f} ± {b['sd']:.3f}" for name, b in whole.iterrows()}
            | ({} if past.response is None else past.response.summary()),
        )


ASSETS = [campaign_ledger, campaign_outcomes, offer_effects, offer_beliefs]
