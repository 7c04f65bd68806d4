"""A fitted model, fitted again: the same one from the same customers, whatever its family."""

import numpy as np
import pytest

from oneclick_pipeline.model import predict, search
from oneclick_pipeline.model.candidates import FAMILIES, draw
from oneclick_pipeline.model.evaluation import Learner, inner_folds
from oneclick_pipeline.model.fitting import fit, refit
from oneclick_pipeline.settings import Model

from .conftest import make_training

SETTINGS = Model(folds=3, repeats=1, inner_folds=2, draws=6, nested_draws=6)


@pytest.fixture(scope="module")
def choices():
    """Every family's trials, raw and calibrated, and the votes; rows of unequal weights."""
    data = Learner.of(make_training().assign(weight=np.tile([1.0, 2.5, 4.0], 80)))
    numbers = inner_folds(data, SETTINGS, [SETTINGS.seed])
    prepared = search.matrices(data.frame, data.frame)[0]
    trials = search.search(prepared, data.declined, data.weight, numbers, draw(SETTINGS), SETTINGS)
    votes = search.votes(search.best_of_families(trials), data.declined, data.weight, numbers)
    return data, numbers, [*trials, *votes]


@pytest.mark.parametrize("family", [*(f.name for f in FAMILIES), search.VOTE])
def test_refit_on_the_same_customers_is_the_same_model(choices, family):
    data, numbers, tried = choices
    own = [choice for choice in tried if choice.name == family]
    assert own
    for choice in own[:2]:
        first = fit(choice, data, numbers, SETTINGS.seed)
        before = predict(first, data.frame)
        again = refit(first, family, data, SETTINGS)
        np.testing.assert_allclose(predict(again, data.frame), before, atol=1e-9)
        other = refit(first, family, data.rows(np.arange(160)), SETTINGS)
        assert np.abs(predict(other, data.frame) - before).max() > 1e-3
        np.testing.assert_array_equal(predict(first, data.frame), before)  # it stays as it was
