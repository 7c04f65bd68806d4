import pytest
from pydantic import ValidationError

from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.settings import Cleaning, Settings


def load(home, text):
    (home / "settings.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    return Settings.load(home)


def test_without_a_file_the_defaults_hold(tmp_path):
    settings = Settings.load(tmp_path)
    assert settings == Settings()
    assert (settings.cleaning.max_rejected_share, settings.cleaning.outlier_limit) == (0.05, 10)
    assert (settings.value.profit_unit_roubles, settings.value.horizon_months) == (1000, 3)
    assert (settings.segments.middle_risk, settings.segments.high_risk, settings.segments.high_profit) == (0.3, 0.6, 0.5)


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "{}", "---\n"])
def test_empty_file_is_the_defaults(tmp_path, text):
    assert load(tmp_path, text) == Settings()


def test_part_of_the_settings_leaves_the_rest(tmp_path):
    settings = load(tmp_path, "model: {folds: 4}\nvalue:\n  horizon_months: 6\n")
    assert settings.model.folds == 4
    assert settings.model.repeats == Settings().model.repeats
    assert settings.value.horizon_months == 6
    assert settings.cleaning == Settings().cleaning


@pytest.mark.parametrize(
    ("text", "field", "value"),
    [
        ("modle: {folds: 4}", "setting modle: ", "{'folds': 4}"),
        ("model: {fold: 4}", "setting model.fold: ", "'4'"),
        ("model: {folds: 1}", "setting model.folds: Input should be greater than or equal to 2", "'1'"),
        ("model: {folds: many}", "setting model.folds: ", "'many'"),
        ("cleaning: {max_rejected_share: 1.5}", "setting cleaning.max_rejected_share: ", "'1.5'"),
        ("segments: {high_risk: 1}", "setting segments.high_risk: ", "'1'"),
        ("value: {profit_unit_roubles: 0}", "setting value.profit_unit_roubles: ", "'0'"),
        ("cleaning: 5", "setting cleaning: ", "'5'"),
    ],
)
def test_unknown_or_illegal_setting_is_told_with_file_field_and_value(tmp_path, text, field, value):
    with pytest.raises(BadInputError) as error:
        load(tmp_path, text)
    message = str(error.value)
    assert message.startswith(str(tmp_path / "settings.yaml"))
    assert field in message
    assert value in message
    assert "What to do: see docs/settings.md" in message


@pytest.mark.parametrize("text", ["model: {folds: 4", "a: b: c", b"\xff\xfe\x00", "\tmodel: 1"])
def test_file_that_is_no_yaml_is_told(tmp_path, text):
    with pytest.raises(BadInputError, match="the settings are not valid YAML") as error:
        load(tmp_path, text)
    assert "settings.yaml" in str(error.value)
    assert "mend or remove the file" in str(error.value)


def test_yaml_runs_no_code(tmp_path):
    with pytest.raises(BadInputError, match="not valid YAML"):
        load(tmp_path, f"model: !!python/object/apply:os.mkdir ['{tmp_path}/made']")
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("text", ["- model", "5", "model"])
def test_file_that_is_no_mapping_is_told(tmp_path, text):
    with pytest.raises(BadInputError, match=r"settings\.yaml"):
        load(tmp_path, text)


def test_settings_do_not_change():
    with pytest.raises(ValidationError, match="frozen"):
        Cleaning().outlier_limit = 5


def test_every_setting_is_described():
    for section in Settings.model_fields.values():
        for name, field in section.annotation.model_fields.items():
            assert field.description, name
