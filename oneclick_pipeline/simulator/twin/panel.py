"""A store over many months: customers who persist, decline, leave and join, with known truth in every month."""

from __future__ import annotations

from calendar import monthrange
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from oneclick_pipeline.contracts.customers import FEATURE_NAMES
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.home.months import check_month
from oneclick_pipeline.home.paths import raw_folder, truth_file
from oneclick_pipeline.simulator.twin import life
from oneclick_pipeline.simulator.twin.export import decoded, export_tables
from oneclick_pipeline.simulator.twin.month import whole
from oneclick_pipeline.simulator.twin.quirks import Quirks, draw_disorder
from oneclick_pipeline.simulator.twin.truth import probability_of_codes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy.typing as npt
    import pandas as pd

    from oneclick_pipeline.simulator.twin.column import Codes, Floats
    from oneclick_pipeline.simulator.twin.profile import Profile

BURN_IN = 12
"""Months that pass before the first one, so that it has classes and revenues that have found their level."""

PERSISTENT = Quirks(non_regular=0.0, copies=0.0, customers_per_error=0)
"""What is wrong with the exports of a panel: everything but copies and wrong revenues, which would contradict the
months around them. Who has just joined has not bought in all three months: so none need be made non-regular."""

_LIFE, _EXPORT = 0, 1  # random streams of a month: writing an export changes no customer's life


