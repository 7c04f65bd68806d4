import errno
import io
import math
import os
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from oneclick_pipeline import yaml
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.settings import Cleaning, Settings


def load(home, text):
    (home / "settings.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    return Settings.load(home)


def test_without_a_file_the_defaults_hold(tmp_path):
    settings = Settings.load(tmp_path)
    assert settings == Settings()
    assert (settings.cleaning.max_rejected_share, settings.cleaning.outlier_limit) == (0.05, 10)
    assert (settings.value.profit_unit_roubles, settings.value.horizon_months) == (None, 3)
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
        ("offers: {budget: yes}", "setting offers.budget: Value error, Input should be a number without quotes", "'True'"),
        ("offers: {budget: -1}", "setting offers.budget: ", "'-1'"),
        ("value: {profit_unit_roubles: 0}", "setting value.profit_unit_roubles: ", "'0'"),
        ("cleaning: 5", "setting cleaning: ", "'5'"),
    ],
)
def test_unknown_or_illegal_setting_is_told_with_file_field_and_value(tmp_path, text, field, value):
    with pytest.raises(BadInputError) as error:
        load(tmp_path, text)
    message = str(error.value)
    assert message.startswith(f"{tmp_path / 'settings.yaml'}, line 1, column ")
    assert field in message
    assert value in message
    assert "What to do: see docs/settings.md" in message


@pytest.mark.parametrize(
    ("text", "problem", "line", "column"),
    [
        ("model: {folds: 4", "not valid YAML", 1, 17),
        ("a: b: c", "not valid YAML", 1, 5),
        ("\tmodel: 1", "not valid YAML", 1, 1),
        ("model:\n\tfolds: 4\n", "not valid YAML", 2, 1),
        ("model: {folds: 4}\n--- {}\n", "not valid YAML", 2, 1),
        ("value: 1\nmodel: \x00", "not valid YAML", 2, 8),
        ("# one\n" + "[" * 100_000, "not valid YAML", 2, 21),
        ("a: &a [1]\nb: [*a, *a]\n", "not valid YAML", 2, 5),
        ('a: "\\UFFFFFFFF"', "not valid YAML", 1, 7),
        (b"\xff\xfem\x00", "not UTF-8", 1, None),
        ("модель: 1".encode("cp1251"), "not UTF-8", 1, None),
        ("model: {folds: 4}".encode("utf-16"), "not UTF-8", 1, None),
        (b"# one\n\xff", "not UTF-8", 2, None),
        ("model:\n  folds: 1e999", "not a finite number", 2, 10),
        ("model:\n  folds: " + "9" * 5000, "not a plain value", 2, 10),
        ("model:\n  folds: 0x10", "not a plain value", 2, 10),
        ("model:\n  folds: 010", "not a plain value", 2, 10),
        ("model:\n  folds: 1_0", "not a plain value", 2, 10),
        ("model:\n  folds: 1:30", "not a plain value", 2, 10),
        ("model:\n  folds: .inf", "not a plain value", 2, 10),
        ("offers:\n  budget: .nan", "not a plain value", 2, 11),
        ("offers:\n  salt: 2026-13-45", "not a plain value", 2, 9),
        ("offers:\n  salt: 2026-10-01 10:00:00", "not a plain value", 2, 9),
        ("offers:\n  salt: !!binary AAAA", "not a plain value", 2, 9),
        ('offers:\n  salt: "\\ud800"', "not a plain value", 2, 9),
        ("model: !!set {folds}", "one value is expected here", 1, 8),
        ("model: !!omap [folds: 4]", "one value is expected here", 1, 8),
        ("model: !!python/object/apply:os.getcwd []", "one value is expected here", 1, 8),
        ("model:\n  folds: 4\n  folds: 5\n", "it appears twice", 3, 3),
        ("model: {folds: 4}\nmodel: {folds: 4}\n", "it appears twice", 2, 1),
        ("model: {1: 4}", "not a field name", 1, 9),
        ("model: {[a]: 4}", "not a field name", 1, 9),
        ("{{a: 1}: 2}", "not a field name", 1, 2),
        ('"\\e[31mmodel": {}', "not a field name", 1, 1),
        ("- model", "sections with settings are expected", 1, 1),
        ("5", "sections with settings are expected", 1, 1),
        ("# one\nmodel", "sections with settings are expected", 2, 1),
        ("model:\n  draws: 4\n  folds: many\n", "setting model.folds", 3, 10),
        ("model:\n  draws: 4\n  fold: 4\n", "setting model.fold", 3, 3),
        ("model:\n  families:\n    - knn\n    - forest\n", "unknown family forest", 3, 5),
        ('model: {folds: "4"}', "setting model.folds", 1, 16),
        ('model: {folds: "٤"}', "setting model.folds", 1, 16),
        ("model: {folds: yes}", "setting model.folds", 1, 16),
        ("model:\n  seed: -1", "setting model.seed", 2, 9),
        ("model:\n  seed: 4294967296", "setting model.seed", 2, 9),
        ("model:\n  families: [knn, knn]", "a family appears twice", 2, 13),
        ("model:\n  family_max_rows: {knn: -5}", "rows of a family must be from 100", 2, 20),
        ("model:\n  family_max_rows: {knn: yes}", "a number without quotes", 2, 20),
        ("cleaning:\n  outlier_limit: 1e308", "setting cleaning.outlier_limit", 2, 18),
        ("offers:\n  salt: " + "a" * 201, "setting offers.salt", 2, 9),
        ('alerts:\n  dagster_url: "http://a\\e[31m"', "setting alerts.dagster_url", 2, 16),
        ("report:\n  mlflow_url: http://a\u202eb", "setting report.mlflow_url", 2, 15),
    ],
)
def test_file_that_holds_no_settings_is_refused_with_line_and_column(tmp_path, text, problem, line, column):
    with pytest.raises(BadInputError) as caught:
        load(tmp_path, text)
    error = caught.value
    assert problem in error.problem
    assert (error.file, error.line, error.column) == (str(tmp_path / "settings.yaml"), line, column)
    assert error.remedy


