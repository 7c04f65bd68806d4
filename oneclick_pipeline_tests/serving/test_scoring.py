"""What may stand in the JSON of `oneclick score`, and what is said of what may not. The scores themselves: test_cli."""

from __future__ import annotations

import subprocess
import sys

import pytest

from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.home.paths import table_file
from oneclick_pipeline.serving import read_records, score_customer, score_records
from oneclick_pipeline.serving.scoring import _features_file

MONTH = "2026-10"


@pytest.mark.parametrize(
    ("record", "told"),
    [
        ({"unpaid_item": 1}, r"column «unpaid_item», value '1': unpaid_item is not a feature.*docs/tables.md"),
        ({"p_decline": 1}, "p_decline is not a feature"),
        ({"activity": "declined"}, "activity is not a feature"),
        ({"unpaid_items": -1}, "value '-1': unpaid_items is out of range.*at least 0"),
        ({"promo_share": 1.01}, "value '1.01': promo_share is out of range.*between 0 and 1"),
        ({"unpaid_items": 1.5}, "unpaid_items is not a whole number"),
        ({"unpaid_items": "3"}, "unpaid_items is not a number"),
        ({"unpaid_items": True}, "unpaid_items is not a number"),
        ({"unpaid_items": [3]}, "unpaid_items is not a number"),
        ({"minutes_m0": float("nan")}, "minutes_m0 is not a number"),
        ({"minutes_m0": float("inf")}, "minutes_m0 is not a number"),
        ({"minutes_m0": 10**400}, "minutes_m0 is not a number"),
        ({"marketing_consent": 1}, "marketing_consent is neither true nor false"),
        ({"marketing_consent": "да"}, "marketing_consent is neither true nor false"),
        ({"service_level": "gold"}, "value 'gold': service_level is not one of its values.*one of standard, premium"),
        ({"favourite_category": " "}, "favourite_category is not text"),
        ({"favourite_category": 3}, "favourite_category is not text"),
        ({"favourite_category": "a\x1b[2J"}, "favourite_category holds a control character"),
        ({"favourite_category": "\ud800"}, "favourite_category holds a control character"),
        ({"customer_id": -3, "unpaid_items": 1}, "customer_id is out of range"),
        ({}, "no feature has a value"),
        ({"customer_id": 3, "unpaid_items": None}, "no feature has a value"),
    ],
)
def test_bad_record_is_refused_with_field_value_and_remedy(tmp_path, record, told):
    with pytest.raises(BadInputError) as error:
        score_records(tmp_path, [record])
    assert error.match(told)
    assert error.value.remedy
    with pytest.raises(BadInputError, match="record 1: "):
        score_records(tmp_path, [{"unpaid_items": 3}, record])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "x.json, line 1: this is not JSON"),
        ("", "this is not JSON"),
        ("3", "neither an object nor a list"),
        ("[{}, 3]", "value '3': record 1 is not an object"),
        ('{"unpaid_items": 1, "unpaid_items": 2}', "x.json, column «unpaid_items»: the field appears twice"),
        ('{"minutes_m0": NaN}', "value 'NaN': NaN is not JSON"),
        ('[{"minutes_m0": -Infinity}]', "-Infinity is not JSON"),
        ("[" * 100_000, "x.json: it is nested too deeply"),
        ('{"a":' * 100_000, "x.json: it is nested too deeply"),
        ('{"minutes_m0": ' + "1" * 5000 + "}", "x.json: this is not JSON: Exceeds the limit"),
    ],
)
def test_text_that_holds_no_customers_is_refused(text, told):
    with pytest.raises(BadInputError, match=told):
        read_records(text, "x.json")


def test_list_is_told_from_a_single_customer():
    assert read_records('[{"unpaid_items": 3}]', "x.json") == ([{"unpaid_items": 3}], True)
    assert read_records("[]", "x.json") == ([], True)


def test_home_without_a_model_is_said_so_and_stays_empty(tmp_path):
    with pytest.raises(BadInputError, match=r"no champion model yet.*run retrain first"):
        score_records(tmp_path, [{"unpaid_items": 3, "favourite_category": "Автотовары", "customer_id": 1}])
    with pytest.raises(BadInputError, match="no month has customer_features yet"):
        score_customer(tmp_path, 1, month=None, horizon_months=3)
    with pytest.raises(BadInputError, match="customer_features of 2026-09 is missing"):
        score_customer(tmp_path, 1, month="2026-09", horizon_months=3)
    with pytest.raises(BadInputError, match=r"'../x' is not a month"):
        score_customer(tmp_path, 1, month="../x", horizon_months=3)
    assert list(tmp_path.iterdir()) == []


def test_newest_month_is_one_that_is_over(tmp_path):
    folder = table_file(tmp_path, "customer_features", MONTH).parent
    folder.mkdir(parents=True)
    for name in ("2099-01", "9999-12", "2026-13", "２０２６-11", "2026-11 ", ".2026-11"):
        (folder / f"{name}.parquet").touch()
    with pytest.raises(BadInputError, match="no month has customer_features yet"):
        score_customer(tmp_path, 1, month=None, horizon_months=3)
    (folder / f"{MONTH}.parquet").touch()
    assert _features_file(tmp_path, None).stem == MONTH


def test_import_is_light():
    heavy = {"mlflow", "sklearn", "pandas", "scipy", "matplotlib", "dagster", "numpy"}
    code = f"import sys, oneclick_pipeline.serving; print(sorted({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
