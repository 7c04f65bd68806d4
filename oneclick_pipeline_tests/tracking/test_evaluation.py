"""How good a version proved, read back."""

import pandas as pd

from oneclick_pipeline.home.paths import table_file
from oneclick_pipeline.model.training_set import digest
from oneclick_pipeline.tracking.evaluation import training_rows


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


def test_training_rows_are_those_of_the_digest_or_none(logged, two_families, training, tmp_path):
    version = logged[0].version(1)
    path = table_file(tmp_path, "training_set", "2026-10")
    assert training_rows(tmp_path, version, 20_000) is None
    path.parent.mkdir(parents=True)
    training.sample(frac=1, random_state=1).to_parquet(path)
    found = training_rows(tmp_path, version, 20_000)
    assert digest(found) == two_families.digest
    assert training_rows(tmp_path, version, 100) is None  # a smaller sample than it was trained on
    training.drop(columns=["weight", "offered_left_out"]).to_parquet(path)  # as older software wrote it
    assert len(training_rows(tmp_path, version, 20_000)) == len(training)
    for other in (training.assign(weight=2.0), training.assign(declined=0), training.drop(columns="revenue_m0")):
        other.to_parquet(path)
        assert training_rows(tmp_path, version, 20_000) is None
    path.write_bytes(b"PAR1")
    assert training_rows(tmp_path, version, 20_000) is None
