"""Assets of stage scores."""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

import dagster as dg
import numpy as np
import pandas as pd

from oneclick_pipeline import contracts, model, scores, tracking
from oneclick_pipeline.engine.batches import Batches
from oneclick_pipeline.orchestration.asset_specs import FRESH, code_version, table_asset
from oneclick_pipeline.orchestration.checks import check
from oneclick_pipeline.orchestration.metadata import origin
from oneclick_pipeline.orchestration.resources import Home
from oneclick_pipeline.scores.meaning import WORDS, sentence

_NEAR = 0.05


@dg.asset(
    deps=["activity_model"],  # through the registry: the champion may be from another month
    freshness_policy=FRESH,
    **table_asset("customer_scores", code_version(scores, contracts, model), {"pandas", "mlflow"}),
)
def customer_scores(context: dg.AssetExecutionContext, home: Home, customer_features: Batches) -> Iterator[Any]:
    """Score every customer with the champion; see `scores.customer_scores`."""
    with home.step(context) as step:
        store = tracking.Tracking(home.root)
        champion = store.require_champion()
        held_out = store.out_of_fold(champion)
        predict = store.shipped(champion)
        score = partial(
            scores.customer_scores,
            predict=predict,
            contributions=model.Contributions.from_json(store.contributions(champion)),
            out_of_fold=held_out[held_out["feature_month"] == step.month],
            model_name=champion.name,
            model_version=champion.version,
            horizon_months=home.settings().value.horizon_months,
            meaning=champion.meaning,
        )
        threads = 1 if model.changes_warnings(predict.open()) else None
        staged = step.apply(customer_features, score, threads)
        # A model of later classes forecasts those: the class of this month would be the wrong one to check it against.
        outcome = _outcome(Batches("customer_scores", staged.path), customer_features, classes=champion.foretells_same_month)
        yield from step.publish(
            staged,
            checks=[
                check(
                    "every_customer",
                    passed=staged.rows == len(customer_features) and outcome.without_p == 0,
                    customers=len(customer_features),
                    rows=staged.rows,
                    scored=outcome.scored,
                ),
                check(
                    "scores_match_reality",
                    passed=not outcome.classed or abs(outcome.declined - outcome.expected) < _NEAR,
                    **(
                        {"share_declined": outcome.declined, "mean_p_decline": outcome.expected}
                        if outcome.classed
                        else {"classed": 0}
                    ),
                ).evaluated_if(outcome.classed > 0),
            ],
            metadata={
                "what p_decline is about": sentence(champion.meaning, step.month, home.settings().value.horizon_months),
                "model": f"{champion.name} version {champion.version}",
                "trained on": ", ".join(champion.feature_months),
                **{f"scored {basis}": n for basis, n in sorted(outcome.bases.items())},
                f"{WORDS[champion.meaning].value.lower()}, finance units": outcome.value_at_risk,
                **origin("customer_scores"),
            },
        )


class _Outcome(NamedTuple):
    """A summary of a table of scores, and of the classes that it can be checked against.

    Attributes:
        bases: Customers by basis of the score.
        without_p: Customers who are scored and have no probability: none, or something is wrong.
        value_at_risk: Of all customers, finance units.
        classed: Regular customers with a score and a class.
        declined: Share of them who declined.
        expected: Their mean probability.
    """

    bases: Mapping[str, int]
    without_p: int
    value_at_risk: float
    classed: int
    declined: float
    expected: float

    @property
    def scored(self) -> int:
        """Customers with a score."""
        return sum(n for basis, n in self.bases.items() if basis != "not_scored")


def _outcome(table: Batches, features: Batches, *, classes: bool) -> _Outcome:
    """A summary of a table of scores; one column at a time is in memory."""
    p, scored = table["p_decline"], (table["score_basis"] != "not_scored").to_numpy()
    activity = features["activity"] if classes else pd.Series(index=p.index, dtype=object)
    classed = scored & table["regular"].to_numpy(dtype=bool) & activity.notna().to_numpy()
    known = bool(classed.any())
    return _Outcome(
        bases={str(basis): int(n) for basis, n in table["score_basis"].value_counts().items() if n},
        without_p=int(p[scored].isna().sum()),
        value_at_risk=float(table["value_at_risk"].sum()),
        classed=int(classed.sum()),
        declined=float((activity[classed] == "declined").mean()) if known else np.nan,
        expected=float(p[classed].mean()) if known else np.nan,
    )


ASSETS = [customer_scores]
