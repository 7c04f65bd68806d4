"""Every kind of bad input: a message that says where and what to do, and no table half written."""

import gzip
import shutil
from pathlib import Path

import polars as pl
import pytest

from oneclick_pipeline.clean.quarantine import CONFLICT
from oneclick_pipeline.cli import summary
from oneclick_pipeline.contracts.exports import SOURCES
from oneclick_pipeline.contracts.tables import TABLES
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.home.paths import table_file
from oneclick_pipeline.orchestration.assets import clean, features, model, raw, scores
from oneclick_pipeline.orchestration.instance import prepare_instance
from oneclick_pipeline.raw.records import NOT_CLOSED, TOO_LONG
from oneclick_pipeline.raw.splitting import WRONG_WIDTH
from oneclick_pipeline_tests.conftest import HEADERS, export_text, market_row
from oneclick_pipeline_tests.orchestration.homes import (
    FROM_RAW_TO_FEATURES,
    MONTH,
    digests,
    files,
    materialize,
    new_home,
    run,
    table,
    told,
)

CUSTOMERS = 100
GOOD = export_text(CUSTOMERS)
CLEAN = [s.name for s in SOURCES]


def home_with(tmp_path, **texts):
    """A home whose files are good but for `texts`; None leaves a file out."""
    return new_home(tmp_path / "home", settings="", texts={f: t for f, t in {**GOOD, **texts}.items() if t is not None})


@pytest.fixture(scope="module")
def undamaged(tmp_path_factory):
    """A home whose files are good, up to customer_features; tests that change it take a copy."""
    home = home_with(tmp_path_factory.mktemp("undamaged"))
    assert materialize(home).success
    return home


@pytest.fixture
def copy(undamaged, tmp_path):
    return Path(shutil.copytree(undamaged, tmp_path / "home"))


def shown(home):
    """Tables that stand at their final paths; scratch folders must be gone."""
    assert files(home / "staging") == []
    return {name.split("/")[1] for name in files(home / "tables")}


@pytest.mark.parametrize(
    ("file", "content", "parts"),
    [
        ("market_time", None, ["market_time.csv: the file is missing", "deliver market_time.csv for the month into"]),
        ("money", b"", ["money.csv: the file is empty", "export it again"]),
        ("money", HEADERS["money"] + "\r\n", ["money.csv: the file has a header but no rows", "export it again"]),
        (
            "market_money",
            GOOD["market_money"].replace(",Выручка", "", 1),
            ["market_money.csv, line 1, column «Выручка»", "id,Период", "the column is missing", "name it «Выручка»"],
        ),
        (
            "market_money",
            GOOD["market_money"].replace("Выручка", "Выручки", 1),
            ["market_money.csv, line 1, column «Выручка»", "has «Выручки» taken its place?", "name it «Выручка»"],
        ),
        (
            "market_money",
            GOOD["market_money"].replace("Выручка", "Выручка,Выручка", 1),
            ["market_money.csv, line 1, column «Выручка»: the column appears twice", "remove one of them"],
        ),
        (
            "market_file",
            bytes(range(256)) * 50,
            ["market_file.csv, line 1", "not an export of the store", "the file looks binary", "Покупательская активность"],
        ),
        ("market_file", '"' + GOOD["market_file"], ["market_file.csv, line 1", "not an export of the store"]),
    ],
    ids=["missing", "empty", "header-only", "column-missing", "column-renamed", "column-twice", "binary", "quote-in-header"],
)
def test_unusable_file_stops_its_step_and_leaves_no_table(tmp_path, file, content, parts):
    home = home_with(tmp_path, **{file: content})
    result = materialize(home, selection=[file])
    assert not result.success
    message = told(result)
    assert str(home / "raw" / MONTH / f"{file}.csv") in message
    assert "What to do: " in message
    for part in parts:
        assert part in message
    assert shown(home) == set()


