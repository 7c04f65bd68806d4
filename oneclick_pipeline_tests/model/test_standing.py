"""Champion against challenger in a store whose customers have a taste that no feature shows, and that stays for good."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from oneclick_pipeline.model import gates, predict, train
from oneclick_pipeline.model import standing as module
from oneclick_pipeline.model.metrics import roc_auc
from oneclick_pipeline.model.standing import REFITTED, Champion, standing
from oneclick_pipeline.model.training_set import KEY, hashes, in_canonical_order
from oneclick_pipeline.settings import Gates, Model

from .conftest import copies, make_features

MONTHS = [f"2026-{number:02}" for number in range(1, 7)]
FOREST = Model(
    families=("extra_trees",), folds=3, repeats=1, inner_folds=2, draws=1, nested_draws=1, out_of_time_months=0
)  # fmt: skip
SEEN = MONTHS[:3]
"""Months that the champion was trained on."""


def panel(customers=300, seed=1, *, taste=2.0):
    """Training rows of six months: by their habits customers are recognised, what they like does not follow from these."""
    rng = np.random.default_rng(seed)
    habits, likes, months = make_features(customers, seed), taste * rng.normal(size=customers), []
    for month in MONTHS:
        shown = rng.random(customers)
        declined = (rng.random(customers) < 1 / (1 + np.exp(5 * (shown - 0.5) - likes))).astype(int)
        months.append(
            habits.assign(
                minutes_m1=20 * shown, declined=declined, feature_month=month, label_month=month, label_source="delivered"
            )
        )
    rows = pd.concat(months, ignore_index=True)
    return in_canonical_order(rows.assign(copies=copies(rows), weight=1.0))


def of_months(rows, months):
    return rows[rows["feature_month"].isin(months)].reset_index(drop=True)


def champion_of(trained, rows):
    return Champion(1, trained.family, trained.metrics["roc_auc"].estimate, trained.pipeline, trained.out_of_fold, rows)


@pytest.fixture(scope="module")
def store():
    return panel()


@pytest.fixture(scope="module")
def champion(store):
    rows = of_months(store, SEEN)
    return champion_of(train(rows, FOREST), rows)


@pytest.fixture(scope="module")
def equal(store):
    """A challenger of the same family: three of its months the champion has not seen, but all of its customers."""
    return train(store, FOREST)


def differences(found):
    """ROC-AUC and log loss of the challenger less those of the champion, and whether it passes."""
    judged = gates.paired(found, Gates())
    return *(gate.figures["difference"] for gate in judged), all(gate.passed for gate in judged)


def remembered(trained, store, champion):
    """The challenger's ROC-AUC less that of a champion that knows the customers: what it predicts of months it has not seen."""
    rows = trained.out_of_fold.merge(store, on=KEY, validate="one_to_one")
    later = rows[~rows["feature_month"].isin(SEEN)]
    own, known = later["p_decline"].to_numpy(), predict(champion.pipeline, later)
    return roc_auc(later["declined"].to_numpy(), own) - roc_auc(later["declined"].to_numpy(), known)


def test_an_equal_challenger_passes_although_the_champion_knows_the_customers(store, champion, equal):
    found = standing(equal, store, champion, FOREST)
    auc, loss, passed = differences(found)
    assert found.basis == REFITTED
    assert len(found.rows) == len(store)
    assert remembered(equal, store, champion) < -0.03  # what no challenger could make good
    assert auc == pytest.approx(0, abs=0.02)
    assert loss == pytest.approx(0, abs=0.02)
    assert passed


def test_a_worse_challenger_fails(store, champion, equal):
    noise = np.random.default_rng(1).normal(0, 0.3, len(store))
    spoilt = (equal.predictions["p_decline"] + noise).clip(0.01, 0.99)
    worse = replace(equal, predictions=equal.predictions.assign(p_decline=spoilt))
    auc, loss, passed = differences(standing(worse, store, champion, FOREST))
    assert auc < -0.03
    assert loss > 0.03
    assert not passed


def test_a_better_challenger_passes_although_the_champion_knows_the_customers(store, equal):
    """A champion that has learned from blurred minutes, and knows every customer."""
    rows = of_months(store, SEEN)
    rows = in_canonical_order(rows.assign(minutes_m1=rows["minutes_m1"] + np.random.default_rng(2).normal(0, 6, len(rows))))
    blind = champion_of(train(rows, FOREST), rows)
    assert remembered(equal, store, blind) < -0.005
    auc, loss, passed = differences(standing(equal, store, blind, FOREST))
    assert auc > 0.02
    assert loss < -0.01
    assert passed


