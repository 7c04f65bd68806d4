from __future__ import annotations

import unicodedata

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from oneclick_pipeline.contracts.exports import SOURCES
from oneclick_pipeline.raw.letters import difference, folded, in_one_alphabet, match_headers, mended, missing_header

HEADERS = sorted({c.header for s in SOURCES for c in s.columns})
WORDS = [w for s in SOURCES for c in s.columns for w in (*c.values, *c.known)]
LOOK_ALIKES = dict(zip("АВСЕНКМОРТХУЁасеорхукёiIsS", "ABCEHKMOPTXYËaceopxykëіІѕЅ", strict=True))


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("дa", "да"),  # Latin a
        ("HET", "нет"),  # all letters Latin
        ("het", "нет"),  # the same after a program's lower()
        ("ПРЁМИУМ", "премиум"),
        ("пре\u00adмиум", "премиум"),
        ("\ufeffid", "id"),
        ("ID", "id"),
        ("іd", "id"),  # Cyrillic і
        ("іԁ", "id"),  # no Latin letter at all
        ("Тип\u202fсервиса", "Тип сервиса"),
        ("Тип  сервиса", "Тип сервиса"),
        ("текущии\u0306_месяц", "текущий_месяц"),
        ("премиум+", None),
        ("премиум2", None),
        ("стандарт*", None),
        ("да!", None),
        ("1d", None),
        ("id_", None),
        ("Типсервиса", None),
        ("Тип_сервиса", None),
    ],
)
def test_text_is_the_word_that_a_reader_sees(text, word):
    assert mended(text, ["да", "нет", "id", "премиум", "стандарт", "Тип сервиса", "текущий_месяц"]) == word


def test_text_that_may_be_two_words_is_neither():
    assert mended("СОК", ["сок", "cok"]) is None


@st.composite
def disguised(draw, words):
    """A word, and the word as a keyboard, a program or a PDF file may give it."""
    word = draw(st.sampled_from(words))
    letters = []
    for letter in word:
        one = draw(st.sampled_from([letter, letter.upper(), letter.lower()]))
        one = draw(st.sampled_from([one, LOOK_ALIKES.get(one, one)]))
        one = "\u00a0" if one == " " and draw(st.booleans()) else one
        letters += [one, draw(st.sampled_from(["", "", "", "\u00ad", "\u200b", "\ufeff"]))]
    around = st.sampled_from(["", " ", "\u00a0", "\u2009", "\t"])
    text = draw(around) + "".join(letters) + draw(around)
    return word, unicodedata.normalize(draw(st.sampled_from(["NFC", "NFD"])), text)


@given(disguised(WORDS + HEADERS))
def test_disguised_word_is_that_word_and_no_other(case):
    word, text = case
    assert mended(text, dict.fromkeys(WORDS + HEADERS)) == word


@given(disguised(WORDS + HEADERS), st.sampled_from("0123456789+-*!?.,_#%&/\\'’¹²№"), st.integers(0, 40))
def test_word_with_a_digit_or_sign_more_is_no_word(case, extra, place):
    _, text = case
    changed = text[:place] + extra + text[place:]
    assume(unicodedata.normalize("NFC", changed) != unicodedata.normalize("NFC", text))
    assert mended(changed, dict.fromkeys(WORDS + HEADERS)) is None


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("Kниги", "Книги"),
        ("Кyхоннaя посудa", "Кухонная посуда"),
        ("SPA", "SPA"),
        ("SPА", "SPA"),  # Cyrillic А
        ("Apple техника", "Apple техника"),
        ("Аpple техника", "Apple техника"),
        ("Витамин C", "Витамин C"),  # a word of its own is not mixed
        ("кpосс", "кросс"),  # may be either: as most of its letters are
        ("COСA", "COCA"),
        ("Wи-Fi", "Wи-Fi"),  # neither alphabet has all letters
        ("2D-пpинтep", "2D-принтер"),
        ("Чаи\u0306\u00a0 и кофе", "Чай и кофе"),
        ("ёлкë", "ёлкё"),
    ],
)
def test_word_of_two_alphabets_is_written_in_one(text, result):
    assert in_one_alphabet(text) == result


@given(st.text(alphabet="Ааоаcx Kрус5-_", max_size=12))
def test_word_in_one_alphabet_looks_the_same_and_stays(text):
    result = in_one_alphabet(text)
    assert folded(result) == folded(text)
    assert in_one_alphabet(result) == result


@pytest.mark.parametrize(
    ("text", "expected", "result"),
    [
        ("Пpибыль", "Прибыль", "letter 2 is Latin p (U+0070), Cyrillic р (U+0440) was expected"),
        ("прибыл", "Прибыль", "it ends where Cyrillic ь (U+044C) was expected as letter 7"),
        ("Прибыль2", "Прибыль", "character 8 is 2 (U+0032), the end was expected"),
        ("Пpибылъ", "Прибыль", "letter 7 is Cyrillic ъ (U+044A), Cyrillic ь (U+044C) was expected"),
        ("Тип_сервиса", "Тип сервиса", "character 4 is _ (U+005F), space (U+0020) was expected"),
        ("Тип\u00a0сервиса", "Тип сервиса", "character 4 is no-break space (U+00A0), space (U+0020) was expected"),
        ("id\x01", "id", "character 3 is control character (U+0001), the end was expected"),
        ("id", "id", ""),
    ],
)
def test_difference_names_the_letter_and_its_place(text, expected, result):
    assert difference(text, expected) == result


def test_headers_as_a_reader_sees_them_are_matched():
    assert match_headers(["ID", "Пpибыль", "Город"], ["id", "Прибыль"]) == {"ID": "id", "Пpибыль": "Прибыль"}


def test_header_that_looks_like_one_that_is_there_is_another_column():
    assert match_headers(["id", "ID", "Прибыль"], ["id", "Прибыль"]) == {"id": "id", "Прибыль": "Прибыль"}


def test_two_headers_that_look_like_one_are_both_matched():
    assert list(match_headers(["ID", "Id"], ["id"]).values()) == ["id", "id"]


def test_missing_header_names_the_nearest_column_and_where_it_differs():
    assert missing_header("Прибыль", ["Город", "Пpибылъ"]) == (
        "the column is missing (has «Пpибылъ» taken its place? In it, letter 7 is Cyrillic ъ (U+044A), Cyrillic ь (U+044C) was "
        "expected)"
    )
    assert missing_header("Прибыль", ["Город"]) == "the column is missing"
