from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from scipy import stats
from typer.testing import CliRunner

from oneclick_pipeline.campaigns import outcomes_csv
from oneclick_pipeline.cli.app import app
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.settings import Campaigns

GOOD = "customer_id,offer_id,revenue\n1,control,10\n2,control,11\n3,voucher,12\n4,voucher,14\n"


@pytest.fixture
def write(tmp_path):
    def write(content):
        path = tmp_path / "outcomes.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def campaign(n=300, *, seed=1, offers=("voucher", "bundle")):
    """Rows of a campaign in which the first offer raises revenue by 5."""
    rng = np.random.default_rng(seed)
    before = rng.normal(100, 20, n).round(2)
    arm = rng.choice(["control", *offers], n)
    revenue = (before + rng.normal(0, 5, n) + 5 * (arm == offers[0])).round(2)
    columns = {"customer_id": np.arange(n) + 1, "offer_id": arm, "revenue": revenue, "revenue_before": before}
    return pd.DataFrame(columns).assign(visits=rng.poisson(3, n) - 2)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1251", "mixed"])
@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_any_of_the_formats_reads_the_same(write, delimiter, encoding, ends):
    text = f"customer_id,offer_id,Выручка,Выручка_before{ends}1,control,1.5,{ends}2,Control,-2,3{ends}3,скидка,1e2,4{ends}"
    text = text.replace(",", delimiter)
    text = text.replace(".", ",") if delimiter != "," else text
    mixed = encoding == "mixed"  # UTF-8 that was decoded as cp1251 and encoded again
    found = outcomes_csv.read(write(text.encode().decode("cp1251").encode() if mixed else text.encode(encoding)))
    assert found.table["customer_id"].tolist() == [1, 2, 3]
    assert found.table["offer_id"].tolist() == ["control", "control", "скидка"]
    assert found.table["Выручка"].tolist() == [1.5, -2.0, 100.0]
    assert found.table["Выручка_before"].fillna(0).tolist() == [0.0, 3.0, 4.0]
    assert (found.outcomes, found.rejected, found.ignored) == (("Выручка",), (), {})


def test_effects_without_covariates_are_welchs(write):
    data = campaign().drop(columns="revenue_before")
    found = outcomes_csv.estimates(outcomes_csv.read(write(data.to_csv(index=False))), Campaigns())
    assert found[["offer_id", "outcome"]].values.tolist() == [
        [offer, outcome] for offer in ("bundle", "voucher") for outcome in ("revenue", "visits")
    ]
    for row in found.to_dict("records"):
        groups = (data.loc[data["offer_id"] == arm, row["outcome"]] for arm in (row["offer_id"], "control"))
        known = stats.ttest_ind(*groups, equal_var=False)
        assert row["p_value"] == pytest.approx(known.pvalue)
        assert (row["effect_low"], row["effect_high"]) == pytest.approx(known.confidence_interval(0.95))
        assert np.isnan(row["sample_ratio_p"])


def test_what_was_before_narrows_the_interval(write):
    data = campaign()
    with_past, without = (
        outcomes_csv.estimates(outcomes_csv.read(write(frame.to_csv(index=False))), Campaigns()).set_index(
            ["offer_id", "outcome"]
        )
        for frame in (data, data.drop(columns="revenue_before"))
    )
    place = ("voucher", "revenue")
    assert with_past.loc[place, "adjusted"]
    assert not without.loc[place, "adjusted"]
    assert with_past.loc[place, "standard_error"] < 0.5 * without.loc[place, "standard_error"]
    assert with_past.loc[place, "effect_low"] < 5 < with_past.loc[place, "effect_high"]
    assert with_past.loc[place, "significant"]


def test_broken_split_gives_no_figures_and_only_to_those_who_told_the_ratio(write):
    found = outcomes_csv.read(write(campaign().to_csv(index=False)))
    table = outcomes_csv.estimates(found, Campaigns(), {"voucher": 3.0}).set_index("offer_id")
    assert set(table.loc["voucher", "status"]) == {"sample_ratio_mismatch"}
    assert table.loc["voucher", "effect"].isna().all()
    assert set(table.loc["bundle", "status"]) == {"measured"}


