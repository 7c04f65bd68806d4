"""A year under one policy, month by month."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

import numpy as np
import pandas as pd

from oneclick_pipeline.catalogue.eligibility import fits, refusal
from oneclick_pipeline.catalogue.reader import Catalogue
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.home.months import add_months, check_month
from oneclick_pipeline.home.paths import raw_folder
from oneclick_pipeline.segments import customer_segments, thresholds
from oneclick_pipeline.settings import Settings
from oneclick_pipeline.simulator.twin.life import HORIZON
from oneclick_pipeline.simulator.twin.panel import Panel
from oneclick_pipeline.simulator.twin.profile import Profile
from oneclick_pipeline.simulator.twin.worlds import check_world, true_effects
from oneclick_pipeline.simulator.year.worth import REVENUES, SEEN, monthly_profit

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy.typing as npt

    from oneclick_pipeline.catalogue.offer import Offer
    from oneclick_pipeline.simulator.twin.column import Floats

    Choice = npt.NDArray[np.int64]
    Flags = npt.NDArray[np.bool_]

_ROUNDING = 1e-9


@dataclass(frozen=True)
class Year:
    """What all policies of a comparison have in common.

    Attributes:
        profile: The store.
        catalogue: Its offers.
        settings: Budget, consent, caps, worth.
        customers: How many in the first month.
        months: How many with offers.
        first: First snapshot month with offers, YYYY-MM.
        seed: Same seed, same luck.
        history: Months without offers that the store has lived before it, the same for all policies.
        world: What offers truly do, by the name of a world of `twin.worlds`.
    """

    profile: Profile
    catalogue: Catalogue
    settings: Settings
    customers: int
    months: int
    first: str
    seed: int
    history: int = 0
    world: str = "twin"

    @property
    def span(self) -> int:
        """Months that are accounted for: those with offers, and the horizon after the last of them."""
        return self.months + HORIZON

    @property
    def last(self) -> str:
        """Last month with offers."""
        return add_months(self.first, self.months - 1)

    def open(self) -> Panel:
        """The store in the first month of its history."""
        return Panel.open(self.profile, customers=self.customers, seed=self.seed, month=add_months(self.first, -self.history))


def open_year(home: Path, *, customers: int, months: int, first: str, seed: int, history: int = 0, world: str = "twin") -> Year:
    """A year with the catalogue and the settings of a home.

    Raises:
        BadInputError: If the first month is none, a month is there already, there is no such world, or settings or catalogue
            cannot be used.
    """
    offers, settings = Catalogue.load(home), Settings.load(home)
    year = Year(Profile.load(), offers, settings, customers, months, check_month(first), seed, history, check_world(world))
    for step in range(-history, months):
        folder = raw_folder(home, add_months(first, step))
        if folder.exists():
            raise BadInputError("this month exists already", file=str(folder), remedy="give another --home or another --from")
    return year


@dataclass(frozen=True)
class Situation:
    """A month in which offers are to be chosen.

    Attributes:
        year: See `Year`.
        panel: The store; not to be advanced.
        step: Months since the first with offers; below 0 before it.
        customers: What the store knows of its n customers, in the order of `Panel.snapshot`; p_decline is the truth, so
            a policy that uses it has the best score there can be.
        offers: Offers that may be sent this month, m of them.
    """

    year: Year
    panel: Panel
    step: int
    customers: pd.DataFrame
    offers: tuple[Offer, ...]

    @property
    def month(self) -> str:
        """Snapshot month."""
        return self.panel.month

    @property
    def months_after(self) -> int:
        """Months after this one that are still accounted for."""
        return self.year.span - 1 - self.step

    @cached_property
    def effects(self) -> Floats:
        """The true effects, shape (n, m): only an oracle may look."""
        return true_effects(self.year.world, self.offers, self.customers, self.fitting, self.year.seed)

    @cached_property
    def fitting(self) -> Flags:
        """Whom each offer fits, by the true score; shape (n, m)."""
        return fits(self.offers, self.customers)

    @cached_property
    def may_get(self) -> Flags:
        """Which customers may get which offer: consent, regular, contact cap, conditions by the true score; shape (n, m)."""
        allowed: Flags = self.fitting & (refusal(self.customers, self.fitting, self.year.settings.offers) == "")[:, None]
        return allowed

    @cached_property
    def may_contact(self) -> Flags:
        """Which customers may get an offer at all, shape (n,): whether one fits may depend on a policy's own score."""
        anything = np.ones((len(self.customers), 1), dtype=bool)
        return np.asarray(refusal(self.customers, anything, self.year.settings.offers) == "")

    @property
    def budget(self) -> float:
        """What the month's offers may cost together, finance units."""
        return self.year.settings.offers.budget_of(len(self.customers))

    @property
    def cost(self) -> Floats:
        """Cost of each offer, finance units, shape (m,)."""
        return np.array([offer.cost for offer in self.offers])

    @property
    def capacity(self) -> Floats:
        """How many may get each offer, shape (m,); infinite where nothing limits it."""
        return np.array([np.inf if offer.capacity is None else offer.capacity for offer in self.offers])


