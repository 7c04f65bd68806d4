"""How good a version proved, read back."""

import pandas as pd


def test_what_was_learned_about_a_version_is_read_back(logged, two_families):
    tracking, version = logged
    result = tracking.evaluation(version.version)
    is_recognition = two_families.feature_months == two_families.label_months
    assert (result.version, result.month, result.rows, result.same_month) == (1, "2026-10", two_families.rows, is_recognition)
    assert result.metrics == {name: m for name, m in two_families.metrics.items() if name in result.metrics}
    assert result.metrics.keys() == two_families.metrics.keys()
    assert {f.label: f.metrics for f in result.families} == {f.label: f.metrics for f in two_families.families}
    assert [f.label for f in result.families if f.chosen] == [result.family] == [two_families.best.label]
    losses = [f.metrics["log_loss"].estimate for f in result.families]
    assert losses == sorted(losses)
    pd.testing.assert_frame_equal(result.slices, two_families.slices, check_dtype=False, atol=1e-9)
    assert result.out_of_time.empty == two_families.out_of_time.empty
    assert len(result.out_of_fold) == len(two_families.out_of_fold)
