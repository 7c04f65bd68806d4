"""Messages: filled in good Russian and English, and values stay values whatever stands in them."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oneclick_pipeline.catalogue import messages
from oneclick_pipeline.catalogue.offer import Offer
from oneclick_pipeline.errors import BadInputError


def offer(message_ru, message_en="-"):
    return Offer("gift", "Подарок", "Gift", message_ru, message_en, "push", "Retention", (), 0.1, None, -0.05, 0.04)


def fill(template, language="ru", **values):
    frame = pd.DataFrame({name: value if isinstance(value, list) else [value] for name, value in values.items()})
    return messages.fill(offer(template, template), frame, language).tolist()


@pytest.mark.parametrize(
    ("noun", "numbers"),
    [("товар", (1, 21, 101)), ("товара", (2, 3, 4, 22, 1_000_002)), ("товаров", (0, 5, 11, 12, 14, 111, 112))],
)
def test_plural_follows_the_number(noun, numbers):
    for number in numbers:
        assert messages.plural(number, "товар", "товара", "товаров") == f"{number} {noun}"


@pytest.mark.parametrize(
    ("language", "texts"),
    [
        ("ru", ["1 товар, меньше года", "3 товара, 1 год", "5 товаров, 2 года"]),
        ("en", ["1 item, less than a year", "3 items, 1 year", "5 items, 2 years"]),
    ],
)
def test_fill_writes_counts_with_their_noun(language, texts):
    template = "{unpaid_items}, {tenure_years}"
    assert fill(template, language, unpaid_items=[1, 3, 5], tenure_days=[0, 366, 1000]) == texts
    assert fill(template, language, unpaid_items=[1.0, 3.0, 5.0], tenure_days=[0.0, 366.0, 1000.0]) == texts


def test_fill_keeps_the_order_of_the_customers():
    categories = ["Товары для детей", "Книги", "Товары для детей"]
    assert fill("«{favourite_category}»!", favourite_category=categories) == [f"«{c}»!" for c in categories]
    assert fill("In {favourite_category}.", "en", favourite_category=categories) == [
        "In goods for children.",
        "In Книги.",
        "In goods for children.",
    ]


def test_fill_takes_a_template_without_placeholders_and_nobody():
    assert fill("Привет", favourite_category=["a", "b"]) == ["Привет", "Привет"]
    assert fill("{favourite_category}", favourite_category=[]) == []


@pytest.mark.parametrize("value", [None, float("nan"), pd.NA])
def test_fill_refuses_an_unknown_value(value):
    with pytest.raises(
        BadInputError, match=r"favourite_category.*offer gift cannot be filled: the value is unknown for 1 customers"
    ):
        fill("{favourite_category}", favourite_category=["Книги", value])


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("<script>alert(1)</script>", "script alert(1) /script"),
        ("{unpaid_items}", "unpaid_items"),
        ("{0.__class__.__init__.__globals__}", "0.__class__.__init__.__globals__"),
        ("%s %(x)d $name \\1", "%s %(x)d $name \\1"),
        ("a\r\nBcc: all\tb\x00c\u2028d\u202ee", "a Bcc: all b c d e"),
        ("=cmd()", "=cmd()"),
        ("<>", "…"),
        ("x" * 1_000_000, "x" * 79 + "…"),
        ("x" * 80, "x" * 80),
        ("Ё-моё & «уход» 🎁", "Ё-моё & «уход» 🎁"),
    ],
)
def test_hostile_value_is_plain_text(value, text):
    assert fill("а {favourite_category} б", favourite_category=[value]) == [f"а {text} б"]


@given(st.lists(st.text(), min_size=1))
def test_any_value_is_one_short_line_between_the_pieces(values):
    for text in fill("[{favourite_category}]", favourite_category=values):
        assert text.startswith("[")
        assert text.endswith("]")
        assert len(text) <= messages.LONGEST + 2
        assert len(text.splitlines()) == 1
        assert not set("<>{}\r\n\t\0") & set(text)


@given(st.text())
def test_template_is_whole_or_its_unknown_placeholders_are_named(template):
    if not messages.unknown_placeholders(template):
        columns = {"favourite_category": "x", "unpaid_items": 1, "service_errors": 1, "tenure_days": 1}
        (text,) = fill(template, **columns)
        assert "{" not in text


@pytest.mark.parametrize("name", messages.PLACEHOLDERS)
def test_every_placeholder_is_written_in_both_languages(name):
    value = "Книги" if name == "favourite_category" else 800
    russian, english = (fill(f"{{{name}}}", language, **{messages.PLACEHOLDERS[name].column: value}) for language in ("ru", "en"))
    assert russian != [""]
    assert name == "favourite_category" or russian != english