@pytest.mark.parametrize(("offer", "ratio"), [("other", 1.0), ("voucher", 0.0), ("voucher", float("nan"))])
def test_ratio_that_cannot_be_is_refused(write, offer, ratio):
    with pytest.raises(BadInputError, match="voucher"):
        outcomes_csv.estimates(outcomes_csv.read(write(GOOD)), Campaigns(), {offer: ratio})


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", ["empty"]),
        ("customer_id,offer_id,revenue\n", ["header and no rows"]),
        (GOOD.replace("offer_id", "offer"), ["line 1", "«offer_id»", "missing"]),
        (GOOD.replace("customer_id", "id"), ["line 1", "«customer_id»", "missing"]),
        ("customer_id,offer_id,x,x\n1,control,1,1\n", ["«x»", "twice"]),
        ("customer_id,offer_id,x_before\n1,control,1\n", ["«x_before»", "no outcome «x»"]),
        ("customer_id,offer_id\n1,control\n2,a\n", ["no outcome", "numeric column"]),
        ("customer_id,offer_id,x\n1,control,a\n2,b,c\n", ["no outcome", "numeric column"]),
        (GOOD.replace("control", "none"), ["no control", "`control`"]),
        (GOOD.replace("voucher", "control"), ["nobody but controls"]),
        ("customer_id,offer_id,x\n1,control,1\n1,a,2\n", ["none of the 2 rows", "several lines"]),
    ],
)
def test_files_that_cannot_be_used_say_why(write, content, words):
    path = write(content)
    with pytest.raises(BadInputError) as error:
        outcomes_csv.read(path)
    assert all(word in str(error.value) for word in [*words, str(path)])
    assert error.value.remedy


def test_missing_file_says_so(tmp_path):
    with pytest.raises(BadInputError, match="missing"):
        outcomes_csv.read(tmp_path / "no.csv")


@pytest.mark.parametrize(
    ("line", "column", "problem"),
    [
        ("x,voucher,1,1,0", "customer_id", "no customer number"),
        ("-9,voucher,1,1,0", "customer_id", "no customer number"),
        (",voucher,1,1,0", "customer_id", "no customer number"),
        ("9,,1,1,0", "offer_id", "offer is missing"),
        (f"9,{'v' * 201},1,1,0", "offer_id", "too long"),
        ("9,voucher,,1,0", "revenue", "outcome is missing"),
        ("9,voucher,abc,1,0", "revenue", "no number"),
        ("9,voucher,inf,1,0", "revenue", "no number"),
        ("9,voucher,nan,1,0", "revenue", "no number"),
        ("9,voucher,1e999,1,0", "revenue", "no possible value"),
        ("9,voucher,1,-1e16,0", "revenue_before", "no possible value"),
        ("9,voucher,1,?,0", "revenue_before", "no number"),
        ("9,voucher,1,1,2", "declined", "neither 0 nor 1"),
        ("1,voucher,1,1,0", "customer_id", "several lines"),
        ("9,voucher,1,1", None, "another number of fields"),
        ('9,"voucher,1,1,0', None, "quote is not closed"),
    ],
)
def test_bad_row_is_named_and_the_others_are_used(write, line, column, problem):
    good = ["customer_id,offer_id,revenue,revenue_before,declined", "1,control,1,1,0", "2,control,-2,,1", "3,voucher,3,1,0"]
    found = outcomes_csv.read(write("\n".join([*good, line]) + "\n"))
    bad = found.rejected[-1]
    assert (bad.line, bad.column) == (5, column)
    assert problem in found.message(bad)
    assert f"{found.file}, line 5" in found.message(bad)
    duplicates = int(line.startswith("1,"))  # both lines of such a customer
    assert found.table["customer_id"].tolist() == [1, 2, 3][duplicates:]
    assert len(found.rejected) == 1 + duplicates
    assert found.rows_read == len(found.table) + len(found.rejected) == 4


def test_columns_that_are_not_used_are_named(write):
    text = "customer_id,offer_id,city,x,empty,empty_before,\n1,control,Томск,1,,2,\n2,a,Омск,2,,3,\n"
    found = outcomes_csv.read(write(text))
    assert found.outcomes == ("x",)
    assert set(found.ignored) == {"city", "empty", "empty_before", "(no header)"}


