import copy
import pickle

import pytest

from oneclick_pipeline.errors import BadInputError


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "it is broken"),
        ({"remedy": "mend it"}, "it is broken. What to do: mend it"),
        ({"file": "money.csv"}, "money.csv: it is broken"),
        ({"file": "money.csv", "line": 0}, "money.csv, line 0: it is broken"),
        ({"file": "money.csv", "column": "Прибыль"}, "money.csv, column «Прибыль»: it is broken"),
        ({"value": ""}, "value '': it is broken"),
        ({"value": "a\nb"}, r"value 'a\nb': it is broken"),
        ({"value": "x" * 300}, f"value '{'x' * 200}': it is broken"),
    ],
)
def test_message_names_what_is_known(fields, message):
    assert str(BadInputError("it is broken", **fields)) == message


@pytest.mark.parametrize("through", [copy.copy, copy.deepcopy, lambda e: pickle.loads(pickle.dumps(e))])  # noqa: S301
def test_error_travels_between_processes_with_its_fields(through):
    error = BadInputError("it is broken", "money.csv", 7, "Прибыль", "abc", "mend it")
    arrived = through(error)
    assert (arrived, str(arrived)) == (error, str(error))
    assert isinstance(arrived, BadInputError)
