"""Every gate on figures made by hand, and all of them on a trained model."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oneclick_pipeline.model import gates, predict
from oneclick_pipeline.model.gates import GATES, SAME, Gate, Reopened
from oneclick_pipeline.model.metrics import ece, log_loss, roc_auc
from oneclick_pipeline.model.standing import Standing
from oneclick_pipeline.model.training_set import NUMBERS, TEXTS
from oneclick_pipeline.settings import Gates
from oneclick_pipeline.stats import Interval


def champion(trained, p=None, *, own=None, roc_auc=0.9):
    """A champion that predicts the challenger's own probabilities, or others; so may the challenger."""
    compared = trained.predictions.rename(columns={"p_decline": "challenger"})
    compared = compared.assign(champion=compared["challenger"] if p is None else p)
    return Standing(version=3, roc_auc=roc_auc, rows=compared if own is None else compared.assign(challenger=own), basis="honest")


def reopened(trained, training):
    return Reopened(p_decline=predict(trained.pipeline, gates.edge_rows(training)))


def test_judge_tells_every_gate_in_order(trained, training):
    judged = gates.judge(trained, training, None, reopened(trained, training), Gates(max_ece=0.2))
    assert [gate.name for gate in judged] == list(GATES)
    assert [gate.name for gate in judged if not gate.passed] == []


def test_judge_refuses_labels_that_were_shuffled(trained, training):
    """As a fresh champion would see them: it ranks as badly, but it remembers what it once could."""
    noise = np.random.default_rng(1).random(len(training))
    spoilt = replace(trained, metrics=trained.metrics | {"roc_auc": Interval(0.5, 0.4, 0.6)})
    judged = gates.judge(spoilt, training, champion(trained, noise, own=noise), reopened(trained, training), Gates(max_ece=0.2))
    assert [gate.name for gate in judged if not gate.passed] == ["better_than_chance", "no_drop"]


@pytest.mark.parametrize(("low", "passed"), [(0.5, False), (0.501, True), (0.4, False)])
def test_better_than_chance(low, passed):
    assert gates.better_than_chance(Interval(0.6, low, 0.7)).passed is passed


def test_paired_without_champion_passes_and_says_so():
    assert [str(gate) for gate in gates.paired(None, Gates())] == ["passed: no champion yet"] * 2


def test_paired_passes_and_says_so_where_too_few_can_be_compared(trained):
    few = replace(champion(trained), rows=champion(trained).rows.head(0), basis="2 of 240 customers")
    said = "passed: not enough data to compare with version 3: 2 of 240 customers"
    assert [str(gate) for gate in gates.paired(few, Gates())] == [said] * 2


def noisy(trained, sd):
    p = trained.predictions["p_decline"].to_numpy()
    return np.clip(p + np.random.default_rng(2).normal(0, sd, len(p)), 0.01, 0.99)


def test_paired_scores_both_on_the_same_folds(trained):
    own, declined = (trained.predictions[name].to_numpy() for name in ("p_decline", "declined"))
    other, number = noisy(trained, 0.3), trained.predictions["fold"].to_numpy()
    auc, loss = gates.paired(champion(trained, other), Gates())
    for gate, metric in ((auc, roc_auc), (loss, log_loss)):
        folds = [number == fold for fold in range(3)]
        differences = [metric(declined[f], own[f]) - metric(declined[f], other[f]) for f in folds]
        assert gate.figures["difference"] == pytest.approx(np.mean(differences))
        assert gate.figures["challenger"] - gate.figures["champion"] == pytest.approx(np.mean(differences))
        assert gate.figures["difference_low"] < np.mean(differences) < gate.figures["difference_high"]
        assert "of version 3 on the same 3 folds; honest; difference" in gate.text
    assert (auc.passed, loss.passed) == (True, True)
    assert [gate.passed for gate in gates.paired(champion(trained, own=other), Gates())] == [False, False]


def test_paired_counts_a_customer_for_those_that_it_represents(trained):
    """Of customers who count nothing, nothing is compared."""
    heavy = np.arange(len(trained.predictions)) % 2 == 0
    rows = champion(trained, np.where(heavy, trained.predictions["p_decline"], 0.5)).rows
    equal = replace(champion(trained), rows=rows.assign(weight=heavy.astype(float)))
    assert [gate.figures["difference"] for gate in gates.paired(equal, Gates())] == [0, 0]


def test_paired_forgives_a_difference_within_the_margin_only(trained):
    worse = champion(trained, own=noisy(trained, 0.1))
    auc, loss = gates.paired(worse, Gates(roc_auc_margin=0, log_loss_margin=0))
    assert (auc.passed, loss.passed) == (False, False)
    margins = Gates(roc_auc_margin=-auc.figures["difference"] + 1e-9, log_loss_margin=loss.figures["difference"] + 1e-9)
    assert [gate.passed for gate in gates.paired(worse, margins)] == [True, True]


