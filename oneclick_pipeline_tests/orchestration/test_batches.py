"""The stages that work batch by batch give the same tables whatever the size of a batch."""

import shutil

import pytest

from oneclick_pipeline.engine.batches import Batches
from oneclick_pipeline_tests.orchestration.assets.test_offers import remade
from oneclick_pipeline_tests.orchestration.homes import MONTH, digests

MADE = ["customer_scores", "customer_segments", "segment_profiles", "offer_plan", "plan_summary", "profit_curve"]


@pytest.mark.parametrize("rows", [50, 300])
def test_size_of_batches_changes_no_table(finished, tmp_path, monkeypatch, rows):
    home = shutil.copytree(finished.home, tmp_path / "home")
    monkeypatch.setattr(Batches.__init__, "__defaults__", (None, rows))
    monkeypatch.setattr("oneclick_pipeline.orchestration.assets.offers.ROWS", rows)
    remade(home, MADE)
    assert digests(home, MADE, MONTH) == {name: finished.digests["refresh"][name] for name in MADE}
