"""Effects of a campaign from elsewhere: Welch's where nothing was known before, narrower where it was; and the command."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from typer.testing import CliRunner

from oneclick_pipeline.campaigns import outcomes_csv
from oneclick_pipeline.campaigns.outcomes_csv_effects import estimates
from oneclick_pipeline.cli.app import app
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.settings import Campaigns

from .conftest import GOOD


def campaign(n=300, *, seed=1, offers=("voucher", "bundle")):
    """Rows of a campaign in which the first offer raises revenue by 5."""
    rng = np.random.default_rng(seed)
    before = rng.normal(100, 20, n).round(2)
    arm = rng.choice(["control", *offers], n)
    revenue = (before + rng.normal(0, 5, n) + 5 * (arm == offers[0])).round(2)
    columns = {"customer_id": np.arange(n) + 1, "offer_id": arm, "revenue": revenue, "revenue_before": before}
    return pd.DataFrame(columns).assign(visits=rng.poisson(3, n) - 2)


def measured(write, data, ratios=None):
    return estimates(outcomes_csv.read(write(data.to_csv(index=False))), Campaigns(), ratios)


def test_effects_without_covariates_are_welchs(write):
    data = campaign().drop(columns="revenue_before")
    found = measured(write, data)
    assert found[["offer_id", "outcome"]].values.tolist() == [
        [offer, outcome] for offer in ("bundle", "voucher") for outcome in ("revenue", "visits")
    ]
    for row in found.to_dict("records"):
        groups = [data.loc[data["offer_id"] == arm, row["outcome"]] for arm in (row["offer_id"], "control")]
        known, alike = (stats.ttest_ind(*groups, equal_var=equal) for equal in (False, True))
        middle, half = row["effect"], np.ptp(known.confidence_interval(0.95)) / 2
        half *= max(known.statistic / alike.statistic, 1)  # as wide as if both groups varied alike, if that is wider
        assert (row["effect_low"], row["effect_high"]) == pytest.approx((middle - half, middle + half))
        assert row["p_value"] >= known.pvalue * (1 - 1e-9)
        assert np.isnan(row["sample_ratio_p"])


def test_what_was_before_narrows_the_interval(write):
    data = campaign()
    with_past, without = (
        measured(write, frame).set_index(["offer_id", "outcome"]) for frame in (data, data.drop(columns="revenue_before"))
    )
    place = ("voucher", "revenue")
    assert with_past.loc[place, "adjusted"]
    assert not without.loc[place, "adjusted"]
    assert with_past.loc[place, "standard_error"] < 0.5 * without.loc[place, "standard_error"]
    assert with_past.loc[place, "effect_low"] < 5 < with_past.loc[place, "effect_high"]
    assert with_past.loc[place, "significant"]


def test_broken_split_gives_no_figures_and_only_to_those_who_gave_the_ratio(write):
    table = measured(write, campaign(), {"voucher": 3.0}).set_index("offer_id")
    assert set(table.loc["voucher", "status"]) == {"sample_ratio_mismatch"}
    assert table.loc["voucher", "effect"].isna().all()
    assert set(table.loc["bundle", "status"]) == {"measured"}


@pytest.mark.parametrize(("offer", "ratio"), [("other", 1.0), ("voucher", 0.0), ("voucher", float("nan"))])
def test_ratio_that_cannot_be_is_refused(write, offer, ratio):
    with pytest.raises(BadInputError, match="voucher"):
        estimates(outcomes_csv.read(write(GOOD)), Campaigns(), {offer: ratio})


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


def test_command_says_how_the_file_was_read(write, tmp_path):
    text = "customer_id;offer_id;revenue;Купил\n1;control;1 250,5;да\n2;control;0,5;нет\n3;mail;7;да\n4;mail;8;нет\n"
    result = run(write(text), "--json", tmp_path / "out.json", home=tmp_path)
    content = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    formats = {"revenue": "decimal comma and blanks between thousands", "Купил": "да and нет"}
    assert (content["encoding"], content["delimiter"], content["formats"]) == ("utf-8", ";", formats)
    words = " ".join(result.output.split())
    assert (
        "Written in utf-8, «;» between fields; revenue with decimal comma and blanks between thousands; Купил with да and нет"
        in words
    )


def test_command_says_what_it_read_in_another_spelling_and_did_not_count(write, tmp_path):
    text = GOOD.replace("offer_id", "Offer_ID").replace("2,control", "2,Control") + "Итого,,47\n"
    result = run(write(text), "--json", tmp_path / "out.json", home=tmp_path)
    assert "Read «Offer_ID» as «offer_id», «Control» as «control»" in result.output
    assert "Not counted as rows: totals rows 1" in result.output
    content = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    assert content["corrected"] == {"Offer_ID": "offer_id", "Control": "control"}
    assert content["set_aside"] == {"totals rows": 1}


def test_settings_of_the_home_say_how_numbers_are_written(write, tmp_path):
    path = write("customer_id;offer_id;x\n1;control;4,810\n2;mail;3,500\n")
    stopped = run(path, home=tmp_path)
    assert stopped.exit_code != 0
    assert "4810 or 4.81" in str(stopped.exception)
    (tmp_path / "settings.yaml").write_text(
        'formats: {campaign: {columns: {"x": {decimal: ".", grouping: ","}}}}', encoding="utf-8"
    )
    result = run(path, "--json", tmp_path / "out.json", home=tmp_path)
    assert result.exit_code == 0, result.output
    content = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    assert content["effects"][0]["mean_controls"] == 4810


def test_command_says_that_few_are_too_few(write, tmp_path):
    result = run(write(GOOD), "--json", "-", home=tmp_path)
    content = json.loads(result.stdout)
    assert result.exit_code == 0
    assert [(row["status"], row["effect"]) for row in content["effects"]] == [("not_enough_data", None)]
    assert content["effects"][0]["detectable_effect"] > 0


def rows(outcome, *, before=None):
    """A campaign whose outcome is (of the controls, of the offered)."""
    data = pd.DataFrame({"customer_id": np.arange(200), "offer_id": ["control", "mail"] * 100, "x": outcome * 100})
    return data if before is None else data.assign(x_before=before * 100)


@pytest.mark.parametrize("values", [[0, 1], [False, True], ["нет", "да"], ["0.0", "1.0"]])
def test_all_of_one_group_and_none_of_the_other_is_an_effect_with_an_exact_interval(write, tmp_path, values):
    result = run(write(rows(values).to_csv(index=False)), "--json", tmp_path / "out.json", home=tmp_path)
    (effect,) = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))["effects"]
    assert (effect["status"], effect["method"], effect["effect"], effect["effect_high"]) == ("measured", "exact", 1, 1)
    assert 0.96 < effect["effect_low"] < 0.97
    assert effect["significant"]
    assert "beyond chance" in result.output
    assert "<0.001" in result.output
    assert "exact interval" in result.output
    assert "too few" not in result.output.replace("or too few", "")


def test_exact_interval_is_not_adjusted_and_says_so(write):
    found = measured(write, rows([0, 1], before=[3, 5])).to_dict("records")
    assert [(row["method"], row["adjusted"]) for row in found] == [("exact", False)]


@pytest.mark.parametrize(("outcome", "before"), [([5, 7], None), ([0, 0], None), ([5, 7], [5, 7]), ([0.5, 0], None)])
def test_where_nothing_varies_there_is_no_interval_and_that_is_said(write, tmp_path, outcome, before):
    data = rows(outcome, before=before)
    found = measured(write, data).to_dict("records")
    assert [(row["status"], np.isnan(row["effect_low"])) for row in found] == [("nothing_varies", True)]
    result = run(write(data.to_csv(index=False)), home=tmp_path)
    assert "nothing varies" in " ".join(result.output.split())
    assert result.exit_code == 0


def test_one_customer_of_an_arm_is_too_few_whatever_varies(write):
    found = measured(write, rows([5, 7]).head(2)).to_dict("records")
    assert [row["status"] for row in found] == ["not_enough_data"]


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--ratio", "voucher"], "OFFER=NUMBER"),
        (["--ratio", "other=1"], "other=1"),
        (["--month", "2026-10"], "no run of the month"),
    ],
)
def test_command_refuses_what_it_cannot_use(write, tmp_path, arguments, word):
    result = run(write(GOOD), *arguments, home=tmp_path)
    assert result.exit_code != 0
    assert word in result.output + str(result.exception)
