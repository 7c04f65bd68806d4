"""Assets of stage scores."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import dagster as dg
import narwhals as nw
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
def customer_scores(context: dg.AssetExecutionContext, home: Home, customer_features: nw.LazyFrame) -> Iterator[Any]:
    """Score every customer with the champion; see `scores.customer_scores`."""
    with home.step(context) as step:
        store = tracking.Tracking(home.root)
        champion = store.require_champion()
        held_out = store.out_of_fold(champion)
        score = partial(
            scores.customer_scores,
            predict=store.shipped(champion),
            effects=model.Effects.from_json(store.effects(champion)),
            out_of_fold=held_out[held_out["feature_month"] == step.month],
            model_name=champion.name,
            model_version=champion.version,
            horizon_months=home.settings().value.horizon_months,
        )
        staged = step.stage("customer_scores", step.engine.apply(customer_features, score, tables.TABLES["customer_scores"]))
        table = step.engine.scan(staged.path)
        customers = int(customer_features.select(nw.len()).collect().item())
        bases = _bases(table)
        scored = staged.rows - bases.get("not_scored", (0, 0))[0]
        # A model of later classes foretells those: the class of this month would be the wrong one to hold it against.
        classed, observed, expected = _classed(table, customer_features) if champion.foretells_same_month else (0, 0.0, 0.0)
        yield from step.publish(
            staged,
            checks=[
                check(
                    "customer_scores",
                    "every_customer",
                    passed=staged.rows == customers
                    and all(rows == known for b, (rows, known) in bases.items() if b != "not_scored"),
                    customers=customers,
                    rows=staged.rows,
                    scored=scored,
                ),
                check(
                    "customer_scores",
                    "scores_match_reality",
                    passed=not classed or abs(observed - expected) < _NEAR,
                    **({"share_declined": observed, "mean_p_decline": expected} if classed else {"classed": 0}),
                ),
            ],
            metadata={
                "customer_scores": {
                    "model": f"{champion.name} version {champion.version}",
                    "trained on": ", ".join(champion.feature_months),
                    **{f"scored {basis}": rows for basis, (rows, _) in bases.items()},
                    "value at risk, finance units": float(table.select(nw.col("value_at_risk").sum()).collect().item()),
                }
            },
        )


def _bases(table: nw.LazyFrame) -> dict[str, tuple[int, int]]:
    """By basis of the score: customers, and those of them with a probability."""
    known = (~nw.col("p_decline").is_null()).cast(nw.Int64()).alias("known")
    found = table.select("score_basis", known).group_by("score_basis").agg(nw.len().alias("rows"), nw.col("known").sum())
    return {
        row[0]: (row[1], row[2]) for row in found.sort("score_basis").select("score_basis", "rows", "known").collect().iter_rows()
    }


def _classed(table: nw.LazyFrame, features: nw.LazyFrame) -> tuple[int, float, float]:
    """Regular customers with a score and a class: how many, the share of declined ones, the mean probability."""
    scored = table.filter(nw.col("regular") & (nw.col("score_basis") != "not_scored")).select("customer_id", "p_decline")
    classes = features.filter(~nw.col("activity").is_null()).select("customer_id", "activity")
    both = scored.join(classes, on="customer_id", how="inner").with_columns(
        (nw.col("activity") == "declined").cast(nw.Int64()).alias("declined")
    )
    told = both.select(nw.len().alias("rows"), nw.col("declined").mean(), nw.col("p_decline").mean()).collect().row(0)
    return int(told[0]), float(told[1] or 0), float(told[2] or 0)


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
