"""The `oneclick` command: its help, its exit codes, its messages."""

import json
import re
import shutil
import subprocess
import sys
from io import BytesIO, TextIOWrapper

import polars as pl
import pytest
import typer
from typer.testing import CliRunner

from oneclick_pipeline.cli import app
from oneclick_pipeline.contracts.customers import FEATURE_NAMES
from oneclick_pipeline.contracts.exports import SOURCES
from oneclick_pipeline.model import pictures, train
from oneclick_pipeline.simulator.twin.profile import Profile
from oneclick_pipeline.tracking import Tracking
from oneclick_pipeline_tests.conftest import export_text
from oneclick_pipeline_tests.model.conftest import QUICK, make_training
from oneclick_pipeline_tests.orchestration import homes
from oneclick_pipeline_tests.orchestration.homes import MONTH, environment_kept
from oneclick_pipeline_tests.test_tracking import FAILED, PASSED, log


def test_command_loads_what_its_help_needs_and_no_more():
    heavy = {"pydantic", "narwhals", "numpy", "pandas", "polars", "dagster", "mlflow", "oneclick_pipeline.tracking"}
    code = f"import sys, oneclick_pipeline.cli.app; print(sorted({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.fixture(scope="session")
def finished(tmp_path_factory, worker_id):
    return homes.finished(tmp_path_factory, worker_id)


@pytest.fixture
def oneclick(capsys, monkeypatch):
    """Run the command as the shell does: exit code, standard output, standard error."""
    monkeypatch.delenv("ONECLICK_HOME", raising=False)
    monkeypatch.setenv("COLUMNS", "300")

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["oneclick", *map(str, arguments)])
        code = 0
        with environment_kept():
            try:
                app.main()
            except SystemExit as end:
                code = end.code or 0
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return code, out, err

    return call


@pytest.mark.parametrize(
    ("command", "parts"),
    [
        ([], ["retention engine", "raw/YYYY-MM/", "Begin with", "run", "ui", "twin"]),
        (
            ["run"],
            ["--month", "--home", "--engine", "polars", "pandas", "--job", "retrain", "refresh", "Exit code", "quarantined"],
        ),
        (["ui"], ["--home", "--dagster-port", "--mlflow-port", "Ctrl-C"]),
        (["report"], ["--month", "--home", "--language", "HOME/reports/MONTH.html"]),
        (["score"], ["--customer", "--json", "--month", "--language", "--home", "out-of-fold"]),
        (["twin"], ["month", "months", "fit"]),
        (["model"], ["list", "promote", "rollback"]),
        (["model", "list"], ["--home", "newest first", "gates"]),
        (["model", "promote"], ["VERSION", "--home", "--force", "loaded first", "previous", "--job refresh"]),
        (["model", "rollback"], ["--home", "a second rollback undoes the first"]),
        (["twin", "month"], ["--customers", "--seed", "--month", "--home", "--overwrite", "--profile", "The same seed"]),
        (
            ["twin", "months"],
            ["--from", "--to", "--customers", "--seed", "--home", "--overwrite", "--profile", "follow one another"],
        ),
        (["twin", "fit"], ["--from", "--out", "aggregated"]),
    ],
    ids=lambda x: " ".join(x) if isinstance(x, list) else None,
)
def test_help_reads_like_documentation(command, parts):
    result = CliRunner().invoke(app.app, [*command, "--help"], env={"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"})
    assert result.exit_code == 0
    for part in parts:
        assert part in result.output


def test_unknown_option_is_a_usage_error(oneclick):
    code, _, err = oneclick("run", "--month", MONTH, "--motor", "spark")
    assert code == 2
    assert "--motor" in err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [(["--engine", "dask"], "dask"), (["--job", "retire"], "retire"), ([], "--month")],
)
def test_illegal_choice_is_a_usage_error(oneclick, arguments, told):
    code, _, err = oneclick("run", *(["--month", MONTH] if arguments else []), *arguments)
    assert code == 2
    assert told in err


@pytest.mark.parametrize(
    ("month", "told"),
    [
        ("2026-13", "'2026-13' is not a month"),
        ("../2026-10", "'../2026-10' is not a month"),
        ("2999-01", "the month 2999-01 is outside the graph"),
    ],
)
def test_bad_month_ends_with_its_message_and_code_1(oneclick, tmp_path, month, told):
    code, _, err = oneclick("run", "--month", month, "--home", tmp_path / "home")
    assert code == 1
    assert err.startswith("error: ")
    assert told in err
    assert "What to do:" in err
    assert list(tmp_path.iterdir()) == []


