"""Contributions as they are kept with a version: what was written is read back, and nothing that is damaged."""

import json

import pytest
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.model.attribution import explain
from oneclick_pipeline.model.candidates import preprocessor
from oneclick_pipeline.model.contributions import Contributions
from oneclick_pipeline.model.training_set import inputs
from oneclick_pipeline.settings import Model


@pytest.fixture(scope="module", params=["closed form", "curves"])
def contributions(request, training):
    classifier = LogisticRegression(C=0.3) if request.param == "closed form" else ExtraTreesClassifier(5, random_state=0)
    model = Pipeline([("prepare", preprocessor("one_hot", "standard")), ("classify", classifier)])
    return explain(model.fit(inputs(training), training["declined"]), training, Model()).contributions


def test_json_round_trip(contributions):
    assert Contributions.from_json(contributions.to_json()) == contributions


BREAKAGES = {
    "not JSON": lambda _: None,
    "another version": lambda c: c.update(version=2),
    "no curves": lambda c: c.pop("curves"),
    "a curve too few": lambda c: c["curves"].pop(),
    "curves in another order": lambda c: c["curves"].reverse(),
    "an unknown field": lambda c: c.update(extra=1),
    "an unknown field of a curve": lambda c: c["curves"][0].update(extra=1),
    "an unknown method": lambda c: c.update(method="guess"),
    "a share too few": lambda c: c["shares"].pop(),
    "a text for a number": lambda c: c.update(baseline="0"),
    "knots that fall": lambda c: c["curves"][2]["knots"].reverse(),
    "a knot too few": lambda c: c["curves"][2]["knots"].pop(),
    "infinity": lambda c: c["curves"][2].update(missing=float("inf")),
    "no object": lambda c: [c],
}


@pytest.mark.parametrize("what", BREAKAGES)
def test_from_json_refuses(contributions, what):
    content = json.loads(contributions.to_json())
    changed = BREAKAGES[what](content)
    text = "{" if what == "not JSON" else json.dumps(changed if isinstance(changed, list) and what == "no object" else content)
    with pytest.raises(BadInputError, match="restore the file from a backup"):
        Contributions.from_json(text)