@pytest.mark.parametrize(("now", "passed"), [(0.9, True), (0.86, True), (0.84, False), (0.99, True)])
def test_no_drop(trained, now, passed):
    gate = gates.no_drop(now, champion(trained, roc_auc=0.9), 0.05)
    assert gate.passed is passed
    assert gate.figures["drop"] == pytest.approx(0.9 - now)
    assert gates.no_drop(now, None, 0.05).passed


@pytest.mark.parametrize(("found", "passed"), [(0.06, True), (0.061, False)])
def test_calibrated_tells_what_chance_would_give(trained, found, passed):
    gate = gates.calibrated(trained.predictions, found, 0.06)
    assert gate.passed is passed
    assert "perfect probabilities for 240 customers would show 0.0" in gate.text
    assert str(Gate("calibrated", passed=False, figures={}, text="ECE 0.07")) == "failed: ECE 0.07"


def test_chance_ece_is_what_perfect_probabilities_show():
    rng = np.random.default_rng(1)
    p = rng.beta(0.8, 1.2, 500)
    shown = [ece((rng.random(500) < p).astype(int), p) for _ in range(400)]
    assert gates.chance_ece(p, np.ones(500)) == pytest.approx(np.mean(shown), rel=0.05)


def slice_table(*highs):
    return pd.DataFrame(
        {
            "feature": "tenure_days",
            "value": [f"slice {i}" for i in range(len(highs))],
            "customers": 50,
            "roc_auc": [high - 0.05 for high in highs],
            "roc_auc_high": highs,
        }
    )


@pytest.mark.parametrize(
    ("highs", "failed", "worst"),
    [
        ((0.95, 0.81, 0.99), 0, "slice 1"),
        ((0.95, 0.79, 0.7), 2, "slice 2"),
        ((0.95, np.nan, 0.9), 0, "slice 2"),
    ],
)
def test_slices_hold(highs, failed, worst):
    gate = gates.slices_hold(slice_table(*highs), 0.9, 0.1)
    assert gate.passed is (failed == 0)
    assert gate.figures["failed"] == failed
    assert gate.figures["worst"] == f"tenure_days = {worst}"
    nobody = gates.slices_hold(slice_table(np.nan, np.nan), 0.9, 0.1)
    assert str(nobody) == "passed: no slice has enough customers"


def test_edge_rows_are_odd_in_the_way_they_say(training):
    rows = gates.edge_rows(training)
    assert rows.loc["nothing known"].isna().all()
    assert (rows.loc["all numbers zero", list(NUMBERS)] == 0).all()
    assert (rows.loc["all numbers negative", list(NUMBERS)] < 0).all()
    assert not set(rows.loc["unseen categories", list(TEXTS)]) & set(training["favourite_category"])
    assert not rows.loc["a typical customer"].isna().any()
    empty = gates.edge_rows(training.assign(favourite_category=None, revenue_m0=np.nan))
    assert empty.loc["a typical customer", ["favourite_category", "revenue_m0"]].isna().all()
    assert len(empty) == len(rows)


@given(st.lists(st.floats(allow_nan=True), min_size=1, max_size=6))
def test_sane_on_edges_wants_probabilities(values):
    gate = gates.sane_on_edges(np.array(values), np.array([0.2, 0.8]), [f"row {i}" for i in range(len(values))])
    assert gate.passed is all(0 <= v <= 1 for v in values)
    alike = gates.sane_on_edges(np.array([0.4]), np.array([0.4, 0.4, 0.4]), ["a typical customer"])
    assert not alike.passed
    assert "usual customers from 0.400 to 0.400" in alike.text


def test_model_that_refuses_odd_rows_is_not_sane(trained, training):
    class Proud:
        def predict_proba(self, rows):
            if rows.isna().any(axis=None):
                raise ValueError("Input contains NaN")
            return np.tile([0.4, 0.6], (len(rows), 1))

    judged = gates.judge(
        replace(trained, pipeline=Proud()), training, None, Reopened(error="ValueError: Input contains NaN"), Gates()
    )
    told = {gate.name: str(gate) for gate in judged}
    assert told["sane_on_edges"] == "failed: unusual rows cannot be predicted: Input contains NaN"
    assert told["loads_in_fresh_process"] == "failed: no predictions: ValueError: Input contains NaN"


def test_foreign_types_fail_both_gates_of_the_fresh_process():
    found = Reopened(foreign=("posix.system",), error="holds types that are not trusted")
    assert str(gates.only_trusted_types(found)) == "failed: types that are not trusted: posix.system"
    assert not gates.loads_in_fresh_process(found, np.array([0.5])).passed
    assert str(gates.only_trusted_types(Reopened(error="gone"))) == "failed: the file could not be read"


@pytest.mark.parametrize(("there", "passed"), [(0.5, True), (0.5 + SAME / 2, True), (0.5 + 3 * SAME, False), (np.nan, False)])
def test_fresh_process_must_predict_the_same(there, passed):
    assert gates.loads_in_fresh_process(Reopened(p_decline=np.array([there])), np.array([0.5])).passed is passed
