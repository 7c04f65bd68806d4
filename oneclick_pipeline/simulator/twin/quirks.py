"""Everything that is wrong with the store's export, in one place; each quirk can be switched off.

The shares and orders were counted in the real export of 1,300 customers (DESIGN, section 3).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.simulator.twin.draw import draw_activity, draw_codes
from oneclick_pipeline.simulator.twin.profile import COLUMN_NAMES

if TYPE_CHECKING:
    import numpy.typing as npt

    from oneclick_pipeline.simulator.twin.column import Codes
    from oneclick_pipeline.simulator.twin.profile import Profile

MISSPELT_STANDARD = "стандартт"
MISSPELT_CATEGORY = {"Косметика и аксессуары": "Косметика и аксесуары"}
MISSPELT_PERIOD = {"предыдущий_месяц": "предыдцщий_месяц"}

BLOCKS = ((1, 0.820), (0, 0.058), (1, 0.094), (0, 0.066), (1, 0.086), (0, 0.876))
"""The file in runs of one class: class (1 declined) and share of the class that is in the run."""

REVENUE_ORDERS = ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0))
"""Orders in which a customer's three revenue rows may appear; 0 is the snapshot month."""
REVENUE_ORDER_SHARES = ((0.139, 0.204, 0.177, 0.140, 0.128, 0.212), (0.050, 0.287, 0.303, 0.052, 0.042, 0.266))
"""How often, by class (stable, declined): the order gives the class away."""
MINUTES_ORDERS = ((0, 1), (1, 0))
MINUTES_ORDER_SHARES = ((0.493, 0.507), (0.540, 0.460))

_LARGEST_SHARE = 0.25
_FEWEST_PER_ERROR = 10


