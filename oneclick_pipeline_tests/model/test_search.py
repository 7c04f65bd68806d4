import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oneclick_pipeline.model import calibration, candidates, search
from oneclick_pipeline.model.calibration import Sigmoid
from oneclick_pipeline.model.evaluation import Learner
from oneclick_pipeline.model.fitting import fit
from oneclick_pipeline.model.folds import fold_numbers
from oneclick_pipeline.model.training_set import inputs
from oneclick_pipeline.settings import Model

from .conftest import make_training

SETTINGS = Model(draws=12, seed=1, patience=9)


def trial(auc, loss, family=0):
    candidate = candidates.Candidate(candidates.FAMILIES[family], "one_hot", "standard", {}, max_rows=1000)
    return search.Trial(candidate, "none", Sigmoid(1.0, 0.0), np.array([]), np.array(auc), np.array(loss))


def test_rule_takes_the_lowest_log_loss_within_one_standard_error_of_the_best_auc():
    # best mean ROC-AUC 0.90, standard error 0.01
    best = trial([0.89, 0.91], [0.50, 0.50])
    near = trial([0.895, 0.895], [0.30, 0.30])
    far = trial([0.88, 0.88], [0.10, 0.10])
    assert search.choose([best, near, far]) is near
    assert search.choose([best, far]) is best


def test_rule_within_families():
    knn, better_knn, tree = trial([0.8, 0.9], [0.5, 0.5]), trial([0.8, 0.9], [0.4, 0.4]), trial([0.8, 0.9], [0.3, 0.3], family=1)
    assert search.best_of_families([knn, better_knn, tree]) == [better_knn, tree]


def test_draws_are_deterministic_and_begin_alike():
    def draw(draws, seed=1):
        return candidates.draw(Model(draws=draws, seed=seed))

    assert draw(8) == draw(12)[:8]
    assert draw(8) != draw(8, seed=2)
    assert {c.family.name for c in draw(1)} == {f.name for f in candidates.FAMILIES}


def test_settings_know_the_families():
    assert Model().families == tuple(f.name for f in candidates.FAMILIES)
    assert set(Model().family_max_rows) <= set(Model().families)
    with pytest.raises(ValueError, match="unknown family xgboost"):
        Model(families=("xgboost",))
    with pytest.raises(ValueError, match="unknown family xgboost"):
        Model(family_max_rows={"xgboost": 5})


def test_draws_go_on_while_they_pay():
    good, better = trial([0.8, 0.8], [0.40, 0.41]), trial([0.8, 0.8], [0.30, 0.31])
    for tried in ([], [good], [good, better]):
        assert search._pays("knn", tried, patience=1)
    # some draws without a gain end it
    first, second, third = (trial([0.8, 0.8], [0.4 - gain, 0.4 - gain]) for gain in (0, 0.0005, -0.1))
    assert not search._pays("knn", [first, second], patience=1)
    assert search._pays("knn", [first, second], patience=2)
    assert not search._pays("knn", [first, second, third], patience=2)
    # a family that is beaten ends at once
    places = (("knn", [0.5, 0.51]), ("decision_tree", [0.38, 0.31]), ("logistic_regression", [0.3, 0.31]))
    tried = [trial([0.8, 0.8], loss, family=i) for i, (_, loss) in enumerate(places)]
    assert [search._pays(name, tried, patience=5) for name, _ in places] == [False, True, True]


def test_votes_average_the_best():
    numbers, declined = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])
    loss = {"knn": 0.5, "decision_tree": 0.3, "logistic_regression": 0.4}
    bests = [
        replace(trial([0.8, 0.8], [loss[f.name]] * 2, family=i), p=np.full(4, loss[f.name]))
        for i, f in enumerate(candidates.FAMILIES[:3])
    ]
    two, three = search.votes(bests, declined, np.ones(4), numbers)
    assert [m.name for m in two.members] == ["decision_tree", "logistic_regression"]
    assert [m.name for m in three.members] == ["decision_tree", "logistic_regression", "knn"]
    assert two.log_loss == pytest.approx([-np.log(0.35 * 0.65) / 2] * 2)
    assert two.roc_auc.tolist() == [0.5, 0.5]
    assert two.parameters["members"] == "decision_tree, logistic_regression"
    assert two.parameters["logistic_regression.encoder"] == "one_hot"
    assert search.votes(bests[:1], declined, np.ones(4), numbers) == []


@given(st.lists(st.integers(0, 1), min_size=4, max_size=60), st.integers(2, 60))
def test_stratified_keeps_both_classes_in_their_shares(classes, limit):
    declined = np.array([0, 1, *classes])
    rows = search.stratified(declined, limit)
    assert len(rows) == min(limit, len(declined))
    assert (np.diff(rows) > 0).all()
    assert set(declined[rows]) == {0, 1}
    assert abs(declined[rows].sum() - limit * declined.mean()) <= 1 or limit >= len(declined)


