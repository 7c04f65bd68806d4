"""`oneclick score`: a customer of a month, or features as JSON."""

import json
import sys
from io import BytesIO, TextIOWrapper

import polars as pl
import pytest

from oneclick_pipeline.contracts.customers import FEATURE_NAMES
from oneclick_pipeline_tests.orchestration import homes
from oneclick_pipeline_tests.orchestration.homes import MONTH


def test_score_of_a_customer_is_that_of_customer_scores(oneclick, finished):
    scores = homes.table(finished.home, "customer_scores")
    for basis in ("out_of_fold", "model"):
        row = scores.filter(pl.col("score_basis") == basis).row(0, named=True)
        code, out, err = oneclick("score", "--customer", row["customer_id"], "--home", finished.home)
        assert (code, err) == (0, "")
        for part in (
            f"customer       {row['customer_id']}, {MONTH}",
            f"p_decline      {row['p_decline']:.3f}",
            f"profit x p     {row['value_at_risk']:.2f}",  # a recognition: nothing is known to be at risk
            f"basis          {basis}",
            f"model          activity_decline version {row['model_version']}",
            *(f"reason {k}       {row[f'reason_{k}_ru']} ({row[f'reason_{k}_effect']:+.2f}" for k in (1, 2, 3)),
        ):
            assert part in out
        place = ["--month", MONTH, "--home", finished.home]
        assert row["reason_1_en"] in oneclick("score", "--customer", row["customer_id"], "--language", "en", *place)[1]


def test_score_of_json_is_the_models(oneclick, finished, monkeypatch, tmp_path):
    by_model = homes.table(finished.home, "customer_scores").filter(pl.col("score_basis") == "model").row(0, named=True)
    features = homes.table(finished.home, "customer_features").filter(pl.col("customer_id") == by_model["customer_id"])
    record = features.select("customer_id", *FEATURE_NAMES).row(0, named=True)
    monkeypatch.setattr(sys, "stdin", TextIOWrapper(BytesIO(json.dumps(record, ensure_ascii=False).encode())))
    code, out, _ = oneclick("score", "--json", "-", "--home", finished.home)
    assert code == 0
    told = json.loads(out)
    assert told["customer_id"] == by_model["customer_id"]
    assert told["p_decline"] == pytest.approx(by_model["p_decline"])
    assert told["missing"] == [name for name in FEATURE_NAMES if record[name] is None]
    assert [r["ru"] for r in told["reasons"]] == [by_model[f"reason_{k}_ru"] for k in (1, 2, 3)]
    assert [r["effect"] for r in told["reasons"]] == pytest.approx([by_model[f"reason_{k}_effect"] for k in (1, 2, 3)])
    assert told["model"] == {"name": "activity_decline", "version": by_model["model_version"]}

    (tmp_path / "two.json").write_text(json.dumps([record, {"unpaid_items": 9}]), encoding="utf-8")
    code, out, _ = oneclick("score", "--json", tmp_path / "two.json", "--home", finished.home)
    first, second = json.loads(out)
    assert first["p_decline"] == pytest.approx(told["p_decline"])
    assert "customer_id" not in second
    assert second["missing"] == [name for name in FEATURE_NAMES if name != "unpaid_items"]


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        ([], 2, "either --customer or --json"),
        (["--customer", 1, "--json", "-"], 2, "either --customer or --json"),
        (["--json", "-", "--month", MONTH], 2, "--month goes with --customer"),
        (["--customer", 1], 1, "customer 1 is not in customer_features of 2026-10"),
        (["--customer", 1, "--month", "2026-09"], 1, "customer_features of 2026-09 is missing"),
        (["--json", "nowhere.json"], 1, "nowhere.json, value"),
    ],
)
def test_score_that_cannot_be_is_said_so(oneclick, finished, arguments, code, told):
    ended, _, err = oneclick("score", *arguments, "--home", finished.home)
    assert ended == code
    assert told in err
