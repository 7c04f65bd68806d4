"""Settings that earlier versions had: a home that still has them goes on, and `doctor` names them."""

import pytest

from oneclick_pipeline.cli.doctor import configuration
from oneclick_pipeline.cli.doctor.home import Home
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.settings import Settings
from oneclick_pipeline.settings_yaml import RETIRED, retired

OLD = "value:\n  horizon_months: 6\n  saved_share: 0.3\n  offer_cost: 1\n"


def test_retired_settings_are_left_out_and_named_with_their_place(tmp_path):
    (tmp_path / "settings.yaml").write_text(OLD)
    settings = Settings.load(tmp_path)
    assert settings.value.horizon_months == 6
    assert settings == Settings(value={"horizon_months": 6})
    notices = {notice.line: str(notice) for notice in retired(tmp_path)}
    assert sorted(notices) == [3, 4]
    assert "line 3, column 3: the setting value.saved_share no longer exists" in notices[3]
    assert notices[4].endswith("What to do: remove the line; it has no effect")


def test_doctor_warns_of_each(tmp_path):
    (tmp_path / "settings.yaml").write_text(OLD)
    findings = list(configuration.settings(Home(tmp_path)))
    assert [finding.state for finding in findings] == ["warning", "warning", "ok"]
    assert findings[0].remedy == "remove the line; it has no effect"


@pytest.mark.parametrize("text", [None, "", "{}", "value:\n", "model: {folds: 4}\n"])
def test_file_without_them_has_none(tmp_path, text):
    if text is not None:
        (tmp_path / "settings.yaml").write_text(text)
    assert list(retired(tmp_path)) == []


def test_retired_setting_elsewhere_is_still_an_error(tmp_path):
    (tmp_path / "settings.yaml").write_text("offers: {offer_cost: 1}\n")
    with pytest.raises(BadInputError, match=r"setting offers\.offer_cost"):
        Settings.load(tmp_path)


def test_no_retired_setting_exists():
    for section, name in RETIRED:
        assert name not in type(getattr(Settings(), section)).model_fields