@dataclass(frozen=True)
class Quirks:
    """What goes wrong between the store and its export.

    Attributes:
        non_regular: Share of customers with no revenue in the two months before the snapshot.
        copies: Share of customers that are others under a new id: all features and the activity, not the profit.
        misspelt_standard: Share of «стандарт» written «стандартт».
        misspelt_period: Whether market_time writes «предыдцщий_месяц».
        misspelt_category: Whether «Косметика и аксессуары» loses a letter.
        customers_per_error: One revenue of the snapshot month in so many customers, and always at least one, is
            an error; 0 for none.
        wrong_revenue: That error, in roubles.
        sorted_by_label: Whether the file is ordered in `BLOCKS`, so that id and row order give the class away.
        leaking_periods: Whether the order of a customer's rows in the long files depends on the class.
        first_id: Id of the first row; ids grow by one.
    """

    non_regular: float = 3 / 1300
    copies: float = 0.021
    misspelt_standard: float = 0.005
    misspelt_period: bool = True
    misspelt_category: bool = True
    customers_per_error: int = 1300
    wrong_revenue: float = 106862.2
    sorted_by_label: bool = True
    leaking_periods: bool = True
    first_id: int = 215_348

    def __post_init__(self) -> None:
        """Refuse shares that leave too few customers untouched."""
        for name in ("non_regular", "copies", "misspelt_standard"):
            share = getattr(self, name)
            if not 0 <= share <= _LARGEST_SHARE:
                raise BadInputError(
                    f"quirk {name} must lie between 0 and {_LARGEST_SHARE}", value=str(share), remedy="choose a smaller share"
                )
        if self.customers_per_error < 0 or 0 < self.customers_per_error < _FEWEST_PER_ERROR:
            raise BadInputError(
                f"quirk customers_per_error must be 0 or at least {_FEWEST_PER_ERROR}",
                value=str(self.customers_per_error),
                remedy="choose 0 for none",
            )

    def errors(self, customers: int) -> int:
        """Wrong revenues among the first `customers` customers.

        >>> [Quirks().errors(n) for n in (0, 10, 1300, 1950, 2600)]
        [0, 1, 1, 1, 2]
        """
        if not customers or not self.customers_per_error:
            return 0
        return max(1, customers // self.customers_per_error)


def draw_export(
    profile: Profile, start: int, stop: int, rng: np.random.Generator, quirks: Quirks
) -> tuple[Codes, dict[str, Codes]]:
    """Customers `start` to `stop` of an export: their codes, shape (rows, 17), and their marks.

    Marks are what is true of a customer besides the codes: truth, declined, revenue_order, minutes_order, misspelt, wrong,
    block. Truth (in millionths) and class are drawn after the revenues of non-regular customers are struck out, so the
    truth is right for what the export shows; only of a wrong revenue it does not know. No customer has two of the
    quirks non-regular, copy, copied, wrong revenue.
    """
    rows = stop - start
    codes = draw_codes(profile, rows, rng)
    hit = rng.permutation(rows)
    sizes = [_quota(quirks.copies, start, stop)] * 2 + [
        _quota(quirks.non_regular, start, stop),
        quirks.errors(stop) - quirks.errors(start),
    ]
    copies, copied, non_regular, wrong = np.split(hit, np.cumsum(sizes))[:4]
    for name in ("revenue_m1", "revenue_m2"):
        codes[non_regular, COLUMN_NAMES.index(name)] = 0
    truth = draw_activity(profile, codes, rng)
    copies, copied = copies[: len(copied)], copied[: len(copies)]
    codes[copies, :-1], truth[copies] = codes[copied, :-1], truth[copied]  # the last column is the profit
    declined = truth[:, 1]
    marks = {
        "truth": truth[:, 0],
        "declined": declined,
        "wrong": np.isin(np.arange(rows), wrong).astype(np.int32),
        **draw_disorder(declined, rng, quirks),
    }
    return codes, marks


def draw_disorder(declined: Codes, rng: np.random.Generator, quirks: Quirks) -> dict[str, Codes]:
    """The marks of customers' lines: the order of their periods, misspellings, the block they are in.

    Args:
        declined: Class of each customer, 1 declined, 0 stable, shape (rows,). Negative where there is none yet: they
            are ordered like stable ones and come after all blocks.
        rng: Random stream.
        quirks: What is wrong with the export.
    """
    rows = len(declined)
    disorder = {
        "revenue_order": _by_class(REVENUE_ORDER_SHARES, declined, rng, leaking=quirks.leaking_periods),
        "minutes_order": _by_class(MINUTES_ORDER_SHARES, declined, rng, leaking=quirks.leaking_periods),
        "misspelt": (rng.random(rows) < quirks.misspelt_standard).astype(np.int32),
        "block": _blocks(declined, rng) if quirks.sorted_by_label else np.zeros(rows, dtype=np.int32),
    }
    if quirks.sorted_by_label:
        disorder["block"][declined < 0] = len(BLOCKS)
    return disorder


def _quota(share: float, start: int, stop: int) -> int:
    """How many of the customers `start` to `stop` are hit: over all chunks together the share, rounded.

    >>> _quota(0.5, 0, 3) + _quota(0.5, 3, 6)
    3
    """
    return int(share * stop + 0.5) - int(share * start + 0.5)


def _by_class(shares: tuple[tuple[float, ...], ...], declined: Codes, rng: np.random.Generator, *, leaking: bool) -> Codes:
    """A choice for every customer, with the shares of their class; with those of the stable where nothing leaks."""
    edges = [np.cumsum(share)[:-1] / np.sum(share) for share in shares]
    uniform = rng.random(len(declined))
    stable, other = (np.searchsorted(edge, uniform, side="right") for edge in edges)
    choice: Codes = (np.where(declined == 1, other, stable) if leaking else stable).astype(np.int32)
    return choice


def _blocks(declined: Codes, rng: np.random.Generator) -> Codes:
    """The run of `BLOCKS` in which each customer is, one of those of their class."""
    numbers: list[npt.NDArray[np.int32]] = [
        np.array([n for n, (label, _) in enumerate(BLOCKS) if label == c], dtype=np.int32) for c in (0, 1)
    ]
    shares = tuple(tuple(share for label, share in BLOCKS if label == c) for c in (0, 1))
    place = _by_class(shares, declined, rng, leaking=True)
    return np.where(declined == 1, numbers[1][place], numbers[0][place])
