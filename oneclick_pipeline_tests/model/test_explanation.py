"""Permutation importance and Shapley values: the features that decide are found, the others are not."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.tree import DecisionTreeClassifier

from oneclick_pipeline import pictures
from oneclick_pipeline.contracts.customers import FEATURE_NAMES
from oneclick_pipeline.contracts.model import MODEL_EXPLANATION
from oneclick_pipeline.model.attribution import CONTRIBUTION, explain
from oneclick_pipeline.model.candidates import preprocessor
from oneclick_pipeline.model.explanation import _spread, beeswarm, dependence, importance, model_explanation
from oneclick_pipeline.model.training_set import inputs
from oneclick_pipeline.settings import Model

SETTINGS = Model(folds=4)


def linear():
    return Pipeline([("prepare", preprocessor("one_hot", "standard")), ("classify", LogisticRegression())])


@pytest.fixture(scope="module")
def found(labelled):
    return explain(linear().fit(inputs(labelled), labelled["declined"]), labelled, SETTINGS)


@pytest.fixture(scope="module")
def explained(labelled, found):
    return model_explanation(linear(), labelled, found.sample, SETTINGS)


@pytest.fixture(scope="module")
def labelled(training):
    """The training set, its label decided by one feature alone, but for some noise."""
    rng = np.random.default_rng(0)
    value = training["minutes_m0"].astype(float)
    return training.assign(declined=(value + rng.normal(0, value.std() / 4, len(value)) > value.median()).astype(int))


def test_the_feature_that_decides_is_first_and_beyond_doubt(explained):
    first = explained.iloc[0]
    assert first["feature"] == "minutes_m0"
    assert first["log_loss_increase_low"] > 0.1
    assert first["roc_auc_decrease_low"] > 0.1


def test_what_does_not_decide_costs_nothing(explained):
    rest = explained[~explained["feature"].isin(["minutes_m0", "minutes_m1"])]
    assert rest["log_loss_increase"].abs().max() < 0.1
    assert (rest["log_loss_increase_low"] <= 0.01).all()


def test_every_feature_has_a_row_that_keeps_the_contract(explained):
    assert set(explained["feature"]) == set(FEATURE_NAMES)
    MODEL_EXPLANATION.contract().validate(pl.from_pandas(explained))


def test_mean_absolute_contribution_is_that_of_the_sample_within_its_interval(explained, found):
    table = explained.set_index("feature")
    assert table["mean_abs_contribution"].idxmax() == "minutes_m0"
    strength = found.sample[CONTRIBUTION + "minutes_m0"].abs()
    of_minutes = table.loc["minutes_m0"]
    assert of_minutes["mean_abs_contribution"] == pytest.approx(strength.mean())
    half = 1.96 * strength.std() / np.sqrt(len(strength))
    assert of_minutes["mean_abs_contribution_low"] == pytest.approx(strength.mean() - half, rel=0.1)
    assert of_minutes["mean_abs_contribution_high"] == pytest.approx(strength.mean() + half, rel=0.1)


def test_the_order_of_the_rows_changes_nothing(labelled, explained, found):
    again = model_explanation(linear(), labelled.sample(frac=1, random_state=1), found.sample, SETTINGS)
    assert np.allclose(again["log_loss_increase"], explained["log_loss_increase"])


def test_importance_and_shapley_values_are_pictures(explained, found):
    assert pictures.png(importance(explained)).startswith(b"\x89PNG")
    gaps = found.sample.assign(favourite_category=np.nan, unpaid_items=np.nan, promo_share=0.5)
    for values in (found.sample, gaps, found.sample.head(1)):
        assert pictures.png(beeswarm(values)).startswith(b"\x89PNG")
    assert pictures.png(dependence(found.sample, found.contributions)).startswith(b"\x89PNG")
    heights = _spread(np.array([0.0, 0.01, 0.02, 5.0]), step=1.0)  # dots stand apart from each other
    assert heights.tolist() == pytest.approx([0, 0.07, -0.07, 0])


def test_what_a_tree_has_memorised_counts_for_nothing(training, found):
    coin = np.random.default_rng(3).integers(0, 2, len(training))
    tree = Pipeline([("prepare", preprocessor("ordinal", "standard")), ("classify", DecisionTreeClassifier(random_state=0))])
    table = model_explanation(tree, training.assign(declined=coin), found.sample, SETTINGS)
    # judged on the customers that it learnt from, the tree would know every coin, and lose most of that by a shuffle
    assert table["roc_auc_decrease"].max() < 0.08
    assert (table["roc_auc_decrease_low"] <= 0.02).all()
