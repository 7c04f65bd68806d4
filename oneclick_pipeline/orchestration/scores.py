"""Asset of stage scores."""

from collections.abc import Iterator
from typing import Any

import dagster as dg
import numpy as np
import pandas as pd

from oneclick_pipeline import model, scores, tables, tracking
from oneclick_pipeline.orchestration.checks import check
from oneclick_pipeline.orchestration.describe import FRESH, code_version, table_asset
from oneclick_pipeline.orchestration.home import Home

_NEAR = 0.05


@dg.asset(
    deps=["activity_model"],  # through the registry: the champion may be of another month
    freshness_policy=FRESH,
    **table_asset("customer_scores", code_version(scores, tables), {"pandas", "mlflow"}),
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
            held_out[held_out["feature_month"] == step.month],
            model_name=champion.name,
            model_version=champion.version,
            horizon_months=home.settings().value.horizon_months,
        )
        scored = table["score_basis"] != "not_scored"
        complete = len(table) == len(customer_features) and bool(table.loc[scored, "p_decline"].notna().all())
        classed = customer_features["activity"].notna().to_numpy() & scored.to_numpy() & table["regular"].to_numpy()
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


ASSETS = [customer_scores]
