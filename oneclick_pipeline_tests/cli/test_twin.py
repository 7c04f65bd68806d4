"""`oneclick twin`: months of a simulated store, and its profile."""

import json

import polars as pl
import pytest

from oneclick_pipeline.contracts.exports import SOURCES
from oneclick_pipeline.simulator.twin.profile import Profile
from oneclick_pipeline_tests.orchestration.homes import MONTH


def test_twin_month_makes_a_month_and_does_not_overwrite_it(oneclick, tmp_path):
    arguments = ["twin", "month", "--month", "2026-09", "--customers", 60, "--home", tmp_path]
    code, out, _ = oneclick(*arguments, "--seed", 5)
    assert code == 0
    assert "60 customers in" in out.replace("\n", " ")
    folder = tmp_path / "raw" / "2026-09"
    assert sorted(p.name for p in folder.iterdir()) == sorted(f"{s.file}.csv" for s in SOURCES)
    assert pl.read_parquet(tmp_path / "twin" / "2026-09.parquet").height == 60
    first = (folder / "market_file.csv").read_bytes()

    code, _, err = oneclick(*arguments, "--seed", 6)
    assert code == 1
    assert "this month exists already" in err
    assert (folder / "market_file.csv").read_bytes() == first

    assert oneclick(*arguments, "--seed", 5, "--overwrite")[0] == 0
    assert (folder / "market_file.csv").read_bytes() == first
    assert oneclick(*arguments, "--seed", 6, "--overwrite")[0] == 0
    assert (folder / "market_file.csv").read_bytes() != first


@pytest.mark.parametrize("month", ["2026-13", "../../x"])
def test_twin_month_refuses_what_is_no_month(oneclick, tmp_path, month):
    code, _, err = oneclick("twin", "month", "--month", month, "--home", tmp_path)
    assert code == 1
    assert "is not a month" in err
    assert list(tmp_path.iterdir()) == []


def test_twin_months_makes_months_that_follow_one_another_and_does_not_overwrite_them(oneclick, tmp_path):
    arguments = ["twin", "months", "--from", "2026-11", "--to", "2027-02", "--customers", 60, "--home", tmp_path]
    code, out, _ = oneclick(*arguments, "--seed", 5)
    assert code == 0
    assert "4 months, the first of 60 customers, in" in out.replace("\n", " ")
    months = ["2026-11", "2026-12", "2027-01", "2027-02"]
    assert sorted(p.name for p in (tmp_path / "raw").iterdir()) == months
    assert sorted(p.stem for p in (tmp_path / "twin").iterdir()) == months
    first, last = (pl.read_csv(tmp_path / "raw" / month / "market_file.csv") for month in (months[0], months[-1]))
    truth = pl.read_parquet(tmp_path / "twin" / f"{months[0]}.parquet")
    both = truth.join(last, left_on="customer_id", right_on="id")
    assert 40 < len(both) <= len(first)
    assert (both["declines"] == (both["Покупательская активность"] == "Снизилась")).all()

    code, _, err = oneclick(*arguments, "--seed", 6)
    assert code == 1
    assert "this month exists already" in err
    assert pl.read_csv(tmp_path / "raw" / months[0] / "market_file.csv").equals(first)
    assert oneclick(*arguments, "--seed", 6, "--overwrite")[0] == 0
    assert not pl.read_csv(tmp_path / "raw" / months[0] / "market_file.csv").equals(first)


@pytest.mark.parametrize(
    ("first", "last", "told"), [("2026-13", "2027-01", "is not a month"), ("2026-02", "2026-01", "is before the first")]
)
def test_twin_months_refuses_impossible_months(oneclick, tmp_path, first, last, told):
    code, _, err = oneclick("twin", "months", "--from", first, "--to", last, "--home", tmp_path)
    assert code == 1
    assert told in err
    assert list(tmp_path.iterdir()) == []


def test_twin_fit_writes_a_profile_that_draws_months(oneclick, tmp_path):
    assert oneclick("twin", "month", "--month", MONTH, "--customers", 1500, "--home", tmp_path)[0] == 0
    out = tmp_path / "profile.json"
    code, text, _ = oneclick("twin", "fit", "--from", tmp_path / "raw" / MONTH, "--out", out)
    assert code == 0
    assert "profile written to" in text
    assert Profile.load(out).customers == 1497
    known = set(pl.read_csv(tmp_path / "raw" / MONTH / "market_file.csv")["id"].cast(str))
    assert not known & {word.strip('",[]{} ') for word in json.dumps(json.loads(out.read_text())).split()}
    code, _, _ = oneclick("twin", "month", "--month", "2026-09", "--customers", 20, "--home", tmp_path, "--profile", out)
    assert code == 0
    assert pl.read_csv(tmp_path / "raw" / "2026-09" / "market_file.csv").height == 20


def test_twin_fit_names_the_file_that_is_missing(oneclick, tmp_path):
    code, _, err = oneclick("twin", "fit", "--from", tmp_path, "--out", tmp_path / "profile.json")
    assert code == 1
    assert "market_file.csv: the file is missing" in err
    assert not (tmp_path / "profile.json").exists()
