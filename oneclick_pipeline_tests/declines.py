"""A panel of the twin scored by the house's own functions, and how many of each segment's intervals hold what they are about."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from oneclick_pipeline.home.months import add_months
from oneclick_pipeline.model import predict, train, training_set
from oneclick_pipeline.model.decline import REVENUES
from oneclick_pipeline.segments import customer_segments, segment_profiles, thresholds
from oneclick_pipeline.settings import Labels, Model, Segments
from oneclick_pipeline.simulator.twin.panel import Panel
from oneclick_pipeline.simulator.twin.profile import Profile

if TYPE_CHECKING:
    from oneclick_pipeline.model import TrainedModel

FIRST, HORIZON = "2024-01", 3
LOGISTIC = Model(families=("logistic_regression",), draws=2, nested_draws=2, repeats=1, inner_folds=3, out_of_time_months=0)
"""One family and few draws: a second per training."""


class Store(NamedTuple):
    """A store's first months: `customer_features` by month, and by customer whether each declines in the three months after."""

    features: dict[str, pd.DataFrame]
    declines: dict[str, pd.Series]

    @classmethod
    def live(cls, months: int, *, customers: int, seed: int) -> Store:
        """Let a store of the twin live so many months without offers."""
        panel, store = Panel.open(Profile.load(), customers=customers, seed=seed, month=FIRST), cls({}, {})
        for _ in range(months):
            month, shown = panel.month, panel.snapshot()
            regular = (shown[list(REVENUES)] > 0).all(axis=1)
            store.features[month] = shown.drop(columns="p_decline").assign(
                regular=regular, regular_reason=np.where(regular, "regular", "no_revenue"), missing_from=""
            )
            store.declines[month] = panel.advance().set_index("customer_id")["declines"].astype(int)
        return store

    def model(self, month: str, settings: Model = LOGISTIC) -> TrainedModel:
        """What `retrain` of a month makes of the months up to it."""
        known = {m: table for m, table in self.features.items() if m <= month}
        return train(training_set(known, month=month, horizon=HORIZON, settings=Labels()), settings)

    def profiles(self, month: str, model: TrainedModel) -> tuple[pd.DataFrame, pd.DataFrame]:
        """`segment_profiles` and `customer_segments` of a month by a model."""
        shown, held_out = self.features[month], model.out_of_fold
        own = held_out[held_out["feature_month"] == month].set_index("customer_id")["p_decline"].reindex(shown["customer_id"])
        p = np.where(own.isna(), predict(model.pipeline, shown), own)
        scores = shown[["customer_id", "regular", "profit"]].assign(
            p_decline=p, value_at_risk=p * shown["profit"].clip(lower=0) * HORIZON
        )
        placed = customer_segments(scores, thresholds(scores, Segments()))
        return segment_profiles(placed, shown, model.band_errors, meaning=model.meaning), placed


def held(profiles: pd.DataFrame, placed: pd.DataFrame, declined: pd.Series) -> pd.DataFrame:
    """By segment with an interval: expected and true declines and profit, and whether the intervals hold them.

    Args:
        profiles: `segment_profiles`.
        placed: `customer_segments`, whose `value_at_risk` over `p_decline` is what a customer earns in the horizon.
        declined: Whether each customer declined, by customer.
    """
    came = placed["customer_id"].map(declined).to_numpy(dtype=float)
    earns = (placed["value_at_risk"] / placed["p_decline"]).to_numpy()
    rows = []
    for row in profiles.dropna(subset=["expected_declines"]).to_dict("records"):
        inside = (placed["segment"] == row["segment"]) if row["segment"] != "all" else (placed["segment"] != "irregular")
        true = {"expected_declines": came[inside].sum(), "value_at_risk": (came * earns)[inside].sum()}
        rows.append({"segment": row["segment"], "customers": row["customers"]} | {
            name: row[f"{name}_low"] <= value <= row[f"{name}_high"] for name, value in true.items()
        } | {"expected": row["expected_declines"], "true": true["expected_declines"],
             "low": row["expected_declines_low"], "high": row["expected_declines_high"]})  # fmt: skip
    return pd.DataFrame(rows)


def later(month: str) -> str:
    """The month that shows what became of a month's customers."""
    return add_months(month, HORIZON)
