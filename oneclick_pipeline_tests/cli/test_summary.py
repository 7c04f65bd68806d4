"""What the terminal is told at the end, from tables made by hand."""

from pathlib import Path

import polars as pl
import pytest
from rich.console import Console

from oneclick_pipeline.cli import summary
from oneclick_pipeline.cli.summary import Summary
from oneclick_pipeline.contracts.clean import REJECTED_ROWS
from oneclick_pipeline.contracts.segments import SEGMENT_PROFILES, SEGMENTS
from oneclick_pipeline.home.paths import table_file
from oneclick_pipeline.scores.meaning import WORDS

MONTH = "2026-10"


def rejected(home, rows):
    path = table_file(home, "rejected_rows", MONTH)
    path.parent.mkdir(parents=True)
    schema = {c.name: pl.Int64 if c.kind == "int" else pl.String for c in REJECTED_ROWS.columns}
    pl.DataFrame(rows, schema=schema, orient="row").write_parquet(path)
    return path


def test_quarantined_is_empty_where_nothing_was_rejected(tmp_path):
    rejected(tmp_path, [])
    assert summary.quarantined(tmp_path, MONTH) == []


def test_quarantined_names_place_value_rule_and_remedy_in_the_order_of_the_files(tmp_path):
    rejected(tmp_path, [("money", 9, None, "1;", "is broken"), ("market_file", 3, "id", "x", "is not an integer")])
    remedy = "What to do: correct the value in the export and run the month again; until then the row is left out"
    assert summary.quarantined(tmp_path, MONTH) == [
        f"market_file.csv, line 3, column «id», value 'x': is not an integer. {remedy}",
        f"money.csv, line 9, value '1;': is broken. {remedy}",
    ]


@pytest.mark.parametrize(("rows", "more"), [(20, None), (21, 1), (500, 480)])
def test_quarantined_lists_twenty_and_counts_the_rest(tmp_path, rows, more):
    path = rejected(tmp_path, [("money", line, "id", "x", "is not an integer") for line in range(rows + 1, 1, -1)])
    messages = summary.quarantined(tmp_path, MONTH)
    assert [m.split(",")[1] for m in messages[:20]] == [f" line {line}" for line in range(2, 22)]
    assert messages[20:] == ([f"and {more} more in {path}"] if more else [])


def profile(segment, **values):
    row = dict.fromkeys(SEGMENT_PROFILES.names) | {"segment": segment.id, "segment_ru": segment.ru, "segment_en": segment.en}
    return row | values


PLAN = {
    "customers": 2300, "offers": 1612, "controls": 184, "cost": 33.46, "budget": 39.0, "expected_gain": 40.04,
    "expected_gain_low": 12.5, "expected_gain_high": 67.52, "effects": "catalogue", "worth": "assumed", "worth_share": 0.2,
    "worth_months": 3, "worth_mean": None,
}  # fmt: skip


def rendered(home, width=160, **changes):
    found = Summary(
        home=home,
        month=MONTH,
        read={"market_file": 1300, "money": 1299},
        quarantined={"money": 2},
        corrected={"outlier": 1, "spelling": 1511},
        customers=1300,
        regular=1297,
        segments=pl.DataFrame(
            [
                profile(
                    SEGMENTS[0], customers=1234, mean_p_decline=0.888, expected_declines=1095.5, expected_declines_low=1070.4,
                    expected_declines_high=1120.6, mean_profit=4.805, value_at_risk=2332.14,
                ),
                profile(SEGMENTS[-1], customers=0, value_at_risk=0.0),
            ],
            schema={c.name: {"str": pl.String, "int": pl.Int64}.get(c.kind, pl.Float64) for c in SEGMENT_PROFILES.columns},
        ),
        called=WORDS["forecast"],
        about=(),
        model=(("ROC-AUC", "0.905 (95 % interval 0.880 to 0.930)"),),
        plan=PLAN,
    )  # fmt: skip
    found = Summary(**{**found.__dict__, **changes})
    console = Console(width=width, record=True, file=Path("/dev/null").open("w"))  # noqa: SIM115
    with console.file:
        console.print(summary.render(found))
        return console.export_text() + "\n".join(summary.places(found))


def test_render_tells_the_counts_the_model_and_what_to_open(tmp_path):
    text = rendered(tmp_path)
    for part in (
        "market_file 1,300, money 1,299",
        "Quarantined  money 2",
        "outlier 1, spelling 1,511",
        "1,300, of whom regular 1,297",
        "0.905 (95 % interval 0.880 to 0.930)",
        str(table_file(tmp_path, "customer_scores", MONTH)),
        "1,612 offered, 184 held out, 504 neither; cost 33.5 of a budget of 39, expected gain 40 (12.5 to 67.5) finance units",
        "effects as the catalogue expects; worth of a kept customer assumed, 20% of the profit over 3 months",
        str(tmp_path / "reports" / f"{MONTH}.html"),
        str(tmp_path / "exports" / MONTH / "offers.csv"),
        str(tmp_path / "mlflow"),
    ):
        assert part in text


def test_render_shows_a_line_a_segment_and_dashes_where_nobody_is(tmp_path):
    lines = {line.split("  ")[0].strip(): line.split() for line in rendered(tmp_path).splitlines()}
    assert lines["Удержать в первую очередь"][-6:] == ["1,234", "0.89", "1,096", "(1,070–1,121)", "4.80", "2,332"]
    assert lines["Недостаточно данных"][-5:] == ["0", "–", "–", "–", "0"]


def test_render_cuts_nothing_at_eighty_columns_however_large_the_store(tmp_path):
    row = profile(
        SEGMENTS[0], customers=19_612_345, mean_p_decline=0.888, expected_declines=1.31e6, expected_declines_low=941_478.0,
        expected_declines_high=1.68e6, mean_profit=4.805, value_at_risk=1.19e8,
    )  # fmt: skip
    schema = {c.name: {"str": pl.String, "int": pl.Int64}.get(c.kind, pl.Float64) for c in SEGMENT_PROFILES.columns}
    text = rendered(tmp_path, width=80, customers=19_612_345, segments=pl.DataFrame([row], schema=schema))
    assert "…" not in text
    for part in ("19.6 M, of whom", "1.31 M (941,478–1.68 M)", "119 M", str(table_file(tmp_path, "customer_segments", MONTH))):
        assert part in text


def test_render_says_none_where_nothing_was_wrong(tmp_path):
    text = rendered(tmp_path, quarantined={}, corrected={})
    assert "Quarantined  none" in text
    assert "Corrected    nothing" in text


def test_render_shortens_paths_below_where_the_reader_stands(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert f"monthly report      data/reports/{MONTH}.html" in rendered(tmp_path / "data").splitlines()