def test_few_lines_that_stand_for_gigabytes_are_refused_at_once(tmp_path):
    bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n" for before, name in pairwise("abcdefghijkl")
    )
    with pytest.raises(BadInputError, match="aliases") as caught:
        load(tmp_path, bomb)
    assert caught.value.line == 2


@pytest.mark.parametrize("section", [info.annotation for info in Settings.model_fields.values()])
def test_every_number_has_a_lowest_and_a_highest_value(section):
    """No stage was written for a seed below nothing or a limit of 1e308; what it makes of one names neither file nor line."""
    for name, info in section.model_fields.items():
        if info.annotation in (int, float):
            limits = {limit for rule in info.metadata for limit in ("ge", "gt", "le", "lt") if hasattr(rule, limit)}
            assert len(limits & {"ge", "gt"}) == len(limits & {"le", "lt"}) == 1, name


class Silent(io.FileIO):
    """A file that would keep its reader waiting, as some of the kernel's do."""

    def read(self, *_):
        return None


def test_file_that_has_nothing_to_say_now_is_not_taken_for_an_empty_one(tmp_path, monkeypatch):
    (tmp_path / "settings.yaml").touch()
    monkeypatch.setattr(yaml, "open", Silent, raising=False)
    with pytest.raises(BadInputError, match="it cannot be read"):
        Settings.load(tmp_path)


def test_byte_order_mark_and_numbers_as_people_write_them_are_read(tmp_path):
    settings = load(tmp_path, "\ufeffvalue: {profit_unit_roubles: 1e3}\r\noffers: {budget: .5}\r\nmodel: {folds: +4}".encode())
    assert (settings.value.profit_unit_roubles, settings.offers.budget, settings.model.folds) == (1000, 0.5, 4)


def test_what_is_no_regular_file_of_some_kilobytes_is_refused_at_once(tmp_path):
    path = tmp_path / "settings.yaml"
    with path.open("wb") as file:
        file.truncate(1 << 30)
    with pytest.raises(BadInputError, match="larger than 256 KiB"):
        Settings.load(tmp_path)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(BadInputError, match="not a regular file"):
        Settings.load(tmp_path)
    path.unlink()
    path.mkdir()
    with pytest.raises(BadInputError, match="cannot be read"):
        Settings.load(tmp_path)
    path.rmdir()
    for target in ("nowhere", "settings.yaml", "/dev/zero"):
        path.symlink_to(target)
        with pytest.raises(BadInputError, match="cannot be read"):
            Settings.load(tmp_path)
        path.unlink()


def test_file_that_may_not_be_read_is_refused(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(os, "open", refuse)  # root may read everything
    with pytest.raises(BadInputError, match="cannot be read: Permission denied"):
        Settings.load(tmp_path)


def test_yaml_runs_no_code(tmp_path):
    with pytest.raises(BadInputError, match="one value is expected"):
        load(tmp_path, f"model: !!python/object/apply:os.mkdir ['{tmp_path}/made']")
    assert not (tmp_path / "made").exists()


SCRAPS = st.sampled_from(
    [
        *b"model:|folds|: |  |- |{|}|[|]|&a |*a|!!int |!!set |!!binary |!!omap |<<|1e999|2026-13-45|0x1F|1:99".split(b"|"),
        *(b".nan", b"#", b"~", b"yes", b"\t", b"? ", b"\n", b"\n---\n", b"'", b'"', b"\\u", b"|\n", b"%YAML 9" + b"9" * 5000),
        *(b"9" * 5000, b"[" * 3000, "٤".encode(), b"\xef\xbb\xbf", b"\xff\xfe", b"\x00"),
    ]
)


def attempt(home):
    """The settings of a home, or how they were refused."""
    try:
        return Settings.load(home), None
    except BadInputError as error:
        return None, error


@given(st.binary(max_size=200) | st.lists(SCRAPS, max_size=12).map(b"".join))
def test_any_bytes_are_settings_or_refused_with_a_remedy(content):
    with TemporaryDirectory() as folder:
        (Path(folder) / "settings.yaml").write_bytes(content)
        settings, error = attempt(Path(folder))
        if error is None:
            assert isinstance(settings, Settings)
        else:
            assert error.file == f"{folder}/settings.yaml"
            assert error.line
            assert error.remedy
            assert str(error).encode()


def test_number_of_a_run_must_be_finite(tmp_path):
    for number in (math.inf, math.nan):
        with pytest.raises(BadInputError, match="the run's own settings"):
            Settings.load(tmp_path, {"value": {"profit_unit_roubles": number}})


def test_settings_do_not_change():
    with pytest.raises(ValidationError, match="frozen"):
        Cleaning().outlier_limit = 5


def test_every_setting_is_described():
    for section in Settings.model_fields.values():
        for name, field in section.annotation.model_fields.items():
            assert field.description, name


def test_lines_of_a_message_that_are_both_added_say_how_they_go_together(tmp_path):
    """A run that stops for one column after another asks for two lines of `formats`."""
    lines = [f'formats: {{campaign: {{columns: {{"{name}": {{decimal: ",", grouping: ""}}}}}}}}\n' for name in "ab"]
    (tmp_path / "settings.yaml").write_text("".join(lines), encoding="utf-8")
    with pytest.raises(BadInputError, match="keep one of them, with what both of them hold"):
        Settings.load(tmp_path)