class Policy(Protocol):
    """Who gets what: one offer number per customer, -1 for none, shape (n,)."""

    def __call__(self, now: Situation) -> Choice:
        """Choose the month's offers."""
        ...


@dataclass(frozen=True)
class Play:
    """A year under one policy.

    Attributes:
        months: One row per month that is accounted for: month, customers, profit (finance units, of the month itself),
            p_decline and p_treated (means, without and with the month's offers), declined (share of customers who
            decline in the three months after), offers, cost, saved (declines less that the month's offers bring,
            expected).
        sent: One row per offer that was sent: month, customer_id, offer_id, effect (true), cost, and `worth.SEEN` of the
            customer.
    """

    months: pd.DataFrame
    sent: pd.DataFrame

    def profit(self) -> float:
        """Profit of all months less the cost of the offers."""
        return float(self.months["profit"].sum() - self.months["cost"].sum())


def play(
    year: Year,
    policy: Policy,
    progress: Callable[[str], None] | None = None,
    watch: Callable[[Situation], None] | None = None,
) -> Play:
    """Play a year under a policy.

    Args:
        year: The store and its rules.
        policy: Who gets what.
        progress: Called with every month when it is over.
        watch: Called in every month of the history, in which nothing is offered.

    Raises:
        ValueError: If the policy sends what it may not: to whom it does not fit or who has not consented, over budget
            or over a capacity.
    """
    panel = year.open()
    months, sent = [], []
    for step in range(-year.history, year.span):
        snapshot = panel.snapshot()
        if step < 0:
            if watch is not None:
                watch(Situation(year, panel, step, scored(snapshot, year.settings), ()))
            panel.advance()
            continue
        month = {"month": panel.month, "customers": len(snapshot), "profit": monthly_profit(snapshot).sum()}
        effect = np.zeros(len(snapshot))
        if step < year.months:
            offers = year.catalogue.valid_in(panel.month)
            now = Situation(year, panel, step, scored(snapshot, year.settings), offers)
            given = _given(now, policy(now))
            effect[given["row"]] = given["effect"]
            sent.append(given.drop(columns="row"))
        outcome = panel.advance(effect)
        month |= {f"{name}": float(outcome[name].mean()) for name in ("p_decline", "p_treated")}
        month |= {"declined": float(outcome["declines"].mean())}
        month |= {"saved": float((outcome["p_decline"] - outcome["p_treated"]).sum())}
        month |= {"offers": len(given) if step < year.months else 0, "cost": given["cost"].sum() if step < year.months else 0.0}
        months.append(month)
        if progress is not None:
            progress(str(month["month"]))
    return Play(pd.DataFrame(months), pd.concat(sent, ignore_index=True))


def scored(snapshot: pd.DataFrame, settings: Settings) -> pd.DataFrame:
    """A snapshot with what the stages add to it, by a score that is true: regular, value_at_risk, segment, model_version."""
    profit = snapshot["profit"].to_numpy(dtype=float)
    customers = snapshot.assign(
        regular=(snapshot[REVENUES] > 0).all(axis=1),
        value_at_risk=snapshot["p_decline"] * np.maximum(profit, 0) * settings.value.horizon_months,
        model_version=1,
    )
    segments = customer_segments(customers, thresholds(customers, settings.segments))
    return customers.assign(segment=segments["segment"].to_numpy())


def _given(now: Situation, choice: Choice) -> pd.DataFrame:
    """What a choice sends, one row per offer, once it has been checked to be allowed."""
    row = np.flatnonzero(choice >= 0)
    offer = choice[row]
    cost = now.cost[offer]
    if not now.may_contact[row].all():
        raise ValueError(f"{now.month}: an offer was sent to a customer who may not get it")
    if cost.sum() > now.budget * (1 + _ROUNDING) or (np.bincount(offer, minlength=len(now.offers)) > now.capacity).any():
        raise ValueError(f"{now.month}: offers were sent beyond the budget or a capacity")
    return pd.DataFrame(
        {
            "row": row,
            "month": now.month,
            "customer_id": now.customers["customer_id"].to_numpy()[row],
            "offer_id": np.array([o.id for o in now.offers], dtype=object)[offer],
            "effect": now.effects[row, offer],
            "cost": cost,
            **{name: now.customers[name].to_numpy()[row] for name in SEEN},
        }
    )