def test_home_that_cannot_be_written_ends_with_code_1(oneclick, tmp_path):
    (tmp_path / "home").write_text("in the way")
    code, _, err = oneclick("run", "--month", MONTH, "--home", tmp_path / "home")
    assert code == 1
    assert "the home cannot be written" in err


def test_failed_run_ends_with_code_1_and_says_where_to_look(oneclick, tmp_path):
    texts = export_text()
    del texts["market_time"]
    home = homes.new_home(tmp_path / "home", settings="", texts=texts)
    code, out, err = oneclick("run", "--month", MONTH, "--home", home)
    assert code == 1
    lines = err.splitlines()
    assert lines[0] == (
        f"error: {home}/raw/{MONTH}/market_time.csv: the file is missing. "
        f"What to do: deliver market_time.csv for the month into {home}/raw/{MONTH}"
    )
    assert lines[1].startswith("not run: clean, customer_features, ")
    assert f"oneclick ui --home {home}" in lines[2]
    assert "✗ market_time" in out
    assert "Segments" not in out


def test_rows_that_stop_a_run_are_listed_line_by_line(oneclick, tmp_path):
    texts = export_text(100)
    texts["money"] = texts["money"].replace(",25", ",x\x1b")
    code, _, err = oneclick("run", "--month", MONTH, "--home", homes.new_home(tmp_path / "home", settings="", texts=texts))
    assert code == 1
    lines = err.splitlines()
    assert lines[0].startswith("error: too many rows were rejected (limit 5.0%): money.csv: 100 of 100 rows (100.0%).")
    assert lines[1].startswith("       100 x money.csv, column «Прибыль»: ")
    assert re.fullmatch(r"           line 2: '1,x\\+x1b'", lines[2])
    assert "\x1b" not in err


def test_quarantined_row_is_named_and_the_code_is_3(oneclick, finished, tmp_path):
    home = tmp_path / "home"
    shutil.copytree(finished.home, home)
    path = home / "raw" / MONTH / "money.csv"
    lines = path.read_bytes().split(b"\r\n")
    customer = lines[6].split(b";")[0].decode()
    lines[6] = f"{customer};много".encode()
    path.write_bytes(b"\r\n".join(lines))
    code, out, err = oneclick("run", "--month", MONTH, "--home", home, "--job", "refresh")
    assert code == 3
    assert "quarantined: money.csv, line 7, column «Прибыль», value 'много': is no number. What to do: correct the value" in err
    assert f"warning: customer_features: not so: Every customer is in every file (incomplete 1, customers {customer}" in err
    assert "20/20" in out
    for part in (
        "market_file 1,300, market_money 3,900, market_time 2,600, money 1,300",
        "money 1",
        "outlier 1, spelling 1,511",
        "1,300, of whom regular 1,297",
        "activity_decline version 1, alias champion",
        "ROC-AUC",
        "Log loss",
        "Удержать в первую очередь",
        "customer_segments",
        f"oneclick ui --home {home}",
    ):
        assert part in out.replace("\n", "")
    scores = homes.table(home, "customer_scores")
    assert scores.filter(pl.col("profit").is_null())["customer_id"].to_list() == [int(customer)]
    assert scores["p_decline"].null_count() == 0


