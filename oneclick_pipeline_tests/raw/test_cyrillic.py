"""Which Cyrillic encoding a text is in, by its letters: certain or not said."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.raw.cyrillic import by_letters, words
from oneclick_pipeline.raw.encoding import CYRILLIC
from oneclick_pipeline.raw.facts import inspect

SENTENCES = [
    "скидка подарок бесплатная доставка",
    "Скидка 10 % на кухонную посуду; Выручка_прошлого_месяца",
    "СКИДКА НА ДОМАШНИЙ ТЕКСТИЛЬ И ПОСУДУ",
    "Съешь ещё этих мягких французских булок, да выпей чаю",
    "№ 5 «Подарок за покупку»",
]
VOCABULARY = [
    "скидка",
    "подарок",
    "доставка",
    "посуда",
    "текстиль",
    "бонус",
    "звонок",
    "письмо",
    "купон",
    "выручка",
    "прибыль",
    "сообщение",
    "акция",
    "товар",
    "клиент",
]


@pytest.mark.parametrize("text", SENTENCES)
@pytest.mark.parametrize("encoding", CYRILLIC)
def test_sentence_shows_its_encoding(text, encoding):
    data = text.encode(encoding, errors="ignore")  # not every encoding has every sign
    found = by_letters(words([data]))[0]
    assert found is not None
    assert data.decode(found) == data.decode(encoding)


@given(
    st.lists(st.sampled_from(VOCABULARY), min_size=1, max_size=4),
    st.sampled_from(CYRILLIC),
    st.sampled_from(["lower", "title", "upper"]),
)
def test_words_are_read_right_or_not_at_all(chosen, encoding, case):
    text = getattr(" ".join(chosen), case)()
    data = text.encode(encoding)
    found = by_letters(words([data]))[0]
    assert found is None or data.decode(found) == text


@pytest.mark.parametrize("data", [b"\xe4", "ДЮ".encode("koi8-r"), "Müller Größe".encode("latin-1"), bytes(range(128, 256))])
def test_letters_that_show_nothing_are_not_guessed(data):
    assert by_letters(words([data]))[0] is None


def test_file_whose_encoding_is_not_certain_names_the_candidates_and_the_setting(tmp_path):
    from oneclick_pipeline.contracts.schema import Column, Table

    keys = Table("outcomes", "campaigns", "", (Column("customer_id", "str", "", header="customer_id"),), file="campaign")
    path = tmp_path / "campaign.csv"
    path.write_bytes("customer_id,x\n1,ДЮ\n".encode("koi8-r"))
    with pytest.raises(BadInputError) as error:
        inspect(path, keys, tmp_path)
    assert "«да» in cp1251" in str(error.value)
    assert "«ДЮ» in koi8-r" in str(error.value)
    assert "formats: {campaign: {encoding: " in str(error.value)
    assert inspect(path, keys, tmp_path, encoding="koi8-r").facts.encoding == "koi8-r"
