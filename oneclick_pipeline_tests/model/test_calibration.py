import numpy as np
import pytest
from sklearn.isotonic import IsotonicRegression

from oneclick_pipeline.model import calibration
from oneclick_pipeline.model.metrics import ece, log_loss


def test_platt_learns_a_known_sigmoid():
    rng = np.random.default_rng(1)
    score = rng.normal(3, 2, 20_000)
    declined = (rng.random(20_000) < 1 / (1 + np.exp(-(1.5 * score - 4)))).astype(int)
    assert calibration.platt(score, declined, np.ones(20_000)) == pytest.approx((1.5, -4), rel=0.05)


@pytest.mark.parametrize("score", [[-2.0, -1.0, 1.0, 2.0], [5.0, 5.0, 5.0, 5.0], [1e6, -1e6, 1e-6, 0.0]])
def test_platt_stays_finite(score):
    assert np.isfinite(calibration.platt(np.array(score), np.array([0, 0, 1, 1]), np.ones(4))).all()


@pytest.mark.parametrize("kind", [calibration.SIGMOID, calibration.ISOTONIC])
def test_calibration_never_judges_what_it_has_seen(kind):
    numbers = np.array([0, 0, 1, 1, 0, 1])
    declined, score = np.array([0, 1, 0, 1, 1, 0]), np.array([-1.0, 1.0, -2.0, 2.0, 0.5, 0.1])
    changed = np.where(numbers == 0, 1 - declined, declined)
    one, two = (calibration.cross_calibrated(kind, score, y, np.ones(6), numbers) for y in (declined, changed))
    judged = numbers == 0
    assert (one[judged] == two[judged]).all()
    assert (one[~judged] != two[~judged]).all()


def test_isotonic_is_scikit_learns_kept_from_certainty():
    rng = np.random.default_rng(1)
    score = rng.normal(size=300)
    declined = (rng.random(300) < 1 / (1 + np.exp(-4 * score))).astype(int)
    plain = IsotonicRegression(out_of_bounds="clip").fit(score, declined)
    new = np.linspace(-9, 9, 50)
    ours = calibration.isotonic(score, declined, np.ones(300))(new)
    assert (ours[0], ours[-1]) == (calibration.SUREST, 1 - calibration.SUREST)
    np.testing.assert_allclose(ours, np.clip(plain.predict(new), calibration.SUREST, 1 - calibration.SUREST), atol=0.002)


def test_isotonic_corrects_what_a_sigmoid_cannot():
    """A tenth of the stable-looking decline whatever they score: probabilities have a floor."""
    rng = np.random.default_rng(2)
    score = rng.normal(0, 3, 8000)
    declined = (rng.random(8000) < 0.1 + 0.9 / (1 + np.exp(-3 * score))).astype(int)
    numbers = np.arange(8000) % 4
    sigmoid, isotonic = (
        calibration.cross_calibrated(kind, score, declined, np.ones(8000), numbers)
        for kind in (calibration.SIGMOID, calibration.ISOTONIC)
    )
    assert log_loss(declined, isotonic) < log_loss(declined, sigmoid) - 0.01
    assert ece(declined, isotonic) < 0.02 < ece(declined, sigmoid)


def test_isotonic_is_tried_on_enough_rows_only():
    assert calibration.kinds_for(calibration.ISOTONIC_FROM - 1) == ("sigmoid",)
    assert calibration.kinds_for(calibration.ISOTONIC_FROM) == ("sigmoid", "isotonic")


@pytest.mark.parametrize("kind", [calibration.SIGMOID, calibration.ISOTONIC])
def test_a_weight_of_two_is_the_row_twice(kind):
    rng = np.random.default_rng(3)
    score = rng.normal(size=200)
    declined = (rng.random(200) < 1 / (1 + np.exp(-2 * score))).astype(int)
    twice = np.arange(200) % 3 == 0
    weighted = calibration.fit_calibrator(kind, score, declined, 1.0 + twice)
    repeated = np.r_[np.arange(200), np.flatnonzero(twice)]
    plain = calibration.fit_calibrator(kind, score[repeated], declined[repeated], np.ones(len(repeated)))
    np.testing.assert_allclose(weighted(score), plain(score), atol=1e-6)