def test_names_of_the_machinery_may_be_outcomes(write):
    found = outcomes_csv.read(
        write("customer_id,offer_id,line,problem,excerpt,times,broken\n1,control,1,2,3,4,5\n2,a,6,7,8,9,10\n")
    )
    assert found.outcomes == ("line", "problem", "excerpt", "times", "broken")
    assert found.table.iloc[1, 2:].tolist() == [6, 7, 8, 9, 10]


def test_unknown_customers_are_left_out(write):
    found = outcomes_csv.read(write(GOOD), known=[1, 3, 4])
    assert [(row.line, row.column, row.value) for row in found.rejected] == [(3, "customer_id", "2")]


cell = st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=8) | st.sampled_from(
    ["1", "2", "3", "-4.5", "7,5", "control", "a", "", "inf", "1e400", '"', "٣", "1e5"]
)


@hypothesis_settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(cell, min_size=2, max_size=4), max_size=8), st.sampled_from(",;\t|"))
def test_every_row_is_used_or_named_whatever_it_holds(write, rows, delimiter):
    good = [["901", "control", "1.5"], ["902", "a", "2"], ["903", "a", "3"], ["904", "control", "3"]]
    filler = [[str(910 + i), "a", "1"] for i in range(8)]  # most of the outcomes are numbers, so that the column is one
    lines = [delimiter.join(row) for row in [["customer_id", "offer_id", "x"], *good, *filler, *rows]]
    found = outcomes_csv.read(write("\n".join(lines) + "\n"))
    written = sum(line.strip() != "" for line in lines[1:])
    assert found.rows_read == written == len(found.table) + len(found.rejected)
    assert not found.table["customer_id"].duplicated().any()
    assert np.isfinite(found.table["x"]).all()
    assert len({row.line for row in found.rejected}) == len(found.rejected)
    assert all(2 <= row.line <= len(lines) and row.problem and row.remedy for row in found.rejected)


def run(*arguments, home):
    return CliRunner().invoke(app, ["campaigns", "import", *map(str, arguments), "--home", str(home)])


def test_command_prints_every_effect(write, tmp_path):
    result = run(write(campaign().to_csv(index=False)), "--equal-split", home=tmp_path)
    assert result.exit_code == 0, result.output
    assert "300 rows read: 300 used, 0 left out" in result.output
    assert "voucher as meant" in result.output
    assert result.output.count("revenue*") == result.output.count("visits ") == 2
    assert "beyond chance" in result.output


def test_command_names_rows_left_out_and_ends_with_3(write, tmp_path):
    text = campaign().to_csv(index=False) + "7,voucher,1,1,1\nx,voucher,1,1,1\n"
    result = run(write(text), "--json", tmp_path / "out.json", home=tmp_path)
    assert result.exit_code == 3
    assert "302 rows read: 299 used, 3 left out" in result.output
    assert "line 303" in result.output
    assert "voucher not checked" in result.output
    content = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    assert (content["rows_read"], content["rows_used"], len(content["rejected"])) == (302, 299, 3)
    assert {(row["offer_id"], row["outcome"]) for row in content["effects"]} == {
        (offer, outcome) for offer in ("bundle", "voucher") for outcome in ("revenue", "visits")
    }


def test_command_says_that_few_are_too_few(write, tmp_path):
    result = run(write(GOOD), "--json", "-", home=tmp_path)
    content = json.loads(result.stdout)
    assert result.exit_code == 0
    assert [(row["status"], row["effect"]) for row in content["effects"]] == [("not_enough_data", None)]
    assert content["effects"][0]["detectable_effect"] > 0


@pytest.mark.parametrize(
    ("arguments", "word"),
    [(["--ratio", "voucher"], "OFFER=NUMBER"), (["--ratio", "other=1"], "other=1"), (["--month", "2026-10"], "was not run")],
)
def test_command_refuses_what_it_cannot_use(write, tmp_path, arguments, word):
    result = run(write(GOOD), *arguments, home=tmp_path)
    assert result.exit_code != 0
    assert word in result.output + str(result.exception)
