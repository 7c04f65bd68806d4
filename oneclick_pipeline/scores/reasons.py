"""Why a customer's risk is what it is: the three strongest reasons, signed, in Russian and English.

A text compares the customer's value with a reference: the typical customer (the median of the rows that the model
learned from), or the customer a month ago where both comparisons point the same way. It never holds a number, so the
texts are a small closed set and millions of customers cost a look-up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from oneclick_pipeline.contracts.customers import FEATURE_NAMES
from oneclick_pipeline.contracts.scores import REASONS
from oneclick_pipeline.model.curves import NumberCurve
from oneclick_pipeline.model.training_set import inputs

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from oneclick_pipeline.model.contributions import Contributions

LANGUAGES = ("ru", "en")
NEGLIGIBLE = 0.005
"""Log-odds; a smaller contribution, at most 0.1 percentage points, is not a reason."""

_RISK = {"ru": ("риск ниже", "риск выше"), "en": ("lower risk", "higher risk")}


@dataclass(frozen=True)
class Earlier:
    """Phrases for a number that is compared with the same customer's earlier one.

    Attributes:
        feature: Feature that holds the earlier value.
        ru: What is counted, such that «меньше» or «больше» may follow.
        en: The same in English, after the word for less or more.
        than: What the earlier value is, in Russian and English.
    """

    feature: str
    ru: str
    en: str
    than: tuple[str, str] = ("чем месяц назад", "than a month ago")


@dataclass(frozen=True)
class Amount:
    """Phrases for a number.

    Attributes:
        ru: What is counted, such that «меньше» or «больше» may follow.
        about: The same after «нет данных».
        en: What is counted, in English.
        less: The English words for less and more.
        earlier: What it is compared with beside the typical customer.
    """

    ru: str
    about: str
    en: str
    less: tuple[str, str] = ("fewer", "more")
    earlier: Earlier | None = None

    def texts(self) -> list[tuple[str, str]]:
        """Russian and English by variant: missing; below, as, above the typical customer; below, above the earlier value."""
        ru, en = "чем у типичного покупателя", "than a typical customer"
        fewer, more = self.less
        phrases = [
            (f"нет данных {self.about}", f"no data: {self.en}"),
            (f"{self.ru} меньше, {ru}", f"{fewer} {self.en} {en}"),
            (f"{self.ru} как у типичного покупателя", f"{self.en} like a typical customer"),
            (f"{self.ru} больше, {ru}", f"{more} {self.en} {en}"),
        ]
        if e := self.earlier:
            phrases += [(f"{e.ru} меньше, {e.than[0]}", f"{fewer} {e.en} {e.than[1]}")]
            phrases += [(f"{e.ru} больше, {e.than[0]}", f"{more} {e.en} {e.than[1]}")]
        return phrases


_LESS = ("less", "more")
AMOUNTS = {
    "contacts_6m": Amount(
        "рекламных контактов за полгода", "о рекламных контактах за полгода", "marketing contacts in six months"
    ),
    "contacts_month": Amount(
        "рекламных контактов в этом месяце",
        "о рекламных контактах в этом месяце",
        "marketing contacts this month",
        earlier=Earlier(
            "contacts_6m",
            "рекламных контактов в этом месяце",
            "marketing contacts this month",
            ("чем в среднем за полгода", "than in a mean month of six"),
        ),
    ),
    "tenure_days": Amount("дней с регистрации", "о дате регистрации", "days since registration"),
    "promo_share": Amount(
        "доля покупок по акциям", "о доле покупок по акциям", "share of purchases at a discount", ("a smaller", "a larger")
    ),
    "categories_per_visit": Amount("просмотренных категорий за визит", "о просмотренных категориях", "categories viewed a visit"),
    "unpaid_items": Amount("неоплаченных товаров в корзине", "о неоплаченных товарах", "unpaid items in the basket"),
    "service_errors": Amount("сбоев сайта", "о сбоях сайта", "failures of the site"),
    "pages_per_visit": Amount("просмотренных страниц за визит", "о просмотренных страницах", "pages viewed a visit"),
    "revenue_m0": Amount(
        "выручки в этом месяце",
        "о выручке в этом месяце",
        "revenue this month",
        _LESS,
        Earlier("revenue_m1", "выручки", "revenue"),
    ),
    "revenue_m1": Amount("выручки в прошлом месяце", "о выручке в прошлом месяце", "revenue last month", _LESS),
    "revenue_m2": Amount("выручки в позапрошлом месяце", "о выручке в позапрошлом месяце", "revenue two months ago", _LESS),
    "minutes_m0": Amount(
        "времени на сайте в этом месяце",
        "о времени на сайте в этом месяце",
        "time on site this month",
        _LESS,
        Earlier("minutes_m1", "времени на сайте", "time on site"),
    ),
    "minutes_m1": Amount(
        "времени на сайте в прошлом месяце", "о времени на сайте в прошлом месяце", "time on site last month", _LESS
    ),
}
"""Phrases of every feature that is a quantity."""

VALUES: dict[str, dict[str | float, tuple[str, str]]] = {
    "service_level": {
        "standard": ("обслуживание стандартное", "standard service"),
        "premium": ("обслуживание премиум", "premium service"),
    },
    "marketing_consent": {
        1.0: ("сообщения разрешены", "messages are allowed"),
        0.0: ("сообщения не разрешены", "messages are not allowed"),
    },
    "favourite_category": {
        "Домашний текстиль": ("чаще покупает домашний текстиль", "buys home textiles most often"),
        "Косметика и аксессуары": ("чаще покупает косметику и аксессуары", "buys cosmetics and accessories most often"),
        "Кухонная посуда": ("чаще покупает кухонную посуду", "buys kitchenware most often"),
        "Мелкая бытовая техника и электроника": (
            "чаще покупает мелкую бытовую технику и электронику",
            "buys small appliances and electronics most often",
        ),
        "Техника для красоты и здоровья": (
            "чаще покупает технику для красоты и здоровья",
            "buys beauty and health devices most often",
        ),
        "Товары для детей": ("чаще покупает товары для детей", "buys goods for children most often"),
    },
}
"""Phrases of every feature that is one of a few words."""

_OTHERWISE = {
    "service_level": ("иной уровень обслуживания", "another level of service"),
    "marketing_consent": ("иное согласие на сообщения", "another consent to messages"),
    "favourite_category": ("чаще покупает в другой категории", "buys in another category most often"),
}
_NO_DATA = {
    "service_level": ("нет данных об уровне обслуживания", "no data on the level of service"),
    "marketing_consent": ("нет данных о согласии на сообщения", "no data on the consent to messages"),
    "favourite_category": ("нет данных о любимой категории", "no data on the favourite category"),
}


def reasons(features: pd.DataFrame, p_decline: NDArray[np.float64], contributions: Contributions) -> pd.DataFrame:
    """The three strongest reasons of every customer.

    Args:
        features: Table with the feature columns, n rows.
        p_decline: Probability of every customer, n.
        contributions: Those of the model that scores.

    Returns:
        The columns of `contracts.scores.REASONS`, one row per customer, index 0…n-1: feature, contribution in log-odds and
        texts, the largest absolute contribution first, ties in the order of the features. Where a contribution is
        negligible there is no reason. Texts are categories.

    Raises:
        BadInputError: If a feature column is missing.
    """
    import numpy as np
    import pandas as pd

    frame = inputs(features).reset_index(drop=True)
    adds = contributions.of_inputs(frame, p_decline)
    phrases = [_phrases(name) for name in FEATURE_NAMES]
    starts = np.cumsum([0, *(len(p) for p in phrases[:-1])])
    flat = [phrase for own in phrases for phrase in own]
    texts = {
        language: [f"{phrase[i]}: {risk}" for phrase in flat for risk in _RISK[language]] for i, language in enumerate(LANGUAGES)
    }
    codes = np.empty(adds.shape, dtype=np.int16)
    for i, name in enumerate(FEATURE_NAMES):
        codes[:, i] = starts[i] + _variants(frame, name, contributions)
    rows, strength = np.arange(len(frame)), np.abs(adds)
    columns: dict[str, object] = {}
    for k in (1, 2, 3):
        best = strength.argmax(axis=1)  # the first of equals
        effect = adds[rows, best]
        counts = strength[rows, best] >= NEGLIGIBLE
        code = np.where(counts, 2 * codes[rows, best] + (effect > 0), -1)
        columns[f"reason_{k}"] = words(np.where(counts, best, -1), FEATURE_NAMES)
        columns[f"reason_{k}_effect"] = np.where(counts, effect, np.nan)
        columns |= {f"reason_{k}_{language}": words(code, texts[language]) for language in LANGUAGES}
        strength[rows, best] = -1
    return pd.DataFrame(columns)[[c.name for c in REASONS]]


def words(codes: NDArray[np.integer], texts: Sequence[str]) -> pd.Categorical:
    """The texts that the codes point at, none where −1, without a copy of them for every customer.

    >>> import numpy as np
    >>> words(np.array([1, -1]), ("a", "b")).tolist()
    ['b', nan]
    """
    import pandas as pd

    return pd.Categorical.from_codes(codes, pd.Index(list(texts), dtype="str"))


def _phrases(name: str) -> list[tuple[str, str]]:
    """The phrases of a feature, in the order of the numbers that `_variants` gives."""
    if name in AMOUNTS:
        return AMOUNTS[name].texts()
    return [_NO_DATA[name], _OTHERWISE[name], *VALUES[name].values()]


def _variants(frame: pd.DataFrame, name: str, contributions: Contributions) -> NDArray[np.int_]:
    """Which of its phrases holds true for every customer."""
    import numpy as np

    if name in VALUES:
        import pandas as pd

        codes, different = pd.factorize(frame[name], use_na_sentinel=True)
        places = {value: place for place, value in enumerate(VALUES[name], start=2)}
        return np.array([*(places.get(value, 1) for value in different), 0], dtype=int)[codes]
    curve = contributions[name]
    assert isinstance(curve, NumberCurve)  # noqa: S101 - for the type checker: `Contributions` has seen to it
    values = frame[name].to_numpy()
    side = np.sign(values - curve.typical)
    variant = np.where(np.isnan(side), 0, 2 + np.nan_to_num(side)).astype(int)
    if earlier := AMOUNTS[name].earlier:
        same = (side != 0) & (np.sign(values - frame[earlier.feature].to_numpy()) == side)  # never if either is empty
        variant = np.where(same, np.where(side < 0, 4, 5), variant)
    return variant
