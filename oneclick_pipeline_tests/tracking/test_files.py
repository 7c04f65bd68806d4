"""A model file is opened if it is the registered one and holds trusted types only."""

import numpy as np
import pytest
import skops.io

from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.model import candidates, predict, search
from oneclick_pipeline.model.evaluation import Learner
from oneclick_pipeline.model.fitting import fit
from oneclick_pipeline.model.folds import fold_numbers
from oneclick_pipeline.tracking import TRUSTED_TYPES
from oneclick_pipeline_tests.model.conftest import QUICK
from oneclick_pipeline_tests.tracking.trainings import forged, log, model_file


def test_tampered_model_is_refused(tracking, trained, training):
    version = log(tracking, trained, training)
    path = model_file(tracking, version)
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(BadInputError, match="is not the one that was registered"):
        tracking.load(version)
    path.unlink()
    with pytest.raises(BadInputError, match="a file of model version 1 is missing"):
        tracking.load(version)


def test_untrusted_types_are_refused_even_with_the_right_hash(three):
    version = forged(three, three.version(1))
    with pytest.raises(BadInputError, match=r"value 'shutil\.rmtree': model version 1 holds types that are not trusted"):
        three.load(version)
    with pytest.raises(BadInputError, match="holds types that are not trusted"):
        three.shipped(version)


@pytest.fixture(scope="module")
def tried(training):
    """Every family's trials and the votes of their best, with what they are fitted on."""
    data = Learner.of(training)
    numbers = fold_numbers(data.declined, data.copies, folds=2, seed=[1])
    prepared = search.matrices(data.frame, data.frame)[0]
    trials = search.search(prepared, data.declined, data.weight, numbers, candidates.draw(QUICK), QUICK)
    return [*trials, *search.votes(search.best_of_families(trials), data.declined, data.weight, numbers)], data, numbers


@pytest.mark.parametrize("family", [*(f.name for f in candidates.FAMILIES), search.VOTE])
def test_every_family_fits_trusted_types_only_and_comes_back_the_same(tried, family):
    choices, data, numbers = tried
    own = [choice for choice in choices if choice.name == family]
    assert own
    for choice in own[:2]:  # as it is and calibrated
        pipeline = fit(choice, data, numbers, seed=1)
        content = skops.io.dumps(pipeline)
        assert set(skops.io.get_untrusted_types(data=content)) <= set(TRUSTED_TYPES)
        again = skops.io.loads(content, trusted=list(TRUSTED_TYPES))
        np.testing.assert_array_equal(predict(again, data.frame), predict(pipeline, data.frame))
