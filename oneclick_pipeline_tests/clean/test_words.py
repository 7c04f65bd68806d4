from __future__ import annotations

import unicodedata

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from oneclick_pipeline.clean.words import nearest
from oneclick_pipeline.contracts.exports import SOURCES
from oneclick_pipeline_tests.raw.test_letters import disguised

VOCABULARIES = [list(c.values) or list(c.known) for s in SOURCES for c in s.columns if c.values or c.known]


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("стандартт", "стандарт"),
        ("СТАНДАРТ ", "стандарт"),
        ("стандарттт", None),
        ("стандар", "стандарт"),
        ("базовый", None),
        ("cтандартт", "стандарт"),  # Latin c, and a letter more
        ("тсандарт", "стандарт"),
        ("стан-дарт", "стандарт"),
        ("стандарт+", None),
        ("стандарт-", None),
        ("_стандарт", None),
        ("стандарт2", None),
        ("ст4ндарт", None),
        ("стандарт№", None),
        ("станqарт", "стандарт"),  # a Latin letter for another
        ("стандартS", None),  # a Latin letter more
        ("стандартT", None),  # one that looks like a Cyrillic letter
        ("стандарт S", None),
    ],
)
def test_nearest_is_at_most_one_edit_of_letters_away(text, word):
    assert nearest(text, ["стандарт"]) == word


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("текущий месяц", "текущий_месяц"),
        ("текущий-месяц", "текущий_месяц"),
        ("текущиймесяц", "текущий_месяц"),
        ("текущий__месяц", "текущий_месяц"),
        ("текущий - месяц", "текущий_месяц"),
        ("текщий-месяц", "текущий_месяц"),  # and a letter less
        ("текущий_месяц_", None),
        ("текущий_месяц -", None),
        ("текущий+месяц", None),
        ("текущий.месяц", None),
    ],
)
def test_nearest_passes_over_one_separator(text, word):
    assert nearest(text, ["текущий_месяц", "предыдущий_месяц"]) == word


VOCABULARY_AND_WORD = st.sampled_from(VOCABULARIES).flatmap(lambda words: st.tuples(st.just(words), disguised(words)))


@given(VOCABULARY_AND_WORD)
def test_nearest_of_a_disguised_word_is_that_word(case):
    words, (word, text) = case
    assert nearest(text, words) == word


@given(VOCABULARY_AND_WORD, st.sampled_from("0123456789+*!?.,#%&/\\'’¹²№€"), st.integers(0, 40))
def test_nearest_of_a_word_with_a_digit_or_sign_more_is_none(case, extra, place):
    words, (_, text) = case
    changed = text[:place] + extra + text[place:]
    assume(unicodedata.normalize("NFC", changed) != unicodedata.normalize("NFC", text))
    assert nearest(changed, words) is None