BAD_ROWS = [  # file, line, what stands there, column, value, rule
    ("market_time", 4, "2,следующий_месяц,12", "Период", "следующий_месяц", "is not one of «текущий_месяц», «предыдущий_месяц»"),
    ("money", 2, "1x;1,25", "id", "1x", "is not an integer"),
    ("market_money", 5, "2,текущий_месяц,-7", "Выручка", "-7", "is not at least 0"),
    ("market_money", 8, "3,текущий_месяц,много", "Выручка", "много", "is not a number"),
    ("money", 3, '2;"2,25', None, '2;"2,25', NOT_CLOSED),
    ("money", 4, "7" * (3 << 20), None, "7" * 200, TOO_LONG),
    ("market_time", 7, "3,текущий_месяц", None, "3,текущий_месяц", WRONG_WIDTH),
    ("market_file", 2, market_row(1, tenure_days="5"), "id", "1", CONFLICT),
    ("market_file", 3, market_row(1, tenure_days="6"), "id", "1", CONFLICT),
]
LOST = {
    "customers": [(1,), (2,)],
    "revenue": [(2, "m0"), (3, "m0")],
    "site_minutes": [(2, "m0"), (3, "m1")],
    "profit": [(1,), (2,), (3,)],
}


@pytest.fixture(scope="module")
def damaged(tmp_path_factory):
    """A home with all the bad rows, fewer than 5 % of any file, up to customer_features."""
    lines = {file: text.splitlines() for file, text in GOOD.items()}
    for file, number, line, *_ in BAD_ROWS:
        lines[file][number - 1] = line
    home = home_with(tmp_path_factory.mktemp("damaged"), **{file: "\n".join(rows) + "\n" for file, rows in lines.items()})
    result = materialize(home)
    assert result.success, told(result)
    return home


def test_bad_rows_are_listed_and_nothing_else(damaged):
    expected = [(file, line, column, value, rule) for file, line, _, column, value, rule in BAD_ROWS]
    assert sorted(table(damaged, "rejected_rows").rows()) == sorted(expected)
    assert shown(damaged) == set(FROM_RAW_TO_FEATURES)


@pytest.mark.parametrize("bad", BAD_ROWS, ids=lambda bad: f"{bad[0]}-{bad[1]}")
def test_bad_row_is_told_with_its_place_and_remedy(damaged, bad):
    file, line, _, column, value, rule = bad
    place = f"{file}.csv, line {line}, " + (f"column «{column}», " if column else "")
    (message,) = [m for m in summary.quarantined(damaged, MONTH) if m.startswith(place)]
    assert message.startswith(f"{place}value {value!r}: {rule}. What to do: correct the value in the export")


@pytest.mark.parametrize("name", LOST)
def test_good_rows_survive_beside_bad_ones(damaged, undamaged, name):
    key = list(TABLES[name].key)
    good, left = table(undamaged, name), table(damaged, name)
    lost = good.join(left, on=key, how="anti")
    assert sorted(lost.select(key).rows()) == LOST[name]
    assert left.sort(key).equals(good.join(left, on=key, how="semi").sort(key))


def test_customers_who_lost_a_row_are_kept_with_the_files_named(damaged):
    found = table(damaged, "customer_features")
    assert found.height == CUSTOMERS
    incomplete = found.filter(pl.col("missing_from") != "").sort("customer_id")
    assert incomplete.select("customer_id", "missing_from", "regular_reason").rows() == [
        (1, "market_file,money", "not_in_market_file"),
        (2, "market_file,money", "not_in_market_file"),
        (3, "money", "revenue_incomplete"),
    ]


