"""Permutation importance: the features that decide are found, the others are not."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.tree import DecisionTreeClassifier

from oneclick_pipeline import pictures
from oneclick_pipeline.model.candidates import preprocessor
from oneclick_pipeline.model.explanation import importance, model_explanation
from oneclick_pipeline.settings import Model
from oneclick_pipeline.tables import FEATURE_NAMES, MODEL_EXPLANATION

SETTINGS = Model(folds=4)


@pytest.fixture(scope="module")
def explained(labelled):
    pipeline = Pipeline([("prepare", preprocessor("one_hot", "standard")), ("classify", LogisticRegression())])
    return model_explanation(pipeline, labelled, SETTINGS)


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


def test_the_order_of_the_rows_changes_nothing(labelled, explained):
    pipeline = Pipeline([("prepare", preprocessor("one_hot", "standard")), ("classify", LogisticRegression())])
    again = model_explanation(pipeline, labelled.sample(frac=1, random_state=1), SETTINGS)
    assert np.allclose(again["log_loss_increase"], explained["log_loss_increase"])


def test_importance_is_a_picture(explained):
    assert pictures.png(importance(explained)).startswith(b"\x89PNG")


def test_what_a_tree_has_memorised_counts_for_nothing(training):
    coin = np.random.default_rng(3).integers(0, 2, len(training))
    tree = Pipeline([("prepare", preprocessor("ordinal", "standard")), ("classify", DecisionTreeClassifier(random_state=0))])
    table = model_explanation(tree, training.assign(declined=coin), SETTINGS)
    # judged on the customers that it learnt from, the tree would know every coin, and lose most of that by a shuffle
    assert table["roc_auc_decrease"].max() < 0.08
    assert (table["roc_auc_decrease_low"] <= 0.02).all()
