from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.pipeline import make_pipeline

from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.model import METRICS, predict, search, train
from oneclick_pipeline.model.candidates import FAMILIES, draw, preprocessor
from oneclick_pipeline.model.card import card
from oneclick_pipeline.model.evaluation import Learner, search_all
from oneclick_pipeline.model.fitting import fit
from oneclick_pipeline.model.folds import fold_numbers
from oneclick_pipeline.model.search import VOTE
from oneclick_pipeline.model.training_set import inputs
from oneclick_pipeline.settings import Model

from .conftest import QUICK, label, make_training, real_features

STORE = Path(__file__).parents[3] / "shared/data/store"


def test_train_reports_everything(trained, training):
    assert {f.name for f in trained.families} == {*(f.name for f in FAMILIES), VOTE}
    assert trained.best.parameters == trained.parameters
    assert tuple(trained.metrics) == METRICS
    assert trained.metrics["roc_auc"].estimate > 0.85
    assert trained.rows == trained.rows_available == len(training)
    assert (trained.feature_months, trained.label_months) == (("2026-10",), ("2026-10",))
    for family in trained.families:
        assert len(family.fold_scores) == QUICK.folds * QUICK.repeats
        assert family.trials["chosen"].sum() == 1
        assert family.trials["mean_log_loss"].is_monotonic_increasing


def test_every_customer_is_predicted_out_of_fold_once(trained, training):
    pd.testing.assert_series_equal(trained.out_of_fold["customer_id"], training["customer_id"])
    assert trained.out_of_fold["p_decline"].between(0, 1).all()
    assert len(trained.predictions) == len(training) * QUICK.repeats


def test_order_of_rows_changes_nothing(trained, training, features):
    again = train(training.sample(frac=1, random_state=5), QUICK)
    assert again.metrics == trained.metrics
    assert again.digest == trained.digest
    np.testing.assert_array_equal(predict(again.pipeline, features), predict(trained.pipeline, features))


def test_ids_change_nothing(trained, features):
    """Ids are sorted by class here: a model or fold that saw them would do better than without."""
    mixed = features.assign(customer_id=np.random.default_rng(1).permutation(features["customer_id"]))
    again = train(label(mixed), QUICK)
    assert again.metrics == trained.metrics


def test_vote_put_together_equals_a_vote_that_was_fitted(training):
    """`_voting` sets what `VotingClassifier.fit` would leave behind."""
    from sklearn.base import clone

    frame, declined = inputs(training), training["declined"].to_numpy()
    data = Learner.of(training)
    numbers = fold_numbers(declined, data.copies, folds=2, seed=[1])
    settings = Model(families=("logistic_regression", "decision_tree"), draws=2)
    found = search_all(search.matrices(frame, frame)[0], data, numbers, draw(settings), settings)
    ours = fit(found.votes[0], data, numbers, seed=1)
    plain = fit(
        replace(found.votes[0], members=tuple(replace(m, calibration="none") for m in found.votes[0].members)), data, numbers, 1
    )
    whole = clone(plain).fit(frame, declined)
    np.testing.assert_array_equal(plain.predict_proba(frame), whole.predict_proba(frame))
    np.testing.assert_array_equal(plain.classes_, whole.classes_)
    assert {k for k in vars(whole) if k.endswith("_")} - {"feature_names_in_", "named_estimators_"} <= set(vars(ours))
    members = [model.predict_proba(frame)[:, 1] for model in ours.estimators_]
    np.testing.assert_allclose(predict(ours, training), np.mean(members, axis=0))


def test_the_families_of_the_settings_compete_and_no_other(training):
    one = train(training, QUICK.model_copy(update={"families": ("logistic_regression",)}))
    assert [f.name for f in one.families] == [one.family] == ["logistic_regression"]
    two = train(training, QUICK.model_copy(update={"families": ("logistic_regression", "decision_tree")}))
    assert {f.name for f in two.families} == {"logistic_regression", "decision_tree", VOTE}


def test_what_is_kept_is_what_is_judged(trained):
    for family in trained.families:
        p = family.predictions
        if family.name != VOTE:
            assert ((p["p_decline"] == p["p_raw"]) | (p["p_decline"] == p["p_calibrated"])).all()
        assert ((p[["p_decline", "p_raw", "p_calibrated"]] >= 0) & (p[["p_decline", "p_raw", "p_calibrated"]] <= 1)).all(
            axis=None
        )


def test_predict_sees_features_only_unknown_and_missing_ones_too(trained, features):
    p = predict(trained.pipeline, features)
    other = features.assign(customer_id=1, profit=0.0, activity="declined", order=range(len(features)))
    np.testing.assert_array_equal(p, predict(trained.pipeline, other[other.columns[::-1]]))
    np.testing.assert_array_equal(p[::-1], predict(trained.pipeline, features[::-1]))
    assert predict(trained.pipeline, features.head(0)).shape == (0,)
    odd = features.head(4).astype({"marketing_consent": object, "favourite_category": object, "service_level": object})
    odd.loc[0, "favourite_category"] = "Зоотовары"
    odd.loc[1, ["favourite_category", "service_level", "marketing_consent", "revenue_m0"]] = None
    odd.loc[2, ["pages_per_visit", "minutes_m0"]] = np.nan
    assert np.isfinite(predict(trained.pipeline, odd)).all()