def with_bad_money(home, rows):
    """Break the first rows of money.csv and clean again."""
    lines = GOOD["money"].splitlines()
    lines[1 : 1 + rows] = [f"{line.split(';')[0]};x" for line in lines[1 : 1 + rows]]
    lines[-1] = lines[-1].replace("100;", "100x;")
    (home / "raw" / MONTH / "money.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return materialize(home, selection=["money", *CLEAN, "rejected_rows", "corrections"])


def test_too_many_bad_rows_stop_the_run_and_leave_the_former_tables(copy):
    before = digests(copy, [*CLEAN, "customer_features"])
    result = with_bad_money(copy, 5)
    assert not result.success
    message = told(result)
    assert "too many rows were rejected (limit 5.0%): money.csv: 6 of 100 rows (6.0%)" in message
    assert "5 x money.csv, column «Прибыль»: is not a number\n    line 2: 'x'\n    line 3: 'x'" in message
    assert "1 x money.csv, column «id»: is not an integer\n    line 101: '100x'" in message
    assert "raise cleaning.max_rejected_share in settings.yaml" in message
    assert digests(copy, [*CLEAN, "customer_features"]) == before
    assert sorted(table(copy, "rejected_rows")["line"]) == [2, 3, 4, 5, 6, 101]


@pytest.mark.parametrize(("rows", "success"), [(4, True), (100, False)])
def test_limit_of_rejected_rows_is_a_setting_but_something_must_be_left(copy, rows, success):
    (copy / "settings.yaml").write_text("cleaning: {max_rejected_share: 1}")
    result = with_bad_money(copy, rows)
    assert result.success == success
    if not success:
        assert "money.csv: 100 of 100 rows (100.0%)" in told(result)


@pytest.mark.parametrize(
    ("file", "selection"), [("money", [*CLEAN, "rejected_rows", "corrections"]), ("market_file", ["training_set"])]
)
def test_export_replaced_after_it_was_read_stops_its_readers_with_the_remedy(copy, file, selection):
    before = digests(copy)
    path = copy / "raw" / MONTH / f"{file}.csv"
    path.write_text(GOOD[file].replace("25", "75"), encoding="utf-8")
    result = materialize(copy, assets=[*raw.ASSETS, *clean.ASSETS, *features.ASSETS, *model.ASSETS[:1]], selection=selection)
    assert not result.success
    assert f"{path}: the file is not the one that was read. What to do: materialize {file} again" in told(result)
    assert digests(copy) == before


@pytest.mark.parametrize("month", ["2026-13", "2026-1", "../2026-10", "2026-10/..", "", "October"])
def test_month_that_is_none_is_refused_before_anything_is_written(tmp_path, month):
    with pytest.raises(BadInputError, match=r"is not a month.*YYYY-MM"):
        run(tmp_path / "home", month=month)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("month", ["2999-01", "2023-12"])
def test_month_outside_the_graph_is_refused(tmp_path, month):
    with pytest.raises(BadInputError, match=f"{month} is outside the graph.*choose a month from 2024-01 to"):
        run(tmp_path / "home", month=month)
    assert list(tmp_path.iterdir()) == []


def test_month_without_folder_is_told_with_the_months_there_are(tmp_path):
    home = home_with(tmp_path)
    outcome = run(home, month="2024-02")
    assert not outcome.success
    assert len(outcome.errors) == len(SOURCES) or len(outcome.errors) == 1
    for message in outcome.errors:
        assert f"{home / 'raw' / '2024-02'}: there is no folder for the month 2024-02" in message
        assert "deliver the four exports there; there are: 2026-10" in message
    assert shown(home) == set()


def test_failed_run_tells_the_file_once_and_skips_what_follows(tmp_path):
    home = home_with(tmp_path, money=b"")
    progress = []
    outcome = run(home, progress=lambda *step_and_state: progress.append(step_and_state))
    assert not outcome.success
    assert outcome.warnings == ()
    (message,) = outcome.errors
    assert message == f"{home}/raw/{MONTH}/money.csv: the file is empty. What to do: export it again"
    assert ("money", "failure") in progress
    assert not [step for step, _ in progress if step not in {s.file for s in SOURCES}]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("home", r"home: the home cannot be written: .*choose another --home"),
        ("home/dagster", r"home/dagster: it cannot be read or written: .*move away what is in its place"),
    ],
)
def test_home_that_cannot_be_written_is_told(tmp_path, name, message):
    blocked = tmp_path / name
    blocked.parent.mkdir(exist_ok=True)
    blocked.write_text("in the way")
    with pytest.raises(BadInputError, match=message):
        prepare_instance(tmp_path / "home")
    assert blocked.read_text() == "in the way"


