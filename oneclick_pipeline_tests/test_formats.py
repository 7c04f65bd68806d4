import pytest

from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.formats import ColumnFormat, FileFormat
from oneclick_pipeline.settings import Settings


def load(home, text):
    (home / "settings.yaml").write_text(text, encoding="utf-8")
    return Settings.load(home).formats


def test_formats_are_read_by_file_and_column(tmp_path):
    formats = load(
        tmp_path,
        'formats:\n  market_money:\n    encoding: cp1251\n    delimiter: ";"\n    columns:\n'
        '      Выручка: {decimal: ".", grouping: ","}\n  campaign: {columns: {revenue: {grouping: " "}}}\n',
    )
    money = FileFormat(encoding="cp1251", delimiter=";", columns={"Выручка": ColumnFormat(decimal=".", grouping=",")})
    assert formats.of("market_money") == money
    assert formats.campaign.columns == {"revenue": ColumnFormat(grouping=" ")}
    assert formats.of("money") == FileFormat()


@pytest.mark.parametrize(
    ("text", "problem", "line"),
    [
        ("formats:\n  monney: {delimiter: ;}", "setting formats.monney: Extra inputs are not permitted", 2),
        ("formats:\n  money:\n    columns: {Прибль: {}}", "unknown column Прибль; the columns with numbers are id, Прибыль", 3),
        ("formats:\n  market_money: {columns: {Период: {}}}", "unknown column Период", 2),
        ('formats:\n  money:\n    columns:\n      id: {decimal: ",", grouping: ","}', "the same mark", 4),
        ('formats: {money: {columns: {id: {decimal: "-"}}}}', "setting formats.money.columns.id.decimal: ", 1),
        ("formats: {money: {encoding: latin-1}}", "setting formats.money.encoding: ", 1),
        ('formats: {money: {delimiter: ":"}}', "setting formats.money.delimiter: ", 1),
    ],
)
def test_format_that_cannot_be_is_refused_with_its_place(tmp_path, text, problem, line):
    with pytest.raises(BadInputError) as caught:
        load(tmp_path, text)
    assert problem in caught.value.problem
    assert (caught.value.file, caught.value.line) == (str(tmp_path / "settings.yaml"), line)
    assert "docs/settings.md" in caught.value.remedy


def test_run_of_its_own_format_is_checked_alike(tmp_path):
    with pytest.raises(BadInputError, match="unknown column x"):
        Settings.load(tmp_path, {"formats": {"money": {"columns": {"x": {}}}}})