@pytest.mark.parametrize("family", ["logistic_regression", "knn"])  # what BLAS multiplies for
def test_predict_of_a_row_does_not_depend_on_the_others(training, family):
    candidate = next(c for c in draw(QUICK) if c.family.name == family)
    pipeline = make_pipeline(preprocessor(candidate.encoder, candidate.scaler), candidate.estimator(len(training), 1))
    fitted = pipeline.fit(inputs(training), training["declined"])
    whole = predict(fitted, training)
    for rows in (1, 7, 100):
        parts = [predict(fitted, training.iloc[begin : begin + rows]) for begin in range(0, len(training), rows)]
        np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_noise_is_not_learnt():
    result = train(make_training(240, seed=4, signal=0.0), QUICK)
    assert result.metrics["roc_auc"].low < 0.5 < result.metrics["roc_auc"].high


def test_max_rows_trains_on_a_sample_and_says_so(training):
    result = train(training, QUICK.model_copy(update={"max_rows": 120}))
    assert 100 < result.rows <= 120 < result.rows_available == len(training)
    assert "a stratified sample of 240" in card(result)


def test_train_one_class_is_refused(training):
    with pytest.raises(BadInputError, match="the same class"):
        train(training.assign(declined=1), QUICK)


def test_train_fewer_customers_than_folds_is_refused(training):
    with pytest.raises(BadInputError, match="distinct customers"):
        train(training.head(4), QUICK)


def test_train_a_dozen_customers_works():
    small = make_training(30, seed=2)
    few = pd.concat([small[small["declined"] == label].head(6) for label in (0, 1)])
    assert train(few, QUICK).rows == 12


def test_card_tells_what_it_should(trained):
    text = card(trained)
    told_of = ("2026-10", trained.digest, "the same snapshot", str(trained.metrics["log_loss"]), *(f.label for f in FAMILIES))
    for told in (
        *told_of,
        "Soft vote",
        "A calibrator is kept",
        "Not enough data: no month's labels",
        "| marketing_consent | True |",
    ):
        assert told in text


@pytest.mark.parametrize(
    ("weight", "left_out", "told"),
    [
        (1.0, 0, "No offer can have influenced a label"),
        (3.0, 1234, "1,234 customers are left out because an offer may have influenced their label"),
        (1.0, None, "does not say whose labels an offer may have influenced"),
    ],
)
def test_card_tells_whose_labels_offers_may_have_influenced(trained, weight, left_out, told):
    text = card(replace(trained, largest_weight=weight, left_out=left_out))
    assert told in text
    assert ("at most 3.0, as much information as 240 customers" in text) == (weight > 1)


def test_equal_weights_change_not_a_bit(training):
    """A store that sends no offers gets the model that it got before rows had weights."""
    one = QUICK.model_copy(update={"families": ("knn", "hist_gradient_boosting")})
    plain, equal = train(training.drop(columns=["weight", "offered_left_out"]), one), train(training, one)
    assert plain.digest == equal.digest == "b9d968cbcd81b1ea"  # of the table without weights
    assert plain.metrics == equal.metrics
    pd.testing.assert_frame_equal(plain.predictions, equal.predictions)
    pd.testing.assert_frame_equal(plain.slices, equal.slices)
    np.testing.assert_array_equal(predict(plain.pipeline, training), predict(equal.pipeline, training))


def test_every_figure_and_fit_counts_customers_for_those_that_they_represent(training):
    """Decliners who count three times as much: all families expect more of them, and are well calibrated for that."""
    rows = make_training(600).assign(weight=lambda table: np.where(table["declined"] == 1, 3.0, 1.0))
    result = train(rows, QUICK)
    share = np.average(rows["declined"], weights=rows["weight"])
    assert share > rows["declined"].mean() + 0.2
    for family in result.families:
        of_family = family.predictions
        assert np.average(of_family["p_decline"], weights=of_family["weight"]) == pytest.approx(share, abs=0.05), family.name
    assert np.average(predict(result.pipeline, rows), weights=rows["weight"]) == pytest.approx(share, abs=0.05)
    assert result.metrics["ece"].estimate < 0.1
    assert (result.largest_weight, result.equal_rows < 600) == (3.0, True)


@pytest.mark.skipif(not STORE.exists(), reason="the store's real export does not lie beside the project")
def test_real_store_reaches_its_ceiling():
    training = label(real_features(STORE))
    assert len(training) == 997
    result = train(training, Model())
    assert result.metrics["roc_auc"].estimate >= 0.91
    assert result.metrics["log_loss"].estimate <= 0.305
    assert result.metrics["ece"].estimate <= 0.045