class Panel:
    """A store at one month, in memory; `advance` takes it to the next.

    Snapshot *t* shows features x_t. The class of the three months after it, D_t, is drawn with
    P(decline | x_t) = `probability_of_codes(profile, x_t)` plus the effect of what was done to the customer in month *t*, and
    appears in snapshot *t+3* as the activity. A customer who leaves has declined in every horizon still running, so that "in
    no file any more" means declined without exception.

    All luck depends on seed, month and customer alone: run twice with other effects, the store has the same customers
    joining, the same news and the same draws. An effect changes the class of the customers it is meant for and
    whatever follows from that for them (revenue, profit, later probabilities, leaving), no one else.

    Attributes:
        profile: The store, as `life.uncoupled` makes it; the truth is `probability` of this profile.
        month: Snapshot month, YYYY-MM.
    """

    def __init__(self, profile: Profile, *, customers: int, seed: int, month: str, quirks: Quirks) -> None:
        self.profile = life.uncoupled(profile)
        self.month = month
        self._quirks = quirks
        self._seed, self._size, self._step = seed, customers, 0
        self._luck = self._draw_luck()
        self._customers = life.founders(self.profile, customers, self._luck)

    @classmethod
    def open(cls, profile: Profile, *, customers: int, seed: int, month: str, quirks: Quirks = PERSISTENT) -> Panel:
        """A store of `customers` customers in `month`, all of them there for at least three months.

        Args:
            profile: The store.
            customers: How many in the first month; about as many join as leave. 200,000 take 0.5 GB.
            seed: Same seed and size, and same effects: same store in every month.
            month: First snapshot month, YYYY-MM.
            quirks: What is wrong with its exports.

        Raises:
            BadInputError: If there are no customers, the seed is negative, the month is none, or the quirks have
                copies, wrong revenues or customers who are not regular.
        """
        if customers < 1:
            raise BadInputError("the twin needs at least one customer", value=str(customers), remedy="ask for 1 or more")
        if seed < 0:
            raise BadInputError("a seed must not be negative", value=str(seed), remedy="give 0 or a positive integer")
        if quirks.copies or quirks.non_regular or quirks.customers_per_error:
            raise BadInputError(
                "customers of a panel persist: they cannot be copies, wrong in a single month, or non-regular by chance",
                remedy="set the quirks copies, non_regular and customers_per_error to 0",
            )
        panel = cls(profile, customers=customers, seed=seed, month=check_month(month), quirks=quirks)
        for _ in range(BURN_IN):
            panel._prepare()
        return panel

    def snapshot(self) -> pd.DataFrame:
        """The customers of the month as the store knows them, and the truth.

        Returns:
            One row per customer, in the order in which they joined: customer_id, the columns of `contracts.customers.FEATURES`,
            profit, activity (declined, stable, or missing for who was not there three months ago), and p_decline, the
            probability that they decline in the next three months if nothing is done.
        """
        import pandas as pd

        codes = self._customers.codes
        columns = {c.name: c.decode(codes[:, k]) for k, c in enumerate(self.profile.columns)} | self._revenues
        names = np.array(["stable", "declined", None], dtype=object)
        return pd.DataFrame(
            {"customer_id": self._ids}
            | {name: columns[name] for name in (*FEATURE_NAMES, "profit")}
            | {"activity": pd.Series(names[self._activity], dtype="str"), "p_decline": self._p_decline}
        )

    def write(self, folder: Path, *, truth: Path | None = None, overwrite: bool = False) -> None:
        """Write the month's four files into `folder`, as the store would export them.

        Args:
            folder: Folder of the month, for example HOME/raw/2026-10; it appears whole or not at all.
            truth: Parquet file for the known truth, none is written without it: customer_id, p_decline, declines
                (the class shown in the snapshot three months later if no one is treated), activity (the class
                shown in this one).
            overwrite: Whether an existing month is replaced.

        Raises:
            BadInputError: If the month exists and `overwrite` is false, or `truth` is in `folder`.
        """
        with whole(folder, truth, overwrite=overwrite) as (out, truth_out):
            table = self._table()
            for name, (rows, style) in export_tables(table, self._quirks).items():
                rows.write_csv(out / f"{name}.csv", **style)
            known = self.snapshot()[["customer_id", "p_decline", "activity"]]
            known.insert(2, "declines", self._luck_of_all.declines < self._p_decline)
            known.to_parquet(truth_out, index=False)

    def advance(self, effect: npt.ArrayLike | None = None) -> pd.DataFrame:
        """Let the month's offers act, draw the class of everyone's next three months, and go on to the next month.

        Args:
            effect: Change of every customer's P(decline) by what is done to them this month, one number per row of
                `snapshot`, negative where it helps; by default nothing is done. The sum is cut to 0…1.

        Returns:
            One row per row of `snapshot`: customer_id, p_decline (untreated), p_treated, declines_untreated (the class
            without the effect, by the same luck), declines (the class that is drawn, and appears in snapshot t+3),
            leaves (this was the customer's last snapshot).

        Raises:
            BadInputError: If there is not one finite number per customer.
        """
        import pandas as pd

        p = self._p_decline
        change = np.zeros(len(p)) if effect is None else np.asarray(effect, dtype=float)
        if change.shape != p.shape or not np.isfinite(change).all():
            raise BadInputError(
                f"the effect must be one finite number per customer, {len(p)} in all",
                value=f"shape {change.shape}",
                remedy="give the effects in the order of snapshot(), 0 for customers who are not treated",
            )
        treated, uniform = np.clip(p + change, 0, 1), self._luck_of_all.declines
        outcome = pd.DataFrame(
            {
                "customer_id": self._ids,
                "p_decline": p,
                "p_treated": treated,
                "declines_untreated": uniform < p,
                "declines": uniform < treated,
            }
        )
        declined = self._with_class(uniform < treated)
        outcome["leaves"] = self._leaving(declined)
        self._move(declined.only(~outcome["leaves"].to_numpy()), joining=True)
        return outcome

    @cached_property
    def _p_decline(self) -> Floats:
        return probability_of_codes(self.profile, self._customers.codes)

    @cached_property
    def _luck_of_all(self) -> life.Luck:
        """Luck of the customers who are there, by row."""
        return self._luck.of(self._customers.number)

    @property
    def _ids(self) -> npt.NDArray[np.int64]:
        return self._quirks.first_id + self._customers.number

    @property
    def _activity(self) -> npt.NDArray[np.int8]:
        """Class that the store knows: the one that was drawn three months ago; -1 for none."""
        return self._customers.classes[:, life.HORIZON - 1]

    @property
    def _revenues(self) -> dict[str, Floats]:
        """Revenues to the kopeck that was paid: the profile's codes of earlier months may be coarser."""
        return {f"revenue_m{month}": self._customers.revenue[:, month] for month in range(life.HORIZON)}

    def _joined_by(self, step: int) -> int:
        """Customers that the store has ever had by a step: what is done to some changes nothing in who joins."""
        return self._size + int(life.JOIN * self._size * max(step - BURN_IN, 0) + 0.5)

    def _stream(self, purpose: int) -> np.random.Generator:
        return np.random.Generator(np.random.PCG64(np.random.SeedSequence(self._seed, spawn_key=(self._step, purpose))))

    def _draw_luck(self) -> life.Luck:
        return life.Luck.draw(self._stream(_LIFE), self._joined_by(self._step))

    def _with_class(self, declines: npt.NDArray[np.bool_]) -> life.Customers:
        classes = np.column_stack([declines.astype(np.int8), self._customers.classes[:, :-1]])
        return replace(self._customers, classes=classes)

    def _leaving(self, customers: life.Customers) -> npt.NDArray[np.bool_]:
        leaving: npt.NDArray[np.bool_] = (customers.classes == 1).all(axis=1) & (self._luck_of_all.leaves < life.LEAVE)
        return leaving

    def _prepare(self) -> None:
        """A month of the burn-in: no one ages, and a customer who would leave is treated as another, stable one."""
        customers = self._with_class(self._luck_of_all.declines < self._p_decline)
        leaving = self._leaving(customers)
        customers.revenue[leaving] = customers.usual[leaving, None]
        customers.fading[leaving] = False
        self._move(customers, joining=False)

    def _move(self, customers: life.Customers, *, joining: bool) -> None:
        """Take those who stay to the next month, and let others join."""
        month = np.datetime64(self.month, "M") + 1
        first, self._step = self._joined_by(self._step), self._step + 1
        days = monthrange(month.item().year, month.item().month)[1] if joining else 0
        self._luck = self._draw_luck()
        self._customers = life.next_month(self.profile, customers, self._luck.of(customers.number), days)
        if joining:
            self.month = str(month)
            numbers = np.arange(first, self._joined_by(self._step))
            self._customers = self._customers.and_also(life.newcomers(self.profile, numbers, self._luck.of(numbers), days))
        for name in ("_p_decline", "_luck_of_all"):
            self.__dict__.pop(name, None)

    def _table(self) -> pl.DataFrame:
        """The export's values and marks, in the order of its lines."""
        declined: Codes = self._activity.astype(np.int32)
        marks = draw_disorder(declined, self._stream(_EXPORT), self._quirks)
        codes = {c.name: self._customers.codes[:, k] for k, c in enumerate(self.profile.columns)}
        table = decoded(self.profile, pl.DataFrame({"id": self._ids} | codes | marks))
        return table.with_columns(
            *(pl.Series(name, values) for name, values in self._revenues.items()),
            declined=pl.Series(declined).replace(-1, None),
            wrong=pl.lit(0),
        ).sort("block", maintain_order=True)


