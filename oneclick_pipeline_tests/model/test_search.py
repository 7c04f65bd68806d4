import numpy as np
import pytest

from oneclick_pipeline.model import candidates, search
from oneclick_pipeline.model.evaluation import Learner
from oneclick_pipeline.model.folds import fold_numbers
from oneclick_pipeline.model.training import fit
from oneclick_pipeline.model.training_set import inputs

from .conftest import make_training


def trial(auc, loss, family=0):
    candidate = candidates.Candidate(candidates.FAMILIES[family], "one_hot", "standard", {})
    return search.Trial(candidate, None, np.array(auc), np.array(loss))


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
    assert candidates.draw(8, seed=1) == candidates.draw(12, seed=1)[:8]
    assert candidates.draw(8, seed=1) != candidates.draw(8, seed=2)
    assert {c.family.name for c in candidates.draw(1, seed=1)} == {f.name for f in candidates.FAMILIES}


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


@pytest.mark.parametrize("family", [f.name for f in candidates.FAMILIES])
def test_shortcut_of_the_evaluation_equals_the_fitted_pipeline(family):
    """What is judged (the search's own sigmoid) is what is registered (CalibratedClassifierCV)."""
    training = make_training(420)
    frame, declined = inputs(training), training["declined"].to_numpy()
    data = Learner(frame.iloc[:360], declined[:360], training["copies"].to_numpy()[:360])
    numbers = fold_numbers(data.declined, data.copies, folds=3, seed=[1])
    known, new = search.matrices(data.frame, frame.iloc[360:])
    drawn = [c for c in candidates.draw(8, seed=1) if c.family.name == family]
    for tried in search.search(known, data.declined, numbers, drawn, seed=1):
        shortcut = search.probabilities(tried, known, data.declined, new, seed=1)
        whole = fit(tried, data, numbers, seed=1).predict_proba(frame.iloc[360:])[:, 1]
        np.testing.assert_allclose(shortcut, whole, atol=1e-4)


def test_platt_learns_a_known_sigmoid():
    rng = np.random.default_rng(1)
    score = rng.normal(3, 2, 20_000)
    declined = (rng.random(20_000) < 1 / (1 + np.exp(-(1.5 * score - 4)))).astype(int)
    assert search.platt(score, declined) == pytest.approx((1.5, -4), rel=0.05)


@pytest.mark.parametrize("score", [[-2.0, -1.0, 1.0, 2.0], [5.0, 5.0, 5.0, 5.0], [1e6, -1e6, 1e-6, 0.0]])
def test_platt_stays_finite(score):
    assert np.isfinite(search.platt(np.array(score), np.array([0, 0, 1, 1]))).all()


def test_calibration_never_judges_what_it_has_seen():
    numbers = np.array([0, 0, 1, 1, 0, 1])
    declined, score = np.array([0, 1, 0, 1, 1, 0]), np.array([-1.0, 1.0, -2.0, 2.0, 0.5, 0.1])
    changed = np.where(numbers == 0, 1 - declined, declined)
    one, two = (search.cross_calibrated(score, y, numbers) for y in (declined, changed))
    judged = numbers == 0
    assert (one[judged] == two[judged]).all()
    assert (one[~judged] != two[~judged]).all()


def test_family_limit_takes_the_first_rows(training):
    frame, declined = inputs(training), training["declined"].to_numpy()
    family = candidates.Family("few", "Few", candidates.FAMILIES[2].build, {}, max_rows=50)
    rows = search.matrices(frame, frame)[0]["one_hot", "standard"]
    model = search.fit_estimator(candidates.Candidate(family, "one_hot", "standard", {"C": 1.0}), rows, declined, seed=1)
    first = family.build({"C": 1.0}, 50, 1).fit(rows[:50], declined[:50])
    np.testing.assert_array_equal(model.coef_, first.coef_)


def test_column_without_values_is_filled(training):
    frame = inputs(training).assign(favourite_category=np.nan, revenue_m0=np.nan)
    known, _ = search.matrices(frame, frame)
    assert all(np.isfinite(m).all() for m in known.values())
