"""Recognition is not forecast: in a month of recognitions, nothing that people read speaks of the months ahead."""

import re
import shutil
from pathlib import Path

import dagster as dg
import pytest
from rich.console import Console

from oneclick_pipeline.cli import summary
from oneclick_pipeline.contracts.scores import FORECAST, RECOGNITION
from oneclick_pipeline.orchestration.assets import clean, exploration, features, model, raw, report, scores, segments
from oneclick_pipeline.report import files, page
from oneclick_pipeline.scores.meaning import remedy, sentence
from oneclick_pipeline.tracking import Tracking, runs, versions
from oneclick_pipeline_tests.orchestration.homes import MONTH, instance_of, materialize, table
from oneclick_pipeline_tests.report.months import facts
from oneclick_pipeline_tests.report.test_page import Text

AHEAD = re.compile(
    r"next (3|three) months|within (3|three) months|(3|three) months (ahead|later)|will (decline|become less)|may become less|"
    r"at risk|customers would bring|true forecast|expected declines|"
    r"ближайш|[Сс]низят активность|[Зз]а 3 месяца активность|через 3 месяца снизят|под риском|принесли бы|настоящий прогноз|"
    r"ожидаемое число спадов",
)
"""What is said of the months ahead, beside a count, an interval or an amount of money."""
ALLOWED = re.compile(r"похожие на снизивших снизят активность и дальше; ни то, ни другое пока не проверено")
"""It says that it is not known."""
ASSETS = ("activity_model", "customer_scores", "segment_profiles", "monthly_report")


def ahead(text):
    """The phrases about the months ahead."""
    return {match[0] for match in AHEAD.finditer(ALLOWED.sub("", text.replace("\u00a0", " ")))}


def on_the_page(html):
    return Text(html).text


def in_dagster(event):
    """Names and texts of an asset's metadata, pictures left out."""
    return " ".join(f"{name}: {str(value.value)[:3000]}" for name, value in event.asset_materialization.metadata.items()
                    if "data:image" not in str(value.value))  # fmt: skip


def on_the_terminal(home):
    found = summary.read(home, MONTH)
    console = Console(width=250, record=True, file=Path("/dev/null").open("w"))  # noqa: SIM115
    with console.file:
        console.print(summary.render(found))
        return console.export_text()


@pytest.fixture(scope="module")
def forecast(finished, tmp_path_factory):
    """The finished home as if its model had been trained on the classes of three months later, and what Dagster keeps of it.

    Its record is as earlier versions wrote it: without the model's own error.
    """
    home = tmp_path_factory.mktemp("forecast") / "home"
    shutil.copytree(finished.home, home, ignore=shutil.ignore_patterns("dagster"))
    store = Tracking(home)
    record = store.require_champion()
    kept = {name: file for name, file in record.kept.items() if name != runs.BAND_ERRORS}
    later = record.tagged({"feature_months": "2026-07", "label_months": MONTH})
    versions.write(store.folder, later.model_copy(update={"kept": kept}))
    every = [*raw.ASSETS, *clean.ASSETS, *features.ASSETS, *exploration.ASSETS, *model.ASSETS, *scores.ASSETS, *segments.ASSETS,
             *report.ASSETS]  # fmt: skip
    result = materialize(home, assets=every, selection=["customer_scores", "customer_segments", "segment_profiles", *ASSETS[3:]])
    assert result.success
    return home, result


@pytest.mark.parametrize("language", ["ru", "en"])
def test_page_of_a_recognition_says_nothing_of_the_months_ahead(language):
    text = on_the_page(page.render(facts(meaning=RECOGNITION), language))
    assert ahead(text) == set()
    assert {"ru": "узнавание, а не прогноз", "en": "recognition, not forecast"}[language] in text
    assert {"ru": "начиная с января", "en": "can be checked from January"}[language] in text
    assert "oneclick run --from 2026-07 --month 2026-10" in text


@pytest.mark.parametrize(("language", "least"), [("ru", 6), ("en", 6)])
def test_page_of_a_forecast_speaks_of_them(language, least):
    text = on_the_page(page.render(facts(meaning=FORECAST), language))
    assert len(ahead(text)) >= least
    assert not re.search("recognition, not|узнавание", text)


@pytest.mark.parametrize("language", ["ru", "en"])
def test_page_of_a_real_recognition_says_nothing_of_the_months_ahead(language, finished):
    made = files.make(finished.home, MONTH, language)
    assert ahead(on_the_page(made.html)) == set()


def test_terminal_of_a_recognition(finished):
    text = on_the_terminal(finished.home)
    assert ahead(text) == set()
    for part in ("recognition, not forecast", "can be checked from 2027-01 on", "oneclick run --from 2026-07 --month 2026-10",
                 "Look declined", "of the class in the same snapshot, not of the future"):  # fmt: skip
        assert part in text


def test_terminal_of_a_forecast(forecast):
    text = on_the_terminal(forecast[0])
    for part in ("in the next 3 months", "Will decline", "At risk"):
        assert part in text
    assert "recognition" not in text


def test_own_error_of_a_model_of_an_earlier_version_comes_from_what_it_was_trained_on(forecast, finished):
    old, new = (table(home, "segment_profiles") for home in (forecast[0], finished.home))
    assert set(old["meaning"]) == {FORECAST}
    for name in ("expected_declines_low", "value_at_risk_high"):
        assert old[name].to_list() == pytest.approx(new[name].to_list(), nan_ok=True)


@pytest.mark.parametrize("asset", ASSETS)
def test_dagster_of_a_recognition(finished, asset):
    with instance_of(finished.home) as instance:
        text = in_dagster(instance.get_latest_materialization_event(dg.AssetKey(asset)))
    assert ahead(text) == set()
    assert "recognition, not forecast" in text


@pytest.mark.parametrize("asset", ASSETS[1:])
def test_dagster_of_a_forecast(forecast, asset):
    events = {e.asset_key.to_user_string(): e for e in forecast[1].get_asset_materialization_events()}
    text = " ".join(f"{n}: {v.value}" for n, v in events[asset].materialization.metadata.items())
    assert "forecast: the probability that a customer declines in the next 3 months" in text


def test_model_card_of_a_recognition(finished):
    store = Tracking(finished.home)
    text = " ".join(store._kept(store.require_champion(), "card.md").decode().split())
    assert ahead(text) == set()
    assert "not about the months after it" in text


def test_tables_of_earlier_versions_do_not_say_what_their_scores_are_about():
    assert sentence(None, "2026-10", 3).startswith("not recorded")


def test_remedy_names_the_command():
    assert "oneclick run --from 2026-07 --month 2026-10;" in remedy("2026-10", 3)
