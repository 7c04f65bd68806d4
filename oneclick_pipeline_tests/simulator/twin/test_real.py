"""The twin beside the real export, where that is on the machine."""

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from oneclick_pipeline.contracts.customers import FEATURE_NAMES
from oneclick_pipeline.simulator.twin.fit import fit
from oneclick_pipeline_tests.simulator.twin.conftest import probability, sample


@pytest.fixture(scope="module")
def regular(real):
    return real[real["regular"]].reset_index(drop=True)


def wide(frame, *more):
    return pd.get_dummies(frame[[*FEATURE_NAMES, *more]]).astype(float)


def test_bundled_profile_is_the_fit_on_the_real_export(profile, real):
    fitted = fit(real)
    assert (fitted.customers, fitted.decline_share) == (profile.customers, profile.decline_share)
    assert fitted.look_active == pytest.approx(profile.look_active, abs=0.001)
    assert np.allclose(fitted.correlation_stable, profile.correlation_stable, atol=0.001)
    assert np.allclose(fitted.phik, profile.phik, atol=0.002)


def test_a_model_of_the_twin_knows_the_store(profile, regular):
    twin = sample(profile, 1300, seed=2)
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=1000))
    model.fit(wide(twin), twin["activity"] == "declined")
    score = model.predict_proba(wide(regular))[:, 1]
    assert roc_auc_score(regular["activity"] == "declined", score) > 0.88


def test_the_known_truth_is_a_good_score_of_real_customers(profile, regular):
    assert roc_auc_score(regular["activity"] == "declined", probability(profile, regular)) > 0.89


def test_a_forest_hardly_tells_twin_from_store(profile, regular):
    twin = sample(profile, len(regular), seed=3)
    both = wide(pd.concat([regular, twin], ignore_index=True), "profit", "activity")
    source = np.repeat([0, 1], len(regular))
    copies = np.concatenate([regular.groupby(list(FEATURE_NAMES)).ngroup(), len(regular) + np.arange(len(twin))])
    forest = RandomForestClassifier(40, min_samples_leaf=5, random_state=0)
    folds = StratifiedGroupKFold(5, shuffle=True, random_state=0)
    score = cross_val_predict(forest, both, source, groups=copies, cv=folds, method="predict_proba")[:, 1]
    assert roc_auc_score(source, score) < 0.65
