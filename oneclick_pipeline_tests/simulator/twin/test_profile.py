import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.simulator.twin.column import ColumnProfile
from oneclick_pipeline.simulator.twin.profile import COLUMN_NAMES, PHIK_NAMES, Profile


@st.composite
def profiles(draw):
    """Any sound profile."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))

    def column(name):
        cells = draw(st.integers(1, 5))
        width = rng.integers(1, 9, cells)
        first = np.cumsum(width + rng.integers(0, 3, cells)) - width
        shares = [tuple(rng.dirichlet(np.ones(cells)).round(6) + 1e-6) for _ in range(2)]
        values = draw(st.sampled_from([(), (True, False), ("«", '"[\n')])) if cells <= 2 else ()
        return ColumnProfile(name, draw(st.sampled_from([1, 10, 100])), values, ints(first), ints(width), *map(floats, shares))

    def ints(values):
        return tuple(int(v) for v in values)

    def floats(values):
        return tuple(float(v) for v in values)

    def correlation():
        loading = rng.uniform(-0.7, 0.7, len(COLUMN_NAMES))
        matrix = np.outer(loading, loading)
        np.fill_diagonal(matrix, 1.0)
        return tuple(floats(row) for row in matrix)

    phik = tuple(floats(row) for row in rng.random((len(PHIK_NAMES), len(PHIK_NAMES))))
    share, active = draw(st.floats(0.01, 0.99)), draw(st.floats(0, 0.9))
    return Profile(1000, share, active, tuple(map(column, COLUMN_NAMES)), correlation(), correlation(), phik)


@settings(max_examples=25, deadline=None)
@given(profiles())
def test_any_profile_survives_json(profile):
    assert Profile.from_json(profile.to_json()) == profile


def test_save_then_load_gives_the_same_profile_and_the_same_bytes(profile, tmp_path):
    profile.save(tmp_path / "a.json")
    Profile.load(tmp_path / "a.json").save(tmp_path / "b.json")
    assert Profile.load(tmp_path / "a.json") == profile
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


def test_bundled_profile_holds_no_single_customers_value(profile):
    # Every cell of a number stands for at least five of the 997 customers (shares are smoothed: four fifths of it).
    for column in profile.columns:
        pooled = profile.decline_share * column.shares[1] + (1 - profile.decline_share) * column.shares[0]
        assert pooled.min() * profile.customers > 4, column.name


def test_load_refuses_a_missing_file(tmp_path):
    with pytest.raises(BadInputError, match=r"none\.json.*oneclick twin fit"):
        Profile.load(tmp_path / "none.json")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"version": 1}', "null"])
def test_load_refuses_what_is_no_profile(tmp_path, text):
    (tmp_path / "p.json").write_text(text)
    with pytest.raises(BadInputError, match=r"p\.json"):
        Profile.load(tmp_path / "p.json")


def test_load_refuses_another_version(profile):
    content = json.loads(profile.to_json()) | {"version": 99}
    with pytest.raises(BadInputError, match="version 99"):
        Profile.from_json(json.dumps(content))


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"decline_share": 1.0}, "decline_share"),
        ({"look_active": 1.0}, "look_active"),
        ({"columns": ()}, "columns must be"),
        ({"correlation_stable": ((1.0,),)}, "wrong size"),
        ({"correlation_stable": tuple((1.0,) * 17 for _ in range(17))}, "not positive definite"),
        ({"phik": ((1.0,),)}, "phik"),
    ],
)
def test_profile_refuses_unsound_parts(profile, change, problem):
    with pytest.raises(BadInputError, match=problem):
        replace(profile, **change)


@pytest.mark.parametrize(
    ("change", "problem"),
    [({"first": (5, 0)}, "overlap"), ({"stable": (0.0, 1.0)}, "not positive"), ({"width": (1,)}, "unequal length")],
)
def test_profile_refuses_unsound_columns(profile, change, problem):
    column = replace(profile.columns[0], **change)
    with pytest.raises(BadInputError, match=problem):
        replace(profile, columns=(column, *profile.columns[1:]))
