"""Messages: the template of an offer filled with what is known about a customer.

Templates come from the catalogue, values from the store's exports; neither is trusted. A template is cut into pieces
once, and values are put between the pieces: no value is ever read as a template, no format string exists. A value is
made plain text first: one line, no markup, at most `LONGEST` characters.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from oneclick_pipeline.errors import BadInputError

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from oneclick_pipeline.catalogue.offer import Offer

Language = Literal["ru", "en"]

LONGEST = 80
"""Characters of a value in a message; a longer one is cut."""

_CATEGORIES = {
    "Домашний текстиль": "home textiles",
    "Косметика и аксессуары": "cosmetics and accessories",
    "Кухонная посуда": "kitchenware",
    "Мелкая бытовая техника и электроника": "small appliances and electronics",
    "Техника для красоты и здоровья": "beauty and health appliances",
    "Товары для детей": "goods for children",
}
_DAYS_OF_A_YEAR = 365.25
_UNPRINTABLE = re.compile(r"[\x00-\x20\x7f-\xa0\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]+")
_MARKUP = re.compile(r"[<>{}]+")
_PLACEHOLDER = re.compile(r"(\{[^{}]*\}|[{}])")


def plain(text: str) -> str:
    r"""`text` on one line: no control, invisible or direction-changing characters, single blanks.

    >>> plain(" a\r\nb\tc ")
    'a b c'
    """
    return _UNPRINTABLE.sub(" ", text).strip()


def word(value: object) -> str:
    """A text of the exports as plain text of a message, without what a mail or a template program could take for markup.

    >>> word("<script>{x}</script>")
    'script x /script'
    """
    # Cut first: a value may be a megabyte long.
    text = plain(_MARKUP.sub(" ", str(value)[: 4 * LONGEST]))
    return (text if len(text) <= LONGEST else text[: LONGEST - 1].rstrip() + "…") or "…"


def plural(number: int, one: str, few: str, many: str) -> str:
    """A count with its noun in Russian: 1 товар, 2 товара, 5 товаров, 11 товаров, 21 товар.

    Source: Unicode CLDR, plural rules of Russian for whole numbers.

    >>> [plural(n, "товар", "товара", "товаров") for n in (1, 3, 5, 11, 21)]
    ['1 товар', '3 товара', '5 товаров', '11 товаров', '21 товар']
    """
    units, tens = number % 10, number % 100
    if tens in range(11, 15):
        return f"{number} {many}"
    return f"{number} {one if units == 1 else few if units in range(2, 5) else many}"


def _counted(one: str, few: str, many: str, english: str) -> dict[Language, Callable[[object], str]]:
    def english_count(value: object) -> str:
        number = int(float(str(value)))
        return f"{number} {english}" if number == 1 else f"{number} {english}s"

    return {"ru": lambda value: plural(int(float(str(value))), one, few, many), "en": english_count}


def _years(days: object) -> int:
    return int(float(str(days)) / _DAYS_OF_A_YEAR)


def _years_ru(days: object) -> str:
    years = _years(days)
    return plural(years, "год", "года", "лет") if years else "меньше года"


def _years_en(days: object) -> str:
    years = _years(days)
    return f"{years} year{'s' if years > 1 else ''}" if years else "less than a year"


@dataclass(frozen=True)
class Placeholder:
    """What may be in braces in a message.

    Attributes:
        column: Column that it is filled from.
        texts: How a value is written, by language; counts bring their noun.
    """

    column: str
    texts: dict[Language, Callable[[object], str]]


PLACEHOLDERS = {
    "favourite_category": Placeholder(
        "favourite_category", {"ru": word, "en": lambda value: _CATEGORIES.get(str(value)) or word(value)}
    ),
    "unpaid_items": Placeholder("unpaid_items", _counted("товар", "товара", "товаров", "item")),
    "service_errors": Placeholder("service_errors", _counted("сбой", "сбоя", "сбоев", "failure")),
    "tenure_years": Placeholder("tenure_days", {"ru": _years_ru, "en": _years_en}),
}
"""All placeholders by name."""


def columns(template: str) -> tuple[str, ...]:
    """Columns that a template is filled from.

    >>> columns("Вы с нами {tenure_years}, в корзине {unpaid_items}")
    ('tenure_days', 'unpaid_items')
    """
    return tuple(dict.fromkeys(PLACEHOLDERS[piece[1:-1]].column for piece in _pieces(template)[1::2]))


def needed(offer: Offer) -> tuple[str, ...]:
    """Columns that the messages of an offer are filled from, in either language."""
    return tuple(dict.fromkeys(column for text in (offer.message_ru, offer.message_en) for column in columns(text)))


def unknown_placeholders(template: str) -> list[str]:
    """Text in braces that is not a placeholder, and unmatched braces.

    >>> unknown_placeholders("{unpaid_items} {name!r} }")
    ['{name!r}', '}']
    """
    return [piece for piece in _pieces(template)[1::2] if piece[1:-1] not in PLACEHOLDERS]


def fill(offer: Offer, customers: pd.DataFrame, language: Language = "ru") -> NDArray[np.object_]:
    """The message of an offer to each customer.

    Every different value is written once, so that a million customers cost a look-up each.

    Args:
        offer: Offer whose message it is.
        customers: Columns of `contracts.customers.CUSTOMER_FEATURES`, the offer's `needs` at least.
        language: Language of the message.

    Returns:
        Texts, (n,), in the order of `customers`.

    Raises:
        BadInputError: If a value is unknown; such a customer is never fitted, see `eligibility.fits`.
    """
    import numpy as np

    pieces = _pieces(offer.message_ru if language == "ru" else offer.message_en)
    texts = np.full(len(customers), pieces[0], dtype=object)
    for name, rest in zip(pieces[1::2], pieces[2::2], strict=True):
        placeholder = PLACEHOLDERS[name[1:-1]]
        texts = texts + _written(customers[placeholder.column], placeholder.texts[language], offer) + rest
    return texts


def _written(values: pd.Series, text: Callable[[object], str], offer: Offer) -> NDArray[np.object_]:
    """Every value as written in a message."""
    import numpy as np

    codes, distinct = values.factorize()
    if unknown := int((codes < 0).sum()):
        raise BadInputError(
            f"the message of offer {offer.id} cannot be filled: the value is unknown for {unknown:,} customers",
            column=str(values.name),
            remedy="plan the month again; an offer fits only customers for whom all values in its message are known",
        )
    texts: NDArray[np.object_] = np.array([text(value) for value in distinct], dtype=object)
    written: NDArray[np.object_] = texts[codes]
    return written


def _pieces(template: str) -> list[str]:
    """Text, placeholder, text, placeholder, …, text."""
    return _PLACEHOLDER.split(template)
