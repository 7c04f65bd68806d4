import numpy as np
import pandas as pd
import pytest

from oneclick_pipeline.contracts.customers import FEATURE_NAMES
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.simulator.twin.fit import Regularisation, _groups, _numeric_cells, fit, usable
from oneclick_pipeline_tests.simulator.twin.conftest import sample


@pytest.fixture(scope="module")
def table(profile):
    return sample(profile, 3000, seed=3).assign(regular=True)


@pytest.fixture(scope="module")
def refitted(table):
    return fit(table, Regularisation(smoothing=0, shrinkage=0))


def test_fit_on_the_twin_finds_its_profile_again(profile, refitted):
    assert refitted.decline_share == pytest.approx(profile.decline_share, abs=0.025)  # three standard errors of 3,000
    assert refitted.look_active == pytest.approx(profile.look_active, abs=0.06)
    for name in ("correlation_declined", "correlation_stable"):
        difference = np.subtract(getattr(refitted, name), getattr(profile, name))
        assert np.abs(difference).mean() < 0.04  # a correlation among 950 decliners of that kind has a standard error of 0.03


def test_fit_finds_steps_and_vocabularies(profile, refitted):
    for old, new in zip(profile.columns, refitted.columns, strict=True):
        assert (new.name, new.per_unit, set(new.values)) == (old.name, old.per_unit, set(old.values))


def test_fit_orders_categories_by_decline_rate(table, refitted):
    column = next(c for c in refitted.columns if c.name == "favourite_category")
    rate = (table["activity"] == "declined").groupby(table["favourite_category"]).mean()
    assert list(column.values) == rate.sort_values().index.tolist()


def test_usable_leaves_out_customers_that_are_not_regular_not_classed_or_incomplete(table):
    spoilt = table.astype({"minutes_m0": float, "activity": object})
    spoilt.loc[0, "regular"] = False
    spoilt.loc[1, "activity"] = None
    spoilt.loc[2, "minutes_m0"] = np.nan
    assert len(usable(spoilt)) == len(table) - 3


def test_fit_refuses_too_few_customers_of_a_class(table):
    few = pd.concat([table[table["activity"] == "declined"].head(99), table[table["activity"] == "stable"]])
    with pytest.raises(BadInputError, match="only 99 regular customers are declined, 100 are needed") as caught:
        fit(few)
    assert caught.value.remedy


def test_fit_refuses_a_frame_without_a_column(table):
    with pytest.raises(BadInputError, match=FEATURE_NAMES[0]):
        fit(table.drop(columns=FEATURE_NAMES[0]))


def test_fit_works_where_a_column_never_varies(table):
    constant = fit(table.head(600).assign(unpaid_items=2, marketing_consent=True))
    drawn = sample(constant, 50, seed=1)
    assert set(drawn["unpaid_items"]) == {2}
    assert set(drawn["marketing_consent"]) == {True}
    assert np.isfinite(constant.phik).all()


def test_groups_join_a_small_rest_to_the_group_before():
    assert _groups(np.array([5, 5, 1]), 5).tolist() == [0, 1, 1]
    assert _groups(np.array([1, 1]), 5).tolist() == [0, 0]


def test_numeric_cells_of_few_levels_leave_gaps_out():
    codes = np.repeat([1, 2, 9, 30], [5, 5, 3, 5])
    first, width = _numeric_cells(codes)
    assert first.tolist() == [1, 2, 9]
    assert width.tolist() == [1, 1, 22]  # 9 is too rare to stand alone and shares a cell with 30


def test_numeric_cells_of_many_levels_are_rounded_and_cover_all():
    codes = np.random.default_rng(0).normal(52_000, 8_000, 1000).astype(np.int32)
    first, width = _numeric_cells(codes)
    assert first[0] <= codes.min()
    assert first[-1] + width[-1] > codes.max()
    assert (first[1:] == (first + width)[:-1]).all()
    assert (first % 100 == 0).all()