def test_copies_of_a_customer_are_not_seen_either(store, champion, equal, monkeypatch):
    """Two customers of whom one is a copy of the other in a month that only the champion has."""
    rows, learnt = champion.training, []
    pair = rows["customer_id"].drop_duplicates().head(2).to_numpy()
    linked = rows.assign(copies=rows["copies"].where(~rows["customer_id"].isin(pair), -1))
    monkeypatch.setattr(module, "refit", lambda pipeline, _family, data, _settings: learnt.append(data) or pipeline)
    standing(equal, store, replace(champion, training=linked), FOREST)
    fold = dict(zip(equal.out_of_fold["customer_id"], equal.predictions["fold"].sort_index(), strict=True))
    for number, data in enumerate(learnt):
        assert (data.copies == -1).any() == (number not in {fold[customer] for customer in pair})


def test_copies_under_another_number_are_not_seen_either(store, champion, equal, monkeypatch):
    """The champion knew the months under other customer numbers: it had learned the very rows that it was judged on."""
    rows, learnt = champion.training, []
    other = rows.assign(customer_id=rows["customer_id"] + 10**6)
    monkeypatch.setattr(module, "refit", lambda pipeline, _family, data, _settings: learnt.append(data) or pipeline)
    assert standing(equal, store, replace(champion, training=other), FOREST).basis == REFITTED
    folds = equal.predictions["fold"].sort_index().to_numpy()
    for number, data in enumerate(learnt):
        assert len(data.frame)
        assert not np.isin(hashes(data.frame), hashes(store[folds == number])).any()


def test_without_its_training_set_only_honest_probabilities_are_compared(store, champion, equal):
    """Out of fold where it was trained; a customer whom it has seen in another month is left out."""
    found = standing(equal, store, replace(champion, training=None), FOREST)
    assert len(found.rows) == len(champion.out_of_fold) == 900
    assert found.basis == (
        "its training set is no longer there, so of 1800 customers 900 are compared that it predicted out of fold, and 0 that "
        "it has seen in no month"
    )
    assert sorted(found.rows["champion"]) == sorted(champion.out_of_fold["p_decline"])
    assert differences(found)[0] == pytest.approx(0, abs=0.03)


def test_without_its_training_set_customers_it_never_saw_are_compared_as_it_predicts_them(store, champion, equal):
    known = champion.out_of_fold["customer_id"] % 2 == 0
    half = replace(champion, training=None, out_of_fold=champion.out_of_fold[known])
    found = standing(equal, store, half, FOREST)
    assert "450 are compared that it predicted out of fold, and 900 that it has seen in no month" in found.basis
    new = store[store["customer_id"] % 2 == 1]
    assert set(np.round(predict(champion.pipeline, new), 9)) <= set(np.round(found.rows["champion"], 9))


def test_without_its_training_set_and_new_customers_there_is_nothing_to_compare(store, champion, equal):
    late = replace(champion, training=None, out_of_fold=champion.out_of_fold.assign(feature_month="2025-01"))
    found = standing(equal, store, late, FOREST)
    assert found.rows.empty
    assert "0 are compared that it predicted out of fold, and 0" in found.basis
    assert [str(gate)[:24] for gate in gates.paired(found, Gates())] == ["passed: not enough data "] * 2


def test_a_champion_of_too_few_customers_is_not_fitted_again(store, champion, equal):
    few = replace(champion, training=champion.training.head(3))
    assert standing(equal, store, few, FOREST).basis.startswith("its training set is no longer there")


@pytest.mark.soak
def test_equal_challengers_pass_as_often_as_those_of_a_champion_that_knows_nobody():
    """Twenty stores: with tastes that the champion knows and a challenger of other months; and, beside, without tastes."""
    passed, auc = {2.0: 0, 0.0: 0}, {2.0: [], 0.0: []}
    for seed in range(101, 121):
        for taste in passed:
            store = panel(300, seed, taste=taste)
            rows = of_months(store, SEEN)
            champion = champion_of(train(rows, FOREST), rows)
            newer = of_months(store, MONTHS[3:])
            difference, _, well = differences(standing(train(newer, FOREST), newer, champion, FOREST))
            auc[taste].append(difference)
            passed[taste] += well
    assert abs(np.mean(auc[2.0])) < 2 * np.std(auc[2.0], ddof=1) / 20**0.5 + 0.003
    assert abs(passed[2.0] - passed[0.0]) <= 7  # two standard errors of twenty draws each
