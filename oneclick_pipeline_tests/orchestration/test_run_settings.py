"""Every setting stands in the launchpad, with its description; a run may have settings of its own."""

import dagster as dg
import pytest

from oneclick_pipeline.definitions import build
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.formats import ColumnFormat
from oneclick_pipeline.orchestration.resources import Home
from oneclick_pipeline.orchestration.run_settings import SettingsOfRun, given
from oneclick_pipeline.orchestration.runs import launches
from oneclick_pipeline.settings import Settings


def of_run(**sections):
    return SettingsOfRun(**{name: SettingsOfRun.model_fields[name].annotation(**values) for name, values in sections.items()})


def test_launchpad_shows_every_setting_with_its_description(tmp_path):
    job = build(str(tmp_path)).resolve_job_def("refresh")
    home = job.run_config_schema.config_type.fields["resources"].config_type.fields["home"]
    shown = home.config_type.fields["config"].config_type.fields["run_settings"].config_type.fields
    assert set(shown) == set(Settings.model_fields) - {"keep"}  # what is deleted is not for a launch to say
    for section, info in ((name, info) for name, info in Settings.model_fields.items() if name in shown):
        knobs = shown[section].config_type.fields
        assert set(knobs) == set(info.annotation.model_fields) - {
            "mlflow_url",
            "dagster_url",
        }  # no launch leads readers elsewhere
        assert all(info.annotation.model_fields[name].description in knob.description for name, knob in knobs.items())
        assert not any(knob.is_required for knob in knobs.values())


def test_setting_of_a_run_goes_before_that_of_the_home(tmp_path):
    (tmp_path / "settings.yaml").write_text("model: {draws: 3, seed: 7}", encoding="utf-8")
    assert Home(path=str(tmp_path)).settings() == Settings.load(tmp_path)
    own = of_run(model={"draws": 5, "families": ["knn"]}, offers={"budget": 0.0})
    assert given(own) == {"model": {"draws": 5, "families": ["knn"]}, "offers": {"budget": 0.0}}
    found = Home(path=str(tmp_path), run_settings=own).settings()
    assert (found.model.draws, found.model.seed, found.model.families) == (5, 7, ("knn",))
    assert (found.offers.budget, found.offers.contact_cap) == (0.0, Settings().offers.contact_cap)


def test_run_may_say_how_its_files_are_written(tmp_path):
    (tmp_path / "settings.yaml").write_text("formats: {money: {encoding: cp1251}, market_time: {delimiter: ;}}", encoding="utf-8")
    own = {"money": {"columns": {"Прибыль": {"decimal": ",", "grouping": " "}}}}
    config = {"resources": {"home": {"config": {"run_settings": {"formats": own}}}}}
    launches.check_config(config)
    seen = []

    @dg.asset
    def asset(home: Home):
        seen.append(home.settings().formats)

    dg.materialize([asset], resources={"home": Home(path=str(tmp_path))}, run_config=config)
    assert (seen[0].money.encoding, seen[0].market_time.delimiter) == (None, ";")  # of money the run says all
    assert seen[0].money.columns["Прибыль"] == ColumnFormat(decimal=",", grouping=" ")
    own["money"] = {"columns": {"Прибыль": {"env": "HOME"}}}
    with pytest.raises(BadInputError, match="must not set this"):
        launches.check_config(config)


def test_illegal_setting_of_a_run_is_told(tmp_path):
    home = Home(path=str(tmp_path), run_settings=of_run(segments={"high_risk": 2.0}))
    with pytest.raises(BadInputError, match=r"segments.high_risk") as told:
        home.settings()
    assert told.value.file == "the run's own settings"


def test_run_takes_settings_of_its_own_from_its_configuration(tmp_path):
    seen = []

    @dg.asset
    def asset(home: Home):
        seen.append(home.settings().model.draws)

    config = {"resources": {"home": {"config": {"run_settings": {"model": {"draws": 4}}}}}}
    dg.materialize([asset], resources={"home": Home(path=str(tmp_path))}, run_config=config)
    dg.materialize([asset], resources={"home": Home(path=str(tmp_path))})
    assert seen == [4, Settings().model.draws]
