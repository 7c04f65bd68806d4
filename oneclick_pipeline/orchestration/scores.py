"""Assets of stage scores."""

from collections.abc import Iterator
from typing import Any

import dagster as dg
import numpy as np
import pandas as pd

from oneclick_pipeline import model, pictures, scores, tables, tracking
from oneclick_pipeline.orchestration.checks import check
from oneclick_pipeline.orchestration.describe import FRESH, code_version, picture, table_asset
from oneclick_pipeline.orchestration.home import Home

_NEAR = 0.05


@dg.asset(
    deps=["activity_model"],  # through the registry: the champion may be of another month
    freshness_policy=FRESH,
    **table_asset("customer_scores", code_version(scores, tables, model), {"pandas", "mlflow"}),
)
def customer_scores(context: dg.AssetExecutionContext, home: Home, customer_features: pd.DataFrame) -> Iterator[Any]:
    """Score every customer with the champion; see `scores.customer_scores`."""
    with home.step(context) as step:
        store = tracking.Tracking(home.root)
        champion = store.require_champion()
        pipeline = store.load(champion)
        held_out = store.out_of_fold(champion)
        table = scores.customer_scores(
            customer_features,
            lambda rows: model.predict(pipeline, rows),
            model.Effects.from_json(store.effects(champion)),
            held_out[held_out["feature_month"] == step.month],
            model_name=champion.name,
            model_version=champion.version,
            horizon_months=home.settings().value.horizon_months,
        )
        scored = table["score_basis"] != "not_scored"
        complete = len(table) == len(customer_features) and bool(table.loc[scored, "p_decline"].notna().all())
        # A model of later classes foretells those: the class of this month would be the wrong one to hold it against.
        classed = customer_features["activity"].notna().to_numpy() & scored.to_numpy() & table["regular"].to_numpy()
        classed &= champion.foretells_same_month
        observed = float((customer_features.loc[classed, "activity"] == "declined").mean()) if classed.any() else np.nan
        expected = float(table.loc[classed, "p_decline"].mean()) if classed.any() else np.nan
        yield from step.publish(
            step.stage("customer_scores", table),
            checks=[
                check(
                    "customer_scores",
                    "every_customer",
                    passed=complete,
                    customers=len(customer_features),
                    rows=len(table),
                    scored=int(scored.sum()),
                ),
                check(
                    "customer_scores",
                    "scores_match_reality",
                    passed=not classed.any() or abs(observed - expected) < _NEAR,
                    **({"share_declined": observed, "mean_p_decline": expected} if classed.any() else {"classed": 0}),
                ),
            ],
            metadata={
                "customer_scores": {
                    "model": f"{champion.name} version {champion.version}",
                    "trained on": ", ".join(champion.feature_months),
                    **{f"scored {basis}": int(n) for basis, n in table["score_basis"].value_counts().sort_index().items()},
                    "value at risk, finance units": float(table["value_at_risk"].sum()),
                }
            },
        )


@dg.asset(freshness_policy=FRESH, **table_asset("profit_curve", code_version(scores, pictures, tables), {"pandas", "mlflow"}))
def profit_curve(
    context: dg.AssetExecutionContext, home: Home, customer_scores: pd.DataFrame, customer_features: pd.DataFrame
) -> Iterator[Any]:
    """Weigh what offers would earn against what they cost; see `scores.profit_curve`."""
    with home.step(context) as step:
        store, assumed = tracking.Tracking(home.root), home.settings().value
        comparable = all(store.version(int(number)).foretells_same_month for number in customer_scores["model_version"].unique())
        classes = customer_features[["customer_id", "activity"]]
        curve = scores.profit_curve(customer_scores, classes if comparable else classes.head(0), assumed)
        best = curve.best
        realised: dict[str, float] = {"treated with a known class": best.realised_customers}
        if best.realised_customers:
            realised |= {"realised, finance units": best.realised, "realised at random, finance units": best.realised_random}
        yield from step.publish(
            step.stage("profit_curve", curve.table),
            checks=[
                check("profit_curve", "worth_treating", passed=best.customers > 0, customers=best.customers, best=str(best)),
                check(
                    "profit_curve",
                    "beats_random",
                    passed=not best.realised < best.realised_random,  # neither is known where no class is
                    **realised,
                ),
            ],
            metadata={
                "profit_curve": {
                    "profit by share treated": picture(
                        scores.profit_picture(curve, assumed), "Profit over the share of customers treated"
                    ),
                    "best: treat": str(best),
                    "expected profit, finance units": best.profit,
                    "break-even p_decline at the median value": (
                        f"{curve.break_even:.1%}" if curve.break_even <= 1 else "above 100 %: treating does not pay"
                    ),
                    "assumption": (
                        f"an offer costs {assumed.offer_cost:g} finance units and keeps {assumed.saved_share:.0%} of the "
                        f"decliners for {assumed.horizon_months} months; assumed in the settings until campaigns measure it"
                    ),
                    "customers on the curve": curve.customers,
                    "customers left out: not regular, no score or no profit": curve.left_out,
                    **realised,
                }
            },
        )


ASSETS = [customer_scores, profit_curve]
