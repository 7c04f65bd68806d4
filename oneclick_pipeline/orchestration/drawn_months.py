"""Who got an offer in earlier months, and with which probability none: ledgers and plans, of which a month is read on demand."""

from collections.abc import Iterator, Mapping
from functools import lru_cache, partial
from pathlib import Path

import pandas as pd

from oneclick_pipeline.campaigns import ledger
from oneclick_pipeline.engine import files
from oneclick_pipeline.experiment import old_ledgers, weights
from oneclick_pipeline.home.months import add_months
from oneclick_pipeline.home.paths import table_file
from oneclick_pipeline.orchestration.table_months import Months
from oneclick_pipeline.settings import Settings


class DrawnMonths(Mapping[str, pd.DataFrame]):
    """The columns `experiment.weights.COLUMNS` of what was drawn, by month; the newest ones that were read are cached.

    Args:
        home: The home.
        month: Month before which they lie.
        settings: Shares of ledgers that do not say theirs; the horizon, and the seed of the sample.
        history: How many months before `month` to go back.
        customers: Of how many customers a sample was drawn, see `Months.sample`: of the same ones the plans are read.
    """

    def __init__(self, home: Path, month: str, settings: Settings, *, history: int, customers: int) -> None:
        oldest = add_months(month, -history)
        self._months = [m for m in ledger.published_months(home) if oldest <= m < month]
        self._of = lru_cache(maxsize=settings.value.horizon_months)(partial(_drawn, home, settings, customers))

    def __getitem__(self, month: str) -> pd.DataFrame:
        """Read a month."""
        return self._of(month)

    def __iter__(self) -> Iterator[str]:
        """The months in which something was sent, oldest first."""
        return iter(self._months)

    def __len__(self) -> int:
        """How many there are."""
        return len(self._months)


def _drawn(home: Path, settings: Settings, customers: int, month: str) -> pd.DataFrame:
    """The ledger of a month; for customers who are not in it, the plan."""
    sent = ledger.read(home, [month], settings.offers)[list(weights.COLUMNS)]
    path = table_file(home, "offer_plan", month)
    if path.exists():
        # of one month the sample is at least as large as of all of them: every customer of theirs is in it
        stored = set(weights.COLUMNS) <= files.columns(path)
        columns = weights.COLUMNS if stored else old_ledgers.READ
        plan = Months("offer_plan", {month: path}, columns).sample(customers, settings.model.seed)[month]
        rest = plan[(plan["arm"] == "none") & ~plan["customer_id"].isin(sent["customer_id"])]
        rest = rest if stored else old_ledgers.with_probabilities(rest)[list(weights.COLUMNS)]
        sent = pd.concat([sent.astype(object), rest.astype(object)], ignore_index=True)
    return sent
