"""A small store: customers whose class depends on what they do, with an id and a row order that give it away."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from oneclick_pipeline.contracts.customers import CUSTOMER_FEATURES
from oneclick_pipeline.contracts.exports import CUSTOMERS, PERIODS_OF_REVENUE
from oneclick_pipeline.model import TrainedModel, train, training_set
from oneclick_pipeline.model.training_set import _groups, hashes
from oneclick_pipeline.settings import Labels, Model

if TYPE_CHECKING:
    from pathlib import Path

QUICK = Model(folds=3, repeats=1, inner_folds=2, draws=8, nested_draws=4)


def copies(table: pd.DataFrame) -> pd.Series:
    """The groups of rows that no fold may split."""
    return pd.Series(_groups(table, hashes(table)), index=table.index)


def make_features(customers: int = 240, seed: int = 1, *, signal: float = 1.0) -> pd.DataFrame:
    """`customer_features` of a store; sorted by class, like the real export, so that id and row order tell it."""
    rng = np.random.default_rng(seed)
    mood = rng.normal(size=customers)
    declined = rng.random(customers) < 1 / (1 + np.exp(0.5 - 4 * signal * mood))

    def around(mean: float, sd: float, weight: float) -> np.ndarray:
        return np.maximum(0, mean + sd * (weight * mood + rng.normal(size=customers)))

    frame = pd.DataFrame(
        {
            "activity": np.where(declined, "declined", "stable"),
            "service_level": rng.choice(["standard", "premium"], customers),
            "marketing_consent": rng.random(customers) < 0.7,
            "contacts_6m": around(4, 1, -0.5),
            "contacts_month": rng.integers(3, 6, customers),
            "tenure_days": rng.integers(100, 1100, customers),
            "promo_share": rng.random(customers),
            "favourite_category": rng.choice(["Косметика и аксессуары", "Товары для детей", "Кухонная посуда"], customers),
            "categories_per_visit": around(3, 1, -1),
            "unpaid_items": np.round(around(3, 1, 1)).astype(int),
            "service_errors": rng.integers(0, 9, customers),
            "pages_per_visit": around(8, 3, -1.5),
            "revenue_m0": around(5000, 500, 0),
            "revenue_m1": around(4900, 500, -1),
            "revenue_m2": around(4800, 300, -1),
            "minutes_m0": around(13, 3, -1.5),
            "minutes_m1": around(13, 3, -1.2),
            "profit": rng.normal(4, 1, customers),
            "regular": True,
            "regular_reason": "regular",
            "missing_from": "",
        }
    ).sort_values("activity", ignore_index=True)
    frame["customer_id"] = np.arange(215_000, 215_000 + customers)
    return frame[CUSTOMER_FEATURES.names]


def label(features: pd.DataFrame) -> pd.DataFrame:
    """The training set of a single month."""
    return training_set({"2026-10": features}, month="2026-10", horizon=3, settings=Labels())


def make_training(customers: int = 240, seed: int = 1, *, signal: float = 1.0) -> pd.DataFrame:
    return label(make_features(customers, seed, signal=signal))


@pytest.fixture(scope="session")
def features() -> pd.DataFrame:
    return make_features()


@pytest.fixture(scope="session")
def training() -> pd.DataFrame:
    return make_training()


@pytest.fixture(scope="session")
def trained(training: pd.DataFrame) -> TrainedModel:
    return train(training, QUICK)


def real_features(folder: Path) -> pd.DataFrame:
    """The store's real export as `customer_features`, by the shortest way."""
    market = pd.read_csv(folder / "market_file.csv").rename(columns={c.header: c.name for c in CUSTOMERS.columns})
    market["activity"] = market["activity"].map({"Снизилась": "declined", "Прежний уровень": "stable"})
    market["marketing_consent"] = market["marketing_consent"] == "да"
    for file, column, name in (("market_money", "Выручка", "revenue"), ("market_time", "минут", "minutes")):
        rows = pd.read_csv(folder / f"{file}.csv")
        period = rows["Период"].str.replace("предыдцщий", "предыдущий").map(PERIODS_OF_REVENUE)
        wide = rows.assign(period=period).pivot_table(index="id", columns="period", values=column).add_prefix(f"{name}_")
        market = market.merge(wide, left_on="customer_id", right_index=True)
    market.loc[market["revenue_m0"] > 100_000, "revenue_m0"] = market["revenue_m0"].median()
    regular = (market[["revenue_m0", "revenue_m1", "revenue_m2"]] > 0).all(axis=1)
    return market.assign(regular=regular)