def test_score_of_a_customer_is_that_of_customer_scores(oneclick, finished):
    scores = homes.table(finished.home, "customer_scores")
    for basis in ("out_of_fold", "model"):
        row = scores.filter(pl.col("score_basis") == basis).row(0, named=True)
        code, out, err = oneclick("score", "--customer", row["customer_id"], "--home", finished.home)
        assert (code, err) == (0, "")
        for part in (
            f"customer       {row['customer_id']}, {MONTH}",
            f"p_decline      {row['p_decline']:.3f}",
            f"value at risk  {row['value_at_risk']:.2f}",
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
    ("first", "last", "told"), [("2026-13", "2027-01", "is not a month"), ("2026-02", "2026-01", "lies before the first")]
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


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    """A home with three versions: the first passed every gate, the second failed one, the third was not judged."""
    home = tmp_path_factory.mktemp("registry")
    training = make_training()
    trained = train(training, QUICK.model_copy(update={"families": ("logistic_regression",)}))
    with pytest.MonkeyPatch.context() as patch:
        for name in ("curves", "comparison", "png"):  # nobody looks at them here
            patch.setattr(pictures, name, lambda *_: b"")
        versions = [log(Tracking(home), trained, training, f"2026-1{i}") for i in range(3)]
    for version, judged in zip(versions, (PASSED, FAILED), strict=False):
        Tracking(home).log_gates(version, judged)
    return home


@pytest.fixture
def judged(registry, tmp_path):
    """The same registry to write in."""
    shutil.copytree(registry / "mlflow", tmp_path / "mlflow")
    Tracking(tmp_path).moved(registry)
    return tmp_path


def test_model_list_shows_versions_gates_and_aliases(oneclick, judged):
    assert oneclick("model", "promote", 1, "--home", judged)[0] == 0
    code, out, _ = oneclick("model", "list", "--home", judged)
    assert code == 0
    third, second, first = out.split("logistic_regression")[1:]
    heads = [line for line in out.splitlines() if "logistic_regression" in line]
    assert [head.split()[0] for head in heads] == ["3", "2", "1"]
    for part in ("champion", "of 2026-10", "9 gates passed", Tracking(judged).version(1).run_id[:8], "ROC-AUC", "log loss"):
        assert part in first
    assert "failed: loads_in_fresh_process" in second
    assert "not judged" in third
    assert "challenger" in third


def test_model_promote_refuses_failed_gates_unless_forced(oneclick, judged):
    code, _, err = oneclick("model", "promote", 2, "--home", judged)
    assert code == 1
    assert "has not passed all gates: loads_in_fresh_process failed: no predictions" in err
    code, out, _ = oneclick("model", "promote", 2, "--home", judged, "--force")
    assert (code, out) == (0, "activity_decline version 2 is champion\n")
    champion = Tracking(judged).require_champion()
    assert (champion.version, champion.tags["promoted_by"]) == (2, "hand")


def test_model_promote_loads_the_version_first(oneclick, judged):
    store = Tracking(judged)
    path = store._model_file(store.version(1))
    path.write_bytes(b"forged")
    code, _, err = oneclick("model", "promote", 1, "--home", judged)
    assert code == 1
    assert "the file of model version 1 is not the one that was registered" in err
    assert Tracking(judged).champion() is None


def test_model_rollback_goes_back_and_says_so(oneclick, judged):
    code, _, err = oneclick("model", "rollback", "--home", judged)
    assert code == 1
    assert "there is no previous champion to go back to. What to do: choose a version: oneclick model list" in err
    for number in (1, 2):
        oneclick("model", "promote", number, "--home", judged, "--force")
    code, out, _ = oneclick("model", "rollback", "--home", judged)
    assert (code, out) == (0, "activity_decline version 1 is champion again\n")
    assert Tracking(judged).aliases() == {"champion": 1, "previous": 2, "challenger": 3}


def test_model_version_that_does_not_exist_ends_with_its_message(oneclick, judged):
    code, _, err = oneclick("model", "promote", 12, "--home", judged)
    assert (code, err) == (1, "error: there is no model version 12. What to do: see oneclick model list\n")


@pytest.mark.parametrize("command", [["list"], ["promote", "1"], ["rollback"]], ids=" ".join)
def test_model_commands_in_a_home_without_models_make_none(oneclick, tmp_path, command):
    code, _, err = oneclick("model", *command, "--home", tmp_path)
    assert code == 1
    assert f"no models yet in {tmp_path}/mlflow" in err
    assert list(tmp_path.iterdir()) == []


NUMBERS = ["1_0", "１", "٣", " 1", "1 ", "1\n", "+1", "0x1", "1.0", "1e3", "²", "", "-", "9" * 5000, str(2**63)]


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize(
    "command",
    [
        ["score", "--customer"],
        ["simulate", "--customers"],
        ["ui", "--dagster-port"],
        ["ui", "--mlflow-port"],
        ["twin", "month", "--month", "2026-10", "--seed"],
        ["model", "promote"],
        ["serve", "--port"],
    ],
)
def test_number_is_written_in_ascii_digits(command, number, tmp_path):
    result = CliRunner().invoke(app.app, [*command, number, *(["--home", str(tmp_path / "home")])], env={"COLUMNS": "300"})
    assert result.exit_code == 2
    assert "integer" in result.output or "range" in result.output
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize("ratio", ["a=1_0", "a=１", "a=nan", "a=inf", "a= 1", "a=-1", "a=", "a=1e3"])
def test_ratio_is_written_in_ascii_digits(ratio):
    with pytest.raises(typer.BadParameter, match="is not OFFER=NUMBER"):
        app._ratios([ratio])
