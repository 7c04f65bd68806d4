from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from oneclick_pipeline.simulator.year import report


@pytest.fixture(scope="module")
def found(plays, ours, worth):
    return report.report(plays, ours, worth)


def test_report_accounts(plays, found):
    policies = found.policies.set_index("policy")
    assert policies.loc["nobody", "gain"] == 0
    assert policies.loc["oracle", ["of_oracle", "regret"]].tolist() == [1.0, 0.0]
    last = found.months.groupby("policy")["gain_so_far"].last()
    assert np.allclose(last.loc[policies.index], policies["gain"])


def effects_table(rows):
    columns = ["campaigns", "offer_id", "segment", "comparison", "outcome", "effect", "effect_low", "effect_high", "status"]
    table = pd.DataFrame(rows, columns=columns)
    return table.assign(interval=np.where(table["campaigns"] == "all", "always_valid", "fixed"))


def test_compare_knows_the_truth_of_a_comparison():
    truths = {"2024-06": pd.DataFrame({"a": [-0.1, -0.3, 0.5, 0.2]}, index=[1, 2, 3, 4])}
    outcomes = pd.DataFrame(
        {
            "campaign_month": "2024-06",
            "customer_id": [1, 2, 3, 4],
            "arm": ["offer", "offer", "control", "offer"],
            "offer_id": ["a", "a", "a", "a"],
            "assignment": ["plan", "plan", "hold_out", "exploration"],
            "fits": "a",
            "declined": [0.0, 1.0, 0.0, np.nan],
        }
    )
    rows = [
        ("2024-06", "a", "all", "targeted", "declined", -0.1, -0.25, 0.1, "measured"),
        ("2024-06", "a", "all", "targeted", "revenue", -0.1, -0.3, 0.1, "measured"),
        ("2024-06", "a", "all", "fitting", "declined", np.nan, np.nan, np.nan, "not_enough_data"),
        ("all", "a", "all", "pooled", "declined", 0.0, -0.1, 0.1, "measured"),
        ("all", "a", "core", "pooled", "declined", 0.0, -0.1, 0.1, "measured"),
    ]
    found = report.compare(effects_table(rows), outcomes, truths)
    assert found["true_effect"].tolist() == pytest.approx([-0.2, -0.2])
    assert found["inside"].tolist() == [True, False]
    assert found["interval"].tolist() == ["fixed", "always_valid"]


def test_compare_of_nothing_is_empty():
    assert report.compare(pd.DataFrame(), pd.DataFrame(), {}).empty


def test_write_and_render(tmp_path, found, ours):
    path = report.write(tmp_path / "year", found, ours.beliefs)
    assert path.read_bytes().startswith(b"\x89PNG")
    for name, table in (
        ("policies", found.policies),
        ("months", found.months),
        ("effects", found.effects),
        ("gains", found.gains),
    ):
        pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "year" / f"{name}.parquet"), table, check_dtype=False)
        assert len(pd.read_csv(tmp_path / "year" / f"{name}.csv")) == len(table)
    console = Console(record=True, width=120)
    console.print(report.render(found))
    told = console.export_text()
    assert all(name in told for name in found.policies["policy"])


def test_lines_tell_the_two_kinds_of_intervals_apart(found):
    rows = pd.DataFrame({"interval": ["fixed"] * 3 + ["always_valid"] * 2, "inside": [True, True, None, True, False]})
    told = list(report.lines(report.Report(found.policies, found.months, rows, found.gains), {}, control_share=0.1))
    assert "100.0% of 2 intervals of effects of one campaign, read once, hold the truth." in told
    assert "50.0% of 2 intervals of effects of all campaigns, read every month, hold the truth." in told


def test_lines_say_share_and_offers_that_went(found):
    policies = pd.DataFrame({"policy": ["nobody", "risk_profit", "oracle", "ours"], "gain": [0.0, 40.0, 100.0, 72.0]})
    gains = pd.DataFrame({"expected_gain": [30.0, 1000.0], "true_gain": [50.0, 1200.0], "covered": [True, False]})
    made = report.Report(policies, found.months, found.effects.iloc[:0], gains)
    told = list(report.lines(made, {"a": "2024-09", "b": None}, control_share=0.1))
    assert told == [
        "Our policy gained 80% of what the oracle gains, less the hold-out's share.",
        "It gained 1.80 times what risk x profit gains.",
        "Its plans expected 1,030 and gained 1,250 by the true effects and worth.",
        "1 of 2 intervals of a month's gain hold the truth.",
        "No longer in the plan: a from 2024-09.",
    ]
