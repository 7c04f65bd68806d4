from __future__ import annotations

import pytest

from oneclick_pipeline.catalogue.reader import Catalogue
from oneclick_pipeline.settings import Offers, Settings
from oneclick_pipeline.simulator.twin.profile import Profile
from oneclick_pipeline.simulator.year import policies
from oneclick_pipeline.simulator.year.our_policy import FastPolicy
from oneclick_pipeline.simulator.year.play import Year, play
from oneclick_pipeline.simulator.year.worth import Worth


@pytest.fixture(scope="session")
def year():
    settings = Settings(offers=Offers(budget=20, offer_control_share=0.1))
    return Year(Profile.load(), Catalogue.bundled(), settings, 1500, 4, "2024-06", 1)


@pytest.fixture(scope="session")
def worth(year):
    return Worth(year.profile, customers=4000, seed=9, months=year.span)


@pytest.fixture(scope="session")
def ours():
    return FastPolicy()


@pytest.fixture(scope="session")
def plays(year, worth, ours):
    everyone = {
        "nobody": policies.nobody,
        "random": policies.random,
        "risk_profit": policies.risk_profit,
        "oracle": policies.oracle(worth),
        "ours": ours,
    }
    return {name: play(year, policy) for name, policy in everyone.items()}
