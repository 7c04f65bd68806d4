"""Eligibility: which offers fit which customers, and why some customers can get none at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oneclick_pipeline.catalogue.messages import needed
from oneclick_pipeline.catalogue.offer import COLUMNS, AnyOf, Condition

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from oneclick_pipeline.catalogue.offer import Offer
    from oneclick_pipeline.contracts.schema import Columns
    from oneclick_pipeline.settings import Offers

    Quantiles = Mapping[tuple[str, float], float]
    Truth = NDArray[np.bool_]

REASONS = ("not_regular", "not_scored", "no_profit", "no_consent", "contact_cap", "no_offer_fits")
"""Why a customer can get no offer; the first that applies is given."""


def columns(offers: Sequence[Offer]) -> set[str]:
    """The columns on which offers, or the refusal of all of them, depend."""
    found = {"regular", "p_decline", "profit", "marketing_consent", "contacts_month"}
    for offer in offers:
        found.update(needed(offer))
        for condition in _single(offer):
            found.update(name for name in (condition.column, condition.column_value) if name is not None)
    return found


def quantiles(offers: Sequence[Offer], customers: Columns) -> Quantiles:
    """The quantiles of the regular customers that offers ask for: exact, one column at a time; NaN where nothing is known."""
    import numpy as np

    cuts: dict[tuple[str, float], float] = {}
    for offer in offers:
        for condition in _single(offer):
            if condition.quantile is not None and (condition.column, condition.quantile) not in cuts:
                values = customers[condition.column].to_numpy(dtype=float, na_value=np.nan)
                values = values[customers["regular"].to_numpy(dtype=bool, na_value=False)]
                values = values[~np.isnan(values)]
                cut = float(np.quantile(values, condition.quantile)) if len(values) else np.nan
                cuts[condition.column, condition.quantile] = cut
    return cuts


def _single(offer: Offer) -> Iterator[Condition]:
    """All conditions of an offer, those among `any` too."""
    for condition in offer.conditions:
        yield from condition.conditions if isinstance(condition, AnyOf) else (condition,)


def fits(offers: Sequence[Offer], customers: pd.DataFrame, cuts: Quantiles | None = None) -> Truth:
    """Whether each offer's conditions hold for each customer.

    A condition on an unknown value never holds, and an offer whose message needs an unknown value does not fit: no
    one gets a message with a gap. Consent, budget and so on are not checked here; see `refusal`.

    Args:
        offers: Offers, m of them.
        customers: `customer_features` with p_decline, value_at_risk and segment, n rows.
        cuts: What `quantiles` found of the month; without it, those of the regular customers among these.

    Returns:
        Truth values, (n, m).
    """
    import numpy as np

    table = _Table(customers, quantiles(offers, customers) if cuts is None else cuts)
    fitting = np.ones((len(customers), len(offers)), dtype=bool)
    for j, offer in enumerate(offers):
        for condition in offer.conditions:
            fitting[:, j] &= table.holds(condition)
        for column in needed(offer):
            fitting[:, j] &= table.known(column)
    return fitting


def refusal(customers: pd.DataFrame, fitting: Truth, settings: Offers) -> NDArray[np.object_]:
    """Why each customer can get no offer: the first of `REASONS` that is true of them, empty for customers who can get one.

    What is unknown refuses: without a known consent there is none, without a known number of contacts the cap is reached.

    Args:
        customers: `customer_features` with p_decline, value_at_risk and segment, n rows.
        fitting: What `fits` returned, (n, m).
        settings: The contact cap.

    Returns:
        Texts, (n,).
    """
    import numpy as np

    table = _Table(customers)
    with np.errstate(invalid="ignore"):  # comparisons with NaN are false
        true = (
            ~table.holds(Condition("regular", "==", value=True)),
            ~table.known("p_decline"),
            ~table.known("profit"),
            ~table.holds(Condition("marketing_consent", "==", value=True)),
            ~(table.numbers("contacts_month") < settings.contact_cap),
            ~fitting.any(axis=1),
        )
    return np.select(true, REASONS, default="").astype(object)


class _Table:
    """The customers' columns as arrays, each made once, and the truth of conditions on them."""

    def __init__(self, customers: pd.DataFrame, cuts: Quantiles | None = None) -> None:
        self._customers, self._cuts = customers, cuts or {}
        self._numbers: dict[str, NDArray[np.float64]] = {}
        self._held: dict[Condition, Truth] = {}

    def numbers(self, column: str) -> NDArray[np.float64]:
        """A column of numbers, NaN where unknown."""
        import numpy as np

        if column not in self._numbers:
            self._numbers[column] = self._customers[column].to_numpy(dtype=float, na_value=np.nan)
        return self._numbers[column]

    def known(self, column: str) -> Truth:
        """Whether each customer's value is known."""
        return self._customers[column].notna().to_numpy(dtype=bool)

    def holds(self, condition: Condition | AnyOf) -> Truth:
        """Whether a condition holds for each customer."""
        import numpy as np

        if isinstance(condition, AnyOf):
            either: Truth = np.logical_or.reduce([self.holds(c) for c in condition.conditions])
            return either
        if condition not in self._held:
            numeric = condition.column in COLUMNS and COLUMNS[condition.column].type.is_number
            self._held[condition] = self._compare(condition) if numeric else self._match(condition)
        return self._held[condition]

    def _match(self, condition: Condition) -> Truth:
        """Equality of texts, and of true and false."""
        import numpy as np

        wanted = condition.value if isinstance(condition.value, tuple) else (condition.value,)
        values = self._customers[condition.column]
        # Many customers share few texts: compare each text once.
        codes, distinct = values.factorize()
        among: Truth = np.array([value in wanted for value in distinct] + [False], dtype=bool)[
            codes
        ]  # unknown is code -1: the last
        return ~among & (codes >= 0) if condition.op == "!=" else among

    def _compare(self, condition: Condition) -> Truth:
        """Comparison of numbers; NaN on either side never holds."""
        import numpy as np

        left = self.numbers(condition.column)
        if condition.op == "in":
            return np.isin(left, np.array(condition.value, dtype=float))
        compare: Callable[[NDArray[np.float64], float | NDArray[np.float64]], Truth] = {
            ">=": np.greater_equal,
            ">": np.greater,
            "<=": np.less_equal,
            "<": np.less,
            "==": np.equal,
            "!=": np.not_equal,
        }[condition.op]
        right = self._right(condition)
        with np.errstate(invalid="ignore"):
            held = compare(left, right)
        return held & ~np.isnan(left) & ~np.isnan(right) if condition.op == "!=" else held

    def _right(self, condition: Condition) -> float | NDArray[np.float64]:
        """What a number is compared with."""
        if condition.column_value is not None:
            return self.numbers(condition.column_value)
        if condition.quantile is None:
            return float(condition.value)  # type: ignore[arg-type] # the catalogue lets numbers only be compared with numbers
        return self._cuts[condition.column, condition.quantile]
