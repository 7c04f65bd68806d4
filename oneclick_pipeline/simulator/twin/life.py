"""How customers live from one month to the next: who they are, what they do, what they pay.

Three things make a customer's month. *Behaviour*: latent normals that persist (`PERSISTENCE`) go through the copula
of one of the profile's classes; which one, persists as well (`fading`), so that a month looks like the profile's and
a year like one person's. *Truth*: what the store sees of the behaviour and of the revenue gives P(decline), and the
class of the next three months is drawn with it. *Revenue*: the class says how much the three months will bring.

Every month a horizon begins, so three run at a time. Each promises a sum: `FALL` of what the three months before it
brought where the customer declines; else what they brought, and a part (`BACK`) of what is missing to the customer's
usual month. A month brings the mean of what the running horizons still have to get a month, and some noise. So a
horizon keeps its promise however the ones before and after it were drawn, as far as they leave room; a decline that
goes on takes a customer lower every quarter, and one that ends lets them come back.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

import numpy as np

from oneclick_pipeline.simulator.twin.draw import behave
from oneclick_pipeline.simulator.twin.profile import COLUMN_NAMES

if TYPE_CHECKING:
    import numpy.typing as npt

    from oneclick_pipeline.simulator.twin.column import Codes, Floats
    from oneclick_pipeline.simulator.twin.profile import Profile

    Flags = npt.NDArray[np.bool_]

HORIZON = 3
"""Months after a snapshot that its class is about."""
FADING_PERSISTENCE = 0.75
"""Correlation from month to month of looking like a decliner: such a spell lasts six months on average."""
PERSISTENCE = {"contacts_month": 0.6, "categories_per_visit": 0.6, "service_errors": 0.6, "minutes_m0": 0.6}
"""Correlation from month to month of the latent normals of what is counted within a month, by column."""
SLOW = 0.95
"""The same of all other columns: means over several months, habits, margins."""
CARRIED = ("tenure_days", "revenue_m0", "revenue_m1", "revenue_m2", "minutes_m1")
"""Columns that follow from the months before, not from the copula."""
STATIC = ("service_level", "marketing_consent", "favourite_category")
REDRAWN = 0.02
"""Chance per month that a static column is set again; most such draws give what was there."""
FALL = 0.8
BACK = 0.5
NOISE = 0.05
"""Standard deviation of the logarithm of a month's revenue."""
USUAL = 1.2
"""A usual month over the profile's revenue_m2: declines are below it, so the mean over all months is near the profile's."""
LEAST = 0.15
"""Smallest month of a customer who is there, as a share of a usual one."""
LEAVE = 0.1
"""Chance per month that a customer who declines in every running horizon leaves permanently."""
JOIN = 0.0165
"""Customers that join a month, as a share of those at the beginning: about as many as leave if no one is treated."""

_AT = {name: place for place, name in enumerate(COLUMN_NAMES)}
_STATIC = [_AT[name] for name in STATIC]
_RHO = np.array([PERSISTENCE.get(name, SLOW) for name in COLUMN_NAMES])
_MONTHS_KEPT = 2 * HORIZON - 1


def uncoupled(profile: Profile) -> Profile:
    """The profile of a panel: `CARRIED` columns are independent of all others within a class.

    Their dependence is that of the panel's own months (revenue_m0 becomes revenue_m1), not that of the copula, and
    evidence of a dependence that is not there would be noise: with it a logistic regression of 5,000 customers is 0.06
    below the truth's ROC-AUC, without it 0.02 (*measured*), as in the store.
    """
    free = np.array([name not in CARRIED for name in COLUMN_NAMES])
    kept = np.outer(free, free) | np.eye(len(free), dtype=bool)
    stable, declined = (
        tuple(map(tuple, np.where(kept, matrix, 0.0).tolist()))
        for matrix in (profile.correlation_stable, profile.correlation_declined)
    )
    return replace(profile, correlation_stable=stable, correlation_declined=declined)


class _Rows:
    """A table as arrays of equal length, one row per customer."""

    def rows(self, which: npt.NDArray[np.bool_ | np.int64]) -> dict[str, npt.NDArray]:
        """The arrays of some rows, by name."""
        return {field.name: getattr(self, field.name)[which] for field in fields(self)}  # type: ignore[arg-type]


