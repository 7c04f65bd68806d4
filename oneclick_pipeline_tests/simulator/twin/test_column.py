import numpy as np
import pandas as pd
import pytest

from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.simulator.twin.column import ColumnProfile

SHARE = ColumnProfile("promo_share", 100, (), (10, 20), (5, 1), (0.5, 0.5), (0.25, 0.75))
LEVEL = ColumnProfile("service_level", 1, ("standard", "premium"), (0, 1), (1, 1), (0.6, 0.4), (0.7, 0.3))


def test_draw_takes_codes_of_a_cell_equally_often_and_none_between_cells():
    uniform = (np.arange(1000) + 0.5) / 1000
    codes, counts = np.unique(SHARE.draw(uniform, 1), return_counts=True)
    assert dict(zip(codes.tolist(), counts.tolist(), strict=True)) == {10: 100, 11: 100, 12: 100, 13: 100, 14: 100, 20: 500}


def test_quantile_is_the_middle_of_a_codes_step_in_its_class():
    assert SHARE.quantile(np.array([10, 14, 20]), 1) == pytest.approx([0.05, 0.45, 0.75])
    assert SHARE.quantile(np.array([20]), 0) == pytest.approx([0.625])


def test_quantile_of_codes_outside_the_cells_is_that_of_the_nearest_code_below_or_the_first():
    assert SHARE.quantile(np.array([-3, 17, 99]), 1) == pytest.approx([0.05, 0.45, 0.75])


def test_log_ratio_is_declined_over_stable():
    assert SHARE.log_ratio == pytest.approx(np.log([2, 2 / 3]))


@pytest.mark.parametrize(("column", "values"), [(SHARE, [0.1, 0.14, 0.29]), (LEVEL, ["premium", "standard"])])
def test_decode_gives_back_what_encode_took(column, values):
    assert column.decode(column.encode(pd.Series(values))).tolist() == values


def test_decode_of_booleans_is_boolean():
    consent = ColumnProfile("marketing_consent", 1, (True, False), (0, 1), (1, 1), (0.5, 0.5), (0.5, 0.5))
    assert consent.decode(np.array([0, 1])).dtype == bool


def test_encode_refuses_an_unknown_category():
    with pytest.raises(BadInputError, match="gold") as caught:
        LEVEL.encode(pd.Series(["standard", "gold"]))
    assert caught.value.column == "service_level"
    assert caught.value.remedy


def test_encode_refuses_a_missing_value():
    with pytest.raises(BadInputError, match="missing"):
        SHARE.encode(pd.Series([0.1, np.nan]))