@pytest.mark.parametrize("encoder", candidates.ENCODERS)
@pytest.mark.parametrize("scaler", candidates.SCALERS)
def test_matrices_prepare_as_the_pipeline_does(training, encoder, scaler):
    frame = inputs(training)
    frame.loc[3, ["revenue_m0", "favourite_category"]] = np.nan
    frame.loc[200, "favourite_category"] = "Новая категория"
    learn, judge = frame.iloc[:150], frame.iloc[150:]
    transform = candidates.preprocessor(encoder, scaler).fit(learn)
    known, new = search.matrices(learn, judge)
    np.testing.assert_allclose(known[encoder, scaler], transform.transform(learn))
    np.testing.assert_allclose(new[encoder, scaler], transform.transform(judge))


@pytest.mark.parametrize(("family", "heaviest"), [*((f.name, 1) for f in candidates.FAMILIES), ("svc", 9), ("extra_trees", 9)])
def test_shortcut_of_the_evaluation_equals_the_fitted_pipeline(family, heaviest, monkeypatch):
    """What is judged (the search's own calibrator) is what is registered (CalibratedClassifierCV)."""
    monkeypatch.setattr(calibration, "ISOTONIC_FROM", 300)
    training = make_training(420).assign(weight=np.random.default_rng(1).uniform(1, heaviest, 420))
    frame, data = inputs(training), Learner.of(training.iloc[:360])
    numbers = fold_numbers(data.declined, data.copies, folds=3, seed=[1])
    known, new = search.matrices(data.frame, frame.iloc[360:])
    drawn = [c for c in candidates.draw(SETTINGS) if c.family.name == family]
    for tried in search.search(known, data.declined, data.weight, numbers, drawn, SETTINGS):
        shortcut = search.probabilities(tried, known, data.declined, data.weight, new, seed=1)
        whole = fit(tried, data, numbers, seed=1).predict_proba(frame.iloc[360:])[:, 1]
        np.testing.assert_allclose(shortcut.kept, whole, atol=1e-4)
        np.testing.assert_array_equal(shortcut.kept, shortcut.raw if tried.calibration == "none" else shortcut.calibrated)


def test_above_its_limit_a_family_learns_from_a_sample(training):
    frame, declined = inputs(training), training["declined"].to_numpy()
    rows = search.matrices(frame, frame)[0]["one_hot", "standard"]
    candidate = candidates.Candidate(candidates.FAMILIES[2], "one_hot", "standard", {"C": 1.0}, max_rows=50)
    some = search.stratified(declined, 50)
    alone = candidates.FAMILIES[2].build({"C": 1.0}, 50, 1).fit(rows[some], declined[some])
    score, _ = search.fit_and_predict(candidate, rows, declined, np.ones(len(rows)), rows, 1)
    np.testing.assert_array_equal(score, alone.decision_function(rows))


@pytest.mark.parametrize("family", ["knn", "logistic_regression", "decision_tree"])
def test_a_weight_of_two_is_the_row_twice(training, family):
    """Also for neighbours, which take no weights."""
    frame, declined = inputs(training), training["declined"].to_numpy()
    rows = search.matrices(frame, frame)[0]["one_hot", "standard"]
    parameters = {"knn": {"n_neighbors": 7}, "logistic_regression": {"C": 1.0}, "decision_tree": {"max_depth": 3}}[family]
    of_family = next(f for f in candidates.FAMILIES if f.name == family)
    candidate = candidates.Candidate(of_family, "one_hot", "standard", parameters, max_rows=1000)
    twice = np.arange(len(rows)) % 3 == 0
    _, weighted = search.fit_and_predict(candidate, rows, declined, 1.0 + twice, rows, 1)
    places = np.sort(np.r_[np.arange(len(rows)), np.flatnonzero(twice)])
    _, repeated = search.fit_and_predict(candidate, rows[places], declined[places], np.ones(len(places)), rows, 1)
    np.testing.assert_allclose(weighted, repeated, atol=1e-6)


def test_rows_without_weights_are_repeated_as_often_as_they_count_on_average():
    from sklearn.neighbors import KNeighborsClassifier

    weight = np.tile([1.0, 2.5, 7.2], 4000)
    places, further = search.weighted(KNeighborsClassifier(), weight, seed=1)
    often = np.bincount(places, minlength=len(weight)).reshape(-1, 3)
    assert further == {}
    assert often.mean(axis=0) == pytest.approx([1, 2.5, 7.2], abs=0.03)
    assert (often.min(axis=0).tolist(), often.max(axis=0).tolist()) == ([1, 2, 7], [1, 3, 8])


def test_forests_in_threads_leave_the_warning_filters_as_they_were(training):
    frame, declined = inputs(training), training["declined"].to_numpy()
    rows = search.matrices(frame, frame)[0]["ordinal", "standard"]
    equal = np.ones(len(rows))
    forest = next(c for c in candidates.draw(SETTINGS) if c.family.name == "extra_trees")
    before = list(warnings.filters)
    with ThreadPoolExecutor(max_workers=2) as pool:
        tasks = [pool.submit(search.fit_and_predict, forest, rows, declined, equal, rows, seed) for seed in range(6)]
        first, *_ = [task.result()[1] for task in tasks]
    assert warnings.filters == before
    np.testing.assert_array_equal(first, search.fit_and_predict(forest, rows, declined, equal, rows, 0)[1])


def test_column_without_values_is_filled(training):
    frame = inputs(training).assign(favourite_category=np.nan, revenue_m0=np.nan)
    known, _ = search.matrices(frame, frame)
    assert all(np.isfinite(m).all() for m in known.values())