@dataclass(frozen=True)
class Luck(_Rows):
    """A month's random numbers of customers. They depend on nothing but seed, month and customer.

    So the same store under two policies has the same luck, and what differs is what the policies did.

    Attributes:
        normal: News of the latent normals, shape (rows, 17).
        noise: Standard normal: the month's revenue.
        fading: Uniform, like all that follow: whether they look like a decliner from now on.
        redrawn: Whether a static column is set again, shape (rows, 3).
        declines: The class of the coming horizon.
        leaves: Whether they leave after the month.
        day: Day of the month on which they join, as a share of it.
    """

    normal: Floats
    noise: Floats
    fading: Floats
    redrawn: Floats
    declines: Floats
    leaves: Floats
    day: Floats

    @classmethod
    def draw(cls, rng: np.random.Generator, customers: int) -> Luck:
        """The luck of the first `customers` customers that the store ever has."""
        normal, noise = rng.standard_normal((customers, len(COLUMN_NAMES))), rng.standard_normal(customers)
        redrawn = rng.random((customers, len(STATIC)))
        fading, declines, leaves, day = rng.random((4, customers))
        return cls(normal, noise, fading, redrawn, declines, leaves, day)

    def of(self, numbers: npt.NDArray[np.int64]) -> Luck:
        """The luck of the customers with these numbers."""
        return Luck(**self.rows(numbers))


@dataclass(frozen=True)
class Customers(_Rows):
    """The customers of a month; rows are in the order in which they joined.

    Attributes:
        number: How many customers the store had before them; never given twice.
        latent: Independent normals behind the behaviour, shape (rows, 17).
        fading: Whether they behave like the declined class of the profile.
        codes: What the store sees: codes of the profile's columns, shape (rows, 17).
        usual: Their usual month, roubles.
        revenue: Roubles in the last five months, the newest first, shape (rows, 5); 0 before they joined.
        classes: Class drawn 1, 2, 3 months ago (1 declined), shape (rows, 3); -1 before they joined.
    """

    number: npt.NDArray[np.int64]
    latent: Floats
    fading: Flags
    codes: Codes
    usual: Floats
    revenue: Floats
    classes: npt.NDArray[np.int8]

    def only(self, which: Flags) -> Customers:
        """Some of the customers."""
        return Customers(**self.rows(which))

    def and_also(self, others: Customers) -> Customers:
        """These customers, then the others."""
        return Customers(
            **{field.name: np.concatenate([getattr(self, field.name), getattr(others, field.name)]) for field in fields(self)}
        )


def newcomers(profile: Profile, numbers: npt.NDArray[np.int64], luck: Luck, days: int) -> Customers:
    """Customers in their first month: no revenue before it, registered on any of its days."""
    fading = luck.fading < _share(profile)
    codes = behave(profile, fading, luck.normal)
    usual = _usual(profile, codes)
    revenue = np.zeros((len(numbers), _MONTHS_KEPT))
    revenue[:, 0] = _paid(profile, usual, usual, luck)
    codes[:, _AT["tenure_days"]] = (luck.day * days).astype(np.int32) * profile.columns[_AT["tenure_days"]].per_unit
    codes[:, _AT["minutes_m1"]] = 0
    _show_money(profile, codes, usual, revenue)
    return Customers(numbers, luck.normal, fading, codes, usual, revenue, np.full((len(numbers), HORIZON), -1, dtype=np.int8))


def founders(profile: Profile, customers: int, luck: Luck) -> Customers:
    """Customers as the profile knows them, who have paid their usual month for long and are in no horizon."""
    fading = luck.fading < _share(profile)
    codes = behave(profile, fading, luck.normal)
    usual = _usual(profile, codes)
    revenue = np.repeat(usual[:, None], _MONTHS_KEPT, axis=1)
    _show_money(profile, codes, usual, revenue)
    classes = np.full((customers, HORIZON), -1, dtype=np.int8)
    return Customers(np.arange(customers), luck.normal, fading, codes, usual, revenue, classes)