def test_scratch_folder_that_cannot_be_made_is_told(tmp_path):
    home = home_with(tmp_path)
    (home / "staging").write_text("in the way")
    result = materialize(home, assets=raw.ASSETS)
    assert not result.success
    assert "staging: the home cannot be written" in told(result)
    assert "choose another --home" in told(result)


@pytest.mark.parametrize(
    ("settings", "parts"),
    [
        ("cleaning: {max_rejected: 0.1}", ["setting cleaning.max_rejected", "Extra inputs", "docs/settings.md"]),
        ("cleaning: {max_rejected_share: 2}", ["setting cleaning.max_rejected_share", "value '2'"]),
        ("cleaning: {", ["line 1, column 12: it is not valid YAML", "fix the file there"]),
    ],
)
def test_illegal_settings_stop_the_step_that_needs_them(copy, settings, parts):
    (copy / "settings.yaml").write_text(settings)
    before = digests(copy)
    result = materialize(copy, selection=[*CLEAN, "rejected_rows", "corrections"])
    assert not result.success
    message = told(result)
    assert str(copy / "settings.yaml") in message
    for part in parts:
        assert part in message
    assert digests(copy) == before


def train_on(home, **activity):
    """Run training_set and activity_model with other classes than the export's."""
    path = table_file(home, "customer_features", MONTH)
    pl.read_parquet(path).with_columns(pl.col("activity").replace(activity)).write_parquet(path)
    result = materialize(
        home, assets=[*raw.ASSETS, *clean.ASSETS, *features.ASSETS, *model.ASSETS], selection=["training_set", "activity_model"]
    )
    assert not result.success
    assert not (home / "mlflow").exists()
    return told(result)


def test_one_class_only_stops_before_training(copy):
    message = train_on(copy, stable="declined")
    assert "market_file.csv, column «Покупательская активность»" in message
    assert "the same class" in message
    assert "What to do: deliver customers of both classes" in message
    assert shown(copy) == set(FROM_RAW_TO_FEATURES)


def test_no_class_at_all_stops_before_training(copy):
    message = train_on(copy, stable=None, declined=None)
    assert "market_file.csv, column «Покупательская активность»" in message
    assert "or run the job refresh" in message
    assert shown(copy) == set(FROM_RAW_TO_FEATURES)


def test_fewer_customers_than_folds_stop_the_training(copy):
    (copy / "settings.yaml").write_text("model: {folds: 20, inner_folds: 20}")
    path = table_file(copy, "customer_features", MONTH)
    pl.read_parquet(path).filter(pl.col("customer_id") <= 30).write_parquet(path)
    message = train_on(copy)
    assert "the smaller class has 15 distinct customers; 20 folds" in message
    assert "lower model.folds" in message


def test_scores_without_a_champion_say_to_retrain(copy):
    assets = [*raw.ASSETS, *clean.ASSETS, *features.ASSETS, *model.ASSETS, *scores.ASSETS]
    result = materialize(copy, assets=assets, selection=["customer_scores"])
    assert not result.success
    assert "no champion model yet" in told(result)
    assert "run retrain first" in told(result)
    assert shown(copy) == set(FROM_RAW_TO_FEATURES)


def test_packed_exports_make_the_same_tables_and_two_of_one_export_stop_the_run(copy):
    names = [*CLEAN, "customer_features"]
    before = digests(copy, names)
    folder = copy / "raw" / MONTH
    for source in SOURCES:
        path = folder / f"{source.file}.csv"
        content = path.read_bytes()
        path.with_suffix(".csv.gz").write_bytes(gzip.compress(content.decode().encode("utf-16")))
        if source.file != "money":
            path.unlink()
    result = materialize(copy)
    assert "the export was delivered twice: money.csv and money.csv.gz" in told(result)
    (folder / "money.csv").unlink()
    result = materialize(copy)
    assert result.success, told(result)
    assert digests(copy, names) == before
    (event,) = result.asset_materializations_for_node("money")
    assert event.metadata["container"].value == "gzip"
    assert event.metadata["file"].value == str(folder / "money.csv.gz")
