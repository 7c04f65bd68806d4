"""The publication of a month, written to the store's own database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from oneclick_pipeline.campaigns import ledger
from oneclick_pipeline.engine.verification import whole
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.home import locks
from oneclick_pipeline.home.months import check_month
from oneclick_pipeline.home.paths import ledger_file, table_file
from oneclick_pipeline.offers import database, database_address, publication

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pandas as pd


@dataclass(frozen=True)
class HandedOver:
    """What was published.

    Attributes:
        published: What the database holds now.
        digest: Fingerprint of what was published, as the ledger keeps it.
        differing: Customers whom today's plan treats differently; None if there is no plan today.
    """

    published: database.Published
    digest: str
    differing: int | None


def publish(home: Path, month: str, url: str, waiting: Callable[[], None]) -> HandedOver:
    """Write what the ledger of a month holds, and its segments, into a database, while no run works on the month.

    Args:
        home: The home.
        month: Snapshot month.
        url: Address of the database.
        waiting: Called once if a run of the month has to be waited for.

    Raises:
        BadInputError: If nothing of the month was published, a table is missing, or the database may not be used or refuses.
    """
    check_month(month)
    database_address.target(url, home)  # before a lock is made: an address that cannot be used changes nothing
    if not home.is_dir():
        raise BadInputError("the home does not exist", file=str(home), remedy="give the --home in which the month was run")
    with locks.month(home, month, waiting):
        plan = _table(home, "offer_plan", month)
        sent = _sent(home, month, planned=plan is not None)
        segments = _table(home, "customer_segments", month)
        if segments is None:
            raise _not_run(home, "customer_segments", month)
        published = database.publish(url, month, sent, publication.consistent_segments(sent, segments), home)
    return HandedOver(published, ledger.digest(sent), None if plan is None else publication.differing(sent, plan))


def _sent(home: Path, month: str, *, planned: bool) -> pd.DataFrame:
    """What was published.

    Raises:
        BadInputError: If nothing was.
    """
    path = ledger_file(home, month)
    if path.exists():
        return ledger.handed_over(home, month)
    if not planned:
        raise _not_run(home, "offer_plan", month)
    raise BadInputError(
        f"the plan of {month} was not published: the month is not in the ledger",
        file=str(path),
        remedy=f"materialize offers_export for it, or run the month: oneclick run --month {month}; then publish again",
    )


def _not_run(home: Path, table: str, month: str) -> BadInputError:
    """The error if a table of the month is missing."""
    path = table_file(home, table, month)
    return BadInputError(f"there is no {table} of {month}", file=str(path), remedy=f"run the month: oneclick run --month {month}")


def _table(home: Path, name: str, month: str) -> pd.DataFrame | None:
    """A table of the month; None where there is none."""
    import pandas as pd

    path = table_file(home, name, month)
    if not path.exists():
        return None
    with whole([path]):
        return pd.read_parquet(path)
