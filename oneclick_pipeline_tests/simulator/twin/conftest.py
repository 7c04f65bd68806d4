from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import oneclick_pipeline
from oneclick_pipeline.contracts.customers import FEATURE_NAMES
from oneclick_pipeline.contracts.exports import CUSTOMERS, PERIODS_OF_REVENUE
from oneclick_pipeline.simulator.twin.draw import chunks, draw_activity, draw_codes
from oneclick_pipeline.simulator.twin.month import write_month
from oneclick_pipeline.simulator.twin.profile import Profile
from oneclick_pipeline.simulator.twin.quirks import Quirks
from oneclick_pipeline.simulator.twin.truth import probability_of_codes

STORE = Path(oneclick_pipeline.__file__).parents[2] / "shared/data/store"


def sample(profile, customers, seed):
    """Customers in memory, without the quirks of an export; all of them regular, with their true `p_decline`."""
    parts = []
    for start, stop, rng in chunks(customers, seed):
        codes = draw_codes(profile, stop - start, rng)
        parts.append(np.column_stack([codes, draw_activity(profile, codes, rng)]))
    codes = np.concatenate(parts)
    frame = pd.DataFrame({c.name: c.decode(codes[:, k]) for k, c in enumerate(profile.columns)})
    frame["activity"] = np.array(["stable", "declined"], dtype=object)[codes[:, -1]]
    frame["p_decline"] = codes[:, -2] / 1e6
    return frame[[*FEATURE_NAMES, "profit", "activity", "p_decline"]]


CLEAN = Quirks(
    non_regular=0.0,
    copies=0.0,
    misspelt_standard=0.0,
    misspelt_period=False,
    misspelt_category=False,
    customers_per_error=0,
    sorted_by_label=False,
    leaking_periods=False,
)
"""An export without quirks."""


def probability(profile, frame):
    """The true P(declined | x) of customers given by their features."""
    columns = profile.columns[: len(FEATURE_NAMES)]
    return probability_of_codes(profile, np.column_stack([c.encode(frame[c.name]) for c in columns]))


@pytest.fixture(scope="session")
def profile():
    return Profile.load()


@pytest.fixture(scope="session")
def customers(profile):
    """Twin customers, enough for tight bounds."""
    return sample(profile, 60_000, seed=1)


@pytest.fixture(scope="session")
def written(profile, tmp_path_factory):
    """Home with a month of 1,300 customers, all quirks, and its truth."""
    home = tmp_path_factory.mktemp("home")
    write_month(profile, home / "raw/2026-10", customers=1300, seed=20261, truth=home / "twin/2026-10.parquet")
    return home


@pytest.fixture(scope="session")
def real():
    """Customers of the real export as the features stage would give them."""
    if not STORE.is_dir():
        pytest.skip("the real export (../shared/data/store beside the project) is not on this machine")
    spelling = {
        "стандартт": "стандарт",
        "Косметика и аксесуары": "Косметика и аксессуары",
        "предыдцщий_месяц": "предыдущий_месяц",
    }
    customers = pd.read_csv(STORE / "market_file.csv").replace(spelling)
    customers = customers.rename(columns={c.header: c.name for c in CUSTOMERS.columns})
    for column in CUSTOMERS.columns:
        if column.values:
            customers[column.name] = customers[column.name].map(column.values)
    revenue = _wide("market_money", "Выручка", spelling)
    wrong = revenue["revenue_m0"] > 50_000
    revenue.loc[wrong, "revenue_m0"] = revenue.loc[~wrong, "revenue_m0"].median()
    profit = pd.read_csv(STORE / "money.csv", sep=";", decimal=",").set_axis(["customer_id", "profit"], axis=1)
    frame = customers.merge(revenue).merge(_wide("market_time", "минут", spelling)).merge(profit)
    return frame.assign(regular=(frame.filter(like="revenue_") > 0).all(axis=1))


def _wide(file, value, spelling):
    long = pd.read_csv(STORE / f"{file}.csv").replace(spelling)
    long["Период"] = long["Период"].map(PERIODS_OF_REVENUE)
    name = {"Выручка": "revenue_", "минут": "minutes_"}[value]
    return long.pivot_table(index="id", columns="Период", values=value).add_prefix(name).reset_index(names="customer_id")
