"""Who got no offer in a month, and with which probability."""

import pytest

from oneclick_pipeline.orchestration.drawn_months import DrawnMonths
from oneclick_pipeline.settings import Settings
from oneclick_pipeline_tests.orchestration.homes import MONTH, table


def test_who_got_no_offer_is_told_by_the_ledger_and_of_all_others_by_the_plan(finished):
    settings, window = Settings(), {"history": 12, "customers": 10_000}
    # what the month itself sends tells nothing of it
    assert list(DrawnMonths(finished.home, MONTH, settings, **window)) == []
    drawn = DrawnMonths(finished.home, "2026-11", settings, **window)
    assert list(drawn) == [MONTH]
    assert len(drawn) == 1
    found, plan = drawn[MONTH].set_index("customer_id"), table(finished.home, "offer_plan").to_pandas().set_index("customer_id")
    assert sorted(found.index) == sorted(plan.index)
    assert (found["arm"] == "offer").sum() == (plan["arm"] == "offer").sum() > 0
    never = plan.index[plan["reason"].isin(["no_consent", "not_regular", "not_scored"])]
    assert found.loc[never, "p_no_offer"].eq(1).all()
    withheld = plan.index[(plan["arm"] == "control") & (plan["assignment"] == "hold_out")]
    assert found.loc[withheld, "p_no_offer"].between(settings.offers.control_share, 1).all()
    without = found.loc[found["arm"] != "offer", "p_no_offer"].astype(float)
    assert (1 / without).sum() == pytest.approx(len(found), rel=0.15)  # together they stand for all
