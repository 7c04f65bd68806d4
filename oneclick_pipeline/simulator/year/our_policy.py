"""Our policy: the functions of the stages on the twin's tables (fast), or the real graph over a home (full).

Both keep, month by month, the true effects of all offers on all customers, to be compared with what was measured.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from oneclick_pipeline.campaigns import evidence, worth
from oneclick_pipeline.campaigns.beliefs import offer_beliefs
from oneclick_pipeline.campaigns.offer_effects import offer_effects
from oneclick_pipeline.campaigns.outcomes import campaign_outcomes, known_before, with_probabilities
from oneclick_pipeline.catalogue import reader
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.home.paths import raw_folder, table_file, true_effects_file, truth_file
from oneclick_pipeline.offers.planner import offer_plan
from oneclick_pipeline.simulator.year.gains import Promise

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from oneclick_pipeline.simulator.year.play import Choice, Situation

    RunMonth = Callable[[str, str], None]


class OurPolicy:
    """What both kinds have in common.

    Attributes:
        truths: True effects by month: customer_id as index, one column per offer.
        outcomes: `contracts.campaigns.CAMPAIGN_OUTCOMES` as of the newest month.
        effects: `contracts.campaigns.OFFER_EFFECTS` as of it.
        beliefs: `contracts.campaigns.OFFER_BELIEFS` by month.
        given: Customers whom the plan, exploration apart, gave each offer, by month.
        promises: What every month's plan said of its gain.
    """

    def __init__(self) -> None:
        self.truths: dict[str, pd.DataFrame] = {}
        self.outcomes = pd.DataFrame()
        self.effects = pd.DataFrame()
        self.beliefs: dict[str, pd.DataFrame] = {}
        self.given: dict[str, dict[str, int]] = {}
        self.promises: dict[str, Promise] = {}

    def _remember(self, now: Situation, plan: pd.DataFrame, beliefs: pd.DataFrame) -> Choice:
        """Keep the month; what the plan sends, as numbers of offers in the order of the situation's customers."""
        ids = [offer.id for offer in now.offers]
        self.truths[now.month] = pd.DataFrame(now.effects, index=now.customers["customer_id"].to_numpy(), columns=ids)
        self.beliefs[now.month] = beliefs
        sent = plan[plan["arm"] == "offer"].set_index("customer_id")
        planned = sent.loc[sent["assignment"] == "plan", "offer_id"].value_counts()
        self.given[now.month] = {name: int(planned.get(name, 0)) for name in ids}
        number = sent["offer_id"].map({name: k for k, name in enumerate(ids)})
        return number.reindex(now.customers["customer_id"]).fillna(-1).to_numpy().astype(np.int64)


class FastPolicy(OurPolicy):
    """The stages' functions on tables in memory, with the true P(decline) as the score.

    What the loop of offers does when neither files nor models come between.
    """

    def __init__(self) -> None:
        super().__init__()
        self._ledger: list[pd.DataFrame] = []
        self._snapshots: dict[str, pd.DataFrame] = {}

    def watch(self, now: Situation) -> None:
        """Keep the snapshot of a month without offers."""
        self._snapshots[now.month] = now.customers

    def __call__(self, now: Situation) -> Choice:
        """Learn from what is over, plan the month, and put the plan into the ledger."""
        settings, month = now.year.settings, now.month
        self._snapshots[month] = now.customers
        beliefs, effects, posterior = None, None, None
        if self._ledger:
            self.look_back(now)
            priors = reader.priors(now.offers)
            rows = with_probabilities(self.outcomes, pd.concat(self._ledger, ignore_index=True))
            past = evidence.Past.of(rows, known_before(rows, self._snapshots), priors)
            lessons = evidence.learn(past, settings)
            effects, posterior = lessons.customer_effects(now.customers), lessons.posterior()
            beliefs = offer_beliefs(priors, self.effects, past.response, past.outcomes, past.before)
        keeping = worth.learn(self._snapshots, month=month, settings=settings)
        plan = offer_plan(
            now.customers,
            now.offers,
            beliefs,
            settings,
            month=month,
            customer_effects=effects,
            posterior=posterior,
            worth=keeping,
        )
        said, table, source = plan.summary, plan.table, "catalogue" if posterior is None else "learned"
        gain = (said.expected_gain, said.expected_gain_low, said.expected_gain_high)
        self.promises[month] = Promise(*gain, keeping.months, source, keeping.source)
        self._ledger.append(table[table["arm"] != "none"].assign(campaign_month=month))
        return self._remember(now, table, pd.DataFrame() if beliefs is None else beliefs)

    def look_back(self, now: Situation) -> None:
        """Bring outcomes and effects up to a month."""
        settings, month = now.year.settings, now.month
        self._snapshots[month] = now.customers
        self.outcomes = campaign_outcomes(
            pd.concat(self._ledger, ignore_index=True),
            self._snapshots,
            month=month,
            horizon=settings.value.horizon_months,
            rules=settings.labels,
            history=settings.campaigns.history_months,
        )
        self.effects = offer_effects(self.outcomes, settings.campaigns)


class FullPolicy(OurPolicy):
    """The real graph: the month's exports are written into a home, its job runs, and what it plans is sent."""

    def __init__(self, home: Path, run: RunMonth, *, retrain_every: int) -> None:
        """Use a home.

        Args:
            home: The home; its months must not be there yet.
            run: Runs a job for a month: called with the job's name and the month.
            retrain_every: In the first month and every so many after it a model is trained.

        Raises:
            BadInputError: If `retrain_every` is not positive.
        """
        super().__init__()
        if retrain_every < 1:
            raise BadInputError("a model is trained at most once a month", value=str(retrain_every), remedy="give 1 or more")
        self._home, self._run, self._every = home, run, retrain_every

    def watch(self, now: Situation) -> None:
        """Export a month without offers, and bring it into the wide table."""
        self._export(now)
        self._run("prepare", now.month)

    def _export(self, now: Situation) -> None:
        now.panel.write(raw_folder(self._home, now.month), truth=truth_file(self._home, now.month))

    def __call__(self, now: Situation) -> Choice:
        """Export the month, run it, read the plan."""
        self._export(now)
        self._run("refresh" if now.step % self._every else "retrain", now.month)
        plan, beliefs, self.outcomes, self.effects, figures = (
            pd.read_parquet(table_file(self._home, name, now.month))
            for name in ("offer_plan", "offer_beliefs", "campaign_outcomes", "offer_effects", "plan_summary")
        )
        self.promises[now.month] = Promise.of(figures.iloc[0])
        choice = self._remember(now, plan, beliefs)
        truth = self.truths[now.month].rename_axis("customer_id").reset_index()
        path = true_effects_file(self._home, now.month)
        path.parent.mkdir(parents=True, exist_ok=True)
        truth.to_parquet(path, index=False)
        return choice


def no_longer_planned(given: Mapping[str, Mapping[str, int]]) -> dict[str, str | None]:
    """First month from which the plan no longer gives an offer to anyone; None if it still does in the last month.

    >>> no_longer_planned({"2024-01": {"a": 3, "b": 1}, "2024-02": {"a": 0, "b": 1}})
    {'a': '2024-02', 'b': None}
    """
    left: dict[str, str | None] = dict.fromkeys(name for month in given.values() for name in month)
    for month in sorted(given):
        left = {name: None if given[month].get(name, 0) else since or month for name, since in left.items()}
    return left
