"""What features contribute: exact for linear models, near Shapley values for others, true to what the twin really does."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.special import logit
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from oneclick_pipeline.contracts.customers import FEATURE_NAMES
from oneclick_pipeline.model import attribution
from oneclick_pipeline.model.attribution import CONTRIBUTION, compare, explain, linear_log_odds
from oneclick_pipeline.model.candidates import preprocessor
from oneclick_pipeline.model.contributions import CLOSED_FORM, CURVES
from oneclick_pipeline.model.training_set import NUMBERS, inputs
from oneclick_pipeline.settings import Model
from oneclick_pipeline.simulator.twin.profile import Profile
from oneclick_pipeline_tests.simulator.twin.conftest import probability, sample

SETTINGS = Model()


def pipeline(classifier, encoder="one_hot", scaler="standard"):
    return Pipeline([("prepare", preprocessor(encoder, scaler)), ("classify", classifier)])


def calibrated():
    return CalibratedClassifierCV(LogisticRegression(C=0.3), ensemble=False, cv=3)


def trees():
    return ExtraTreesClassifier(30, min_samples_leaf=5, random_state=0)


MODELS = {
    "logistic regression": lambda: pipeline(LogisticRegression(C=0.3)),
    "calibrated logistic regression": lambda: pipeline(calibrated(), "ordinal", "robust"),
    "extra trees": lambda: pipeline(trees()),
    "boosting": lambda: pipeline(
        HistGradientBoostingClassifier(max_iter=40, max_leaf_nodes=6, early_stopping=False, random_state=0), "ordinal"
    ),
    "soft vote": lambda: VotingClassifier(
        [("a", pipeline(LogisticRegression())), ("b", pipeline(trees(), "ordinal", "robust"))], voting="soft"
    ),
}
LINEAR = ["logistic regression", "calibrated logistic regression"]


@pytest.fixture(scope="module")
def with_gaps(training):
    """The training set, one value in ten missing."""
    gaps = np.random.default_rng(5).random((len(training), len(FEATURE_NAMES))) < 0.1
    return training.assign(**{n: training[n].astype(object).where(~gaps[:, i]) for i, n in enumerate(FEATURE_NAMES)})


@pytest.fixture(scope="module")
def explained(with_gaps):
    found = {}
    for name, build in MODELS.items():
        model = build().fit(inputs(with_gaps), with_gaps["declined"])
        found[name] = model, explain(model, with_gaps, SETTINGS)
    return found


def log_odds(model, frame):
    return logit(np.clip(model.predict_proba(frame)[:, 1], 0.002, 0.998))


def strangers(features):
    """Customers unlike the training: far values, a new category, gaps."""
    rows = inputs(features.head(6))
    rows.loc[0, list(NUMBERS)] = 1e4
    rows.loc[1, list(NUMBERS)] = np.nan
    rows.loc[2, "favourite_category"] = "Автотовары"
    rows.loc[3, ["favourite_category", "service_level"]] = np.nan
    return rows


@pytest.mark.parametrize("name", LINEAR)
def test_linear_contributions_add_up_to_the_models_own_log_odds(explained, features, name):
    model, (found, _) = explained[name]
    assert found.method == CLOSED_FORM
    rows = strangers(features)
    own = linear_log_odds(model)(rows)
    np.testing.assert_allclose(found.of(rows, np.full(6, np.nan)).sum(axis=1) + found.baseline, own, rtol=1e-9)
    usual = np.abs(own) < 20
    np.testing.assert_allclose(own[usual], logit(model.predict_proba(rows)[usual, 1]), rtol=1e-6)
    assert usual.sum() >= 3


@pytest.mark.parametrize("name", LINEAR)
def test_linear_contributions_are_coefficients_times_distance_from_the_mean(explained, with_gaps, features, name):
    model, (found, _) = explained[name]
    once = inputs(with_gaps[~with_gaps["copies"].duplicated()])
    rows, last, slope = strangers(features), model[-1], 1.0
    if isinstance(last, CalibratedClassifierCV):
        last, slope = last.calibrated_classifiers_[0].estimator, -last.calibrated_classifiers_[0].calibrators[0].a_
    columns = (model[:-1].transform(rows) - model[:-1].transform(once).mean(axis=0)) * last.coef_[0] * slope
    given = model[:-1].get_feature_names_out()
    for i, feature in enumerate(FEATURE_NAMES):
        own = [k for k, c in enumerate(given) if c.split("__")[1] == feature or c.split("__")[1].startswith(f"{feature}_")]
        if feature in NUMBERS:
            own = [k for k, c in enumerate(given) if c == f"number__{feature}"]
        expected = columns[:, own].sum(axis=1)
        np.testing.assert_allclose(found.of(rows, np.full(6, np.nan))[:, i], expected, atol=1e-8, rtol=1e-8)


@pytest.mark.parametrize("name", LINEAR)
def test_linear_contributions_are_the_sampled_shapley_values(explained, name):
    _, (found, values) = explained[name]
    given = found.of(values, np.full(len(values), np.nan))
    np.testing.assert_allclose(given, values[[CONTRIBUTION + n for n in FEATURE_NAMES]], atol=1e-9)
    assert found.fidelity.r2 == pytest.approx(1)
    assert found.fidelity.top_reason == 1


@pytest.mark.parametrize("name", [n for n in MODELS if n not in LINEAR])
def test_contributions_of_other_models_are_near_shapley_values_and_add_up_to_the_score(explained, features, name):
    model, (found, values) = explained[name]
    assert found.method == CURVES
    assert found.fidelity.customers == len(values) == 128
    assert found.fidelity.r2 > 0.7
    assert found.fidelity.top_reason > 0.6
    assert found.fidelity.top_three > 0.6
    rows = strangers(features)
    p = model.predict_proba(rows)[:, 1]
    np.testing.assert_allclose(found.of(rows, p).sum(axis=1) + found.baseline, log_odds(model, rows), atol=1e-9)
    sampled = values[[CONTRIBUTION + n for n in FEATURE_NAMES]].sum(axis=1)
    np.testing.assert_allclose(sampled + found.baseline, log_odds(model, values[list(FEATURE_NAMES)]), atol=1e-9)


@pytest.mark.parametrize("name", MODELS)
def test_every_curve_has_mean_zero_over_the_training_rows(explained, with_gaps, name):
    _, (found, _) = explained[name]
    once = inputs(with_gaps[~with_gaps["copies"].duplicated()])
    curves = [c.at(once[c.feature].to_numpy() if c.feature in NUMBERS else once[c.feature]) for c in found.curves]
    np.testing.assert_allclose(np.mean(curves, axis=1), 0, atol=1e-9)


@pytest.mark.parametrize("name", MODELS)
def test_baseline_is_near_the_mean_log_odds(explained, with_gaps, name):
    model, (found, _) = explained[name]
    assert found.baseline == pytest.approx(log_odds(model, inputs(with_gaps)).mean(), abs=0.25)


def test_fidelity_is_measured_on_customers_the_curves_were_not_fitted_to(training, monkeypatch):
    real, fitted, judged = attribution._curves, [], []
    monkeypatch.setattr(attribution, "_curves", lambda data: fitted.append(set(data.customers.index)) or real(data))
    some = attribution._Sample.some
    monkeypatch.setattr(
        attribution._Sample, "some", lambda data, index: judged.append(set(data.customers.index[index])) or some(data, index)
    )
    model = MODELS["extra trees"]().fit(inputs(training), training["declined"])
    assert explain(model, training, SETTINGS).contributions.fidelity.customers == 128
    everybody = set(range(128))
    *halves, last = sorted(fitted, key=len)
    assert last == everybody
    assert halves[0] | halves[1] == everybody
    assert not halves[0] & halves[1]
    judged_then_learnt = list(zip(judged[::2], judged[1::2], strict=True))
    assert len(judged_then_learnt) == 2
    assert all(not judge & learn for judge, learn in judged_then_learnt)


def test_order_of_the_rows_changes_nothing(training):
    model = MODELS["extra trees"]().fit(inputs(training), training["declined"])
    one, two = (explain(model, rows, SETTINGS) for rows in (training, training.sample(frac=1, random_state=1)))
    assert one.contributions == two.contributions
    pd.testing.assert_frame_equal(one.sample, two.sample)


def test_tiny_training_set_is_explained_as_well():
    from .conftest import make_training

    training = make_training(24).assign(unpaid_items=3, tenure_days=pd.array([None] * 24, dtype="Int64"))
    model = MODELS["extra trees"]().fit(inputs(training), training["declined"])
    found, values = explain(model, training, SETTINGS)
    given = found.of(training, model.predict_proba(inputs(training))[:, 1])
    assert np.isfinite(given).all()
    assert np.abs(values[["contribution_unpaid_items", "contribution_tenure_days"]].to_numpy()).max() == 0
    assert np.abs(given[:, [FEATURE_NAMES.index("unpaid_items"), FEATURE_NAMES.index("tenure_days")]]).max() < 1e-9


@pytest.mark.parametrize(
    ("given", "r2", "top", "three"),
    [
        ([[3.0, -2.0, 1.0, 0.0]], 1, 1, 1),
        ([[0.0, -2.0, 1.0, 3.0]], 1 - 18 / 14, 0, 2 / 3),
        ([[-2.0, 3.0, 1.0, 0.0]], 1 - 50 / 14, 0, 1),
    ],
)
def test_compare(given, r2, top, three):
    found = compare(np.array([[3.0, -2.0, 1.0, 0.0]]), np.array(given))
    assert (found.customers, found.r2, found.top_reason, found.top_three) == pytest.approx((1, r2, top, three))


@pytest.fixture(scope="module")
def twin():
    frame = sample(Profile.load(), 3000, seed=11)
    return frame.assign(
        declined=(frame["activity"] == "declined").astype(int),
        customer_id=np.arange(len(frame)),
        copies=np.arange(len(frame)),
        feature_month="2026-10",
        label_month="2026-10",
    )


@pytest.mark.parametrize("name", ["logistic regression", "extra trees"])
def test_features_with_the_largest_true_effect_are_on_top(twin, name):
    """The truth: Shapley values of the twin's own log-odds, in which every feature stands by its marginal and dependence."""
    from oneclick_pipeline.model.shapley import shapley

    profile = Profile.load()
    rows = inputs(twin)

    def truth(frame):
        return logit(probability(profile, frame.astype({"marketing_consent": bool})))

    true = np.abs(shapley(truth, rows.head(100), rows.tail(30).reset_index(drop=True), seed=[1])).mean(axis=0)
    model = MODELS[name]().fit(rows, twin["declined"])
    values = explain(model, twin, SETTINGS).sample
    found = values[[CONTRIBUTION + n for n in FEATURE_NAMES]].abs().mean().to_numpy()
    best, given = ([FEATURE_NAMES[i] for i in np.argsort(-v)] for v in (true, found))
    assert {*best[:3]} <= {*given[:4]}
    assert np.corrcoef(true, found)[0, 1] > 0.7
