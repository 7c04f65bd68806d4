from pathlib import Path

import pandas as pd
import pytest

from oneclick_pipeline.contracts.exports import CUSTOMERS, PERIODS_OF_REVENUE
from oneclick_pipeline.simulator.twin.draw import sample
from oneclick_pipeline.simulator.twin.month import write_month
from oneclick_pipeline.simulator.twin.profile import Profile

STORE = Path(__file__).resolve().parents[2] / "../shared/data/store"


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