def write_months(
    profile: Profile,
    home: Path,
    *,
    first: str,
    last: str,
    customers: int,
    seed: int,
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Write the months `first` to `last` of an untreated store into a home, with their truth.

    Args:
        profile: The store.
        home: Exports go to HOME/raw/MONTH/, the truth to HOME/twin/MONTH.parquet; see `Panel.write`.
        first: First month, YYYY-MM.
        last: Last month; another last month leaves the bytes of the months before it as they are.
        customers: How many in the first month.
        seed: Same seed and size: same bytes.
        overwrite: Whether existing months are replaced.
        progress: Called with months written and months in all after every month.

    Returns:
        How many months were written.

    Raises:
        BadInputError: If a month exists and `overwrite` is false, before anything is written; if a month is invalid, or
            `last` is before `first`; or as `Panel.open`.
    """
    span = np.arange(np.datetime64(check_month(first)), np.datetime64(check_month(last)) + 1)
    if not len(span):
        raise BadInputError(f"the last month {last} is before the first, {first}", remedy="give an earlier first month")
    places = {str(month): (raw_folder(home, str(month)), truth_file(home, str(month))) for month in span}
    for path in (path for place in places.values() for path in place):
        if path.exists() and not overwrite:
            raise BadInputError("this month exists already", file=str(path), remedy="choose other months, or allow overwriting")
    panel = Panel.open(profile, customers=customers, seed=seed, month=first)
    for done, (month, (folder, truth)) in enumerate(places.items(), start=1):
        if month != first:
            panel.advance()
        panel.write(folder, truth=truth, overwrite=overwrite)
        if progress is not None:
            progress(done, len(places))
    return len(places)
