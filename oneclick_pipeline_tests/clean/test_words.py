import pytest

from oneclick_pipeline.clean.words import nearest


@pytest.mark.parametrize(
    ("text", "word"),
    [("стандартт", "стандарт"), ("СТАНДАРТ ", "стандарт"), ("стандарттт", None), ("стандар", "стандарт"), ("базовый", None)],
)
def test_nearest_is_at_most_one_edit_away(text, word):
    assert nearest(text, ["стандарт"]) == word