def next_month(profile: Profile, before: Customers, luck: Luck, days: int) -> Customers:
    """The same customers a month later, `days` days after."""
    latent = _RHO * before.latent + np.sqrt(1 - _RHO**2) * luck.normal
    fading = luck.fading < _share(profile) * (1 - FADING_PERSISTENCE) + FADING_PERSISTENCE * before.fading
    codes = behave(profile, fading, latent)
    codes[:, _STATIC] = np.where(luck.redrawn < REDRAWN, codes[:, _STATIC], before.codes[:, _STATIC])
    tenure, minutes = _AT["tenure_days"], profile.columns[_AT["minutes_m0"]].per_unit
    codes[:, tenure] = before.codes[:, tenure] + days * profile.columns[tenure].per_unit
    codes[:, _AT["minutes_m1"]] = _recoded(profile, "minutes_m1", before.codes[:, _AT["minutes_m0"]] / float(minutes))
    usual = _usual(profile, codes)
    paid = _paid(profile, expected_revenue(before.revenue, before.classes, usual), usual, luck)
    revenue = np.column_stack([paid, before.revenue[:, :-1]])
    _show_money(profile, codes, usual, revenue)
    return Customers(before.number, latent, fading, codes, usual, revenue, before.classes)


def expected_revenue(revenue: Floats, classes: npt.NDArray[np.int8], usual: Floats) -> Floats:
    """What the month after `revenue` brings before noise, roubles, shape (rows,); see the head of this module.

    Args:
        revenue: Last five months, the newest first, shape (rows, 5); 0 before a customer joined.
        classes: Class drawn 1, 2, 3 months ago, shape (rows, 3); who had none then, owes a usual month.
        usual: Usual month, shape (rows,).

    >>> always = np.full((3, 5), 1000.0)
    >>> classes = np.array([[1, 1, 1], [0, 0, 0], [-1, -1, -1]], dtype=np.int8)
    >>> expected_revenue(always, classes, np.array([1000.0, 1200.0, 1200.0])).round().tolist()
    [633.0, 1183.0, 1200.0]
    """
    owed: Floats = np.zeros(len(revenue))
    for gone in range(HORIZON):  # months that the horizon has behind it
        before = revenue[:, gone : gone + HORIZON]
        mean = before.sum(axis=1) / np.maximum((before > 0).sum(axis=1), 1)
        promised = np.where(classes[:, gone] == 1, FALL * mean, mean + BACK * np.maximum(usual - mean, 0))
        month = (HORIZON * promised - revenue[:, :gone].sum(axis=1)) / (HORIZON - gone)
        owed += np.where(classes[:, gone] < 0, usual, np.clip(month, LEAST * usual, 2 * usual))
    return owed / HORIZON


def _share(profile: Profile) -> float:
    """Share of customers who behave like the declined class of the profile."""
    return profile.decline_share * (1 - profile.look_active)


def _usual(profile: Profile, codes: Codes) -> Floats:
    """The usual month behind freshly drawn codes: revenue_m2 is the narrowest of the profile's revenues."""
    place = _AT["revenue_m2"]
    usual: Floats = codes[:, place].astype(np.float64) * (USUAL / profile.columns[place].per_unit)
    return usual


def _paid(profile: Profile, expected: Floats, usual: Floats, luck: Luck) -> Floats:
    """The month's revenue, rounded as the store does."""
    unit = profile.columns[_AT["revenue_m0"]].per_unit
    paid = np.maximum(expected, LEAST * usual) * np.exp(NOISE * luck.noise - NOISE**2 / 2)
    rounded: Floats = np.rint(paid * unit) / float(unit)
    return rounded


def _show_money(profile: Profile, codes: Codes, usual: Floats, revenue: Floats) -> None:
    """Put the months' revenues into the codes, and the profit: margin of a usual month x mean of the three months."""
    for month in range(HORIZON):
        codes[:, _AT[f"revenue_m{month}"]] = _recoded(profile, f"revenue_m{month}", revenue[:, month])
    level = revenue[:, :HORIZON].mean(axis=1) / (usual / USUAL)
    codes[:, _AT["profit"]] = np.rint(codes[:, _AT["profit"]] * level).astype(np.int32)


def _recoded(profile: Profile, name: str, values: Floats) -> Codes:
    """Codes of a column as `ColumnProfile.encode` gives them."""
    codes: Codes = np.rint(values * profile.columns[_AT[name]].per_unit).astype(np.int32)
    return codes
