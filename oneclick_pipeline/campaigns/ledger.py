"""The ledger: what was really sent, and who was deliberately sent nothing. One file per month, written once.

    HOME/ledger/<month>.parquet             the customers of a published plan, in the arms offer and control
    HOME/ledger/<month>.replaced-<n>.parquet  what was there before a replan, never read again

The loop closes here: a plan is written, later months read it back. A CRM's own log may replace a month's file, so
whatever is read is checked by the same rules as what is written, see `ledger_rules`. It may leave out the shares that
the month was drawn with, all or some, which count as those of today's settings, and the probabilities, which are inferred.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from filelock import FileLock

from oneclick_pipeline.campaigns.ledger_rules import COLUMNS, DRAWN, SENT, checked, column_of
from oneclick_pipeline.contracts.offers import OFFER_PLAN, PROBABILITIES, SHARES
from oneclick_pipeline.errors import AlreadyPublishedError, BadInputError
from oneclick_pipeline.home import write_once
from oneclick_pipeline.home.months import check_month
from oneclick_pipeline.home.paths import ledger_file, ledger_folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray

    from oneclick_pipeline.settings import Offers

_NAMES = tuple(c.name for c in COLUMNS)
_REPLACED = re.compile(r"[0-9]{4}-[0-9]{2}\.replaced-[0-9]+")
_DIGEST = b"oneclick_digest"


@dataclass(frozen=True)
class Published:
    """The result of publishing a plan.

    Attributes:
        path: File of the month.
        offered: Customers who get an offer.
        controls: Customers who are held out of one.
        digest: Fingerprint of the rows, whatever their order (32 hex digits); it is in the file's metadata, too.
        written: False if the same plan had been published before, and nothing was done.
        replaced: Where the previous plan is kept; None if there was none.
    """

    path: Path
    offered: int
    controls: int
    digest: str
    written: bool
    replaced: Path | None = None


def published_months(home: Path) -> list[str]:
    """The months of the ledger, oldest first; files set aside by a replan are skipped.

    Raises:
        BadInputError: If the name of a Parquet file is not a month.
    """
    months = []
    for path in sorted(ledger_folder(home).glob("[!.]*.parquet")):
        if _REPLACED.fullmatch(path.stem):
            continue
        try:
            months.append(check_month(path.stem))
        except BadInputError as error:
            raise BadInputError(
                f"{path.stem!r} is not a month", file=str(path), remedy="name the file after its snapshot month, YYYY-MM.parquet"
            ) from error
    return months


def publish(home: Path, month: str, plan: pd.DataFrame, *, replan: bool = False) -> Published:
    """Write a plan into the ledger: its arms offer and control, whole or not at all.

    The file is on disk before it gets its name, and concurrent publishers take turns. The same plan again changes
    nothing, so that a month may be run again; plans are the same if what they have `SENT` is the same.

    Args:
        home: The home.
        month: Month of the plan.
        plan: Rows of `contracts.offers.OFFER_PLAN`.
        replan: Whether another plan may replace one that was published; the old file is kept beside.

    Raises:
        AlreadyPublishedError: If another plan was published and `replan` is not set.
        BadInputError: If rows break the rules of the ledger.
    """
    path = ledger_file(home, month)
    rows = plan.loc[plan["arm"] != "none", [c.name for c in OFFER_PLAN.columns if c.name in plan or c not in DRAWN]]
    rows = rows.assign(**_frame(checked(rows, path)).set_index(rows.index)).sort_values("customer_id", ignore_index=True)
    arms = rows["arm"].value_counts()
    counts = int(arms.get("offer", 0)), int(arms.get("control", 0))
    own = digest(rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.parent / ".lock"):
        if not path.exists():
            _write(rows, path, own, replace=False)
            return Published(path, *counts, own, written=True)
        before = _month(path)
        if not differing(before, rows):
            return Published(path, *counts, digest(before), written=False)
        if not replan:
            raise AlreadyPublishedError(
                f"another plan for {month} was already published, and its offers may have been sent",
                file=str(path),
                remedy="keep it, or replace it with the new plan by --replan; the old one is kept beside it",
            )
        kept = write_once.keep(path)
        _write(rows, path, own, replace=True)
        return Published(path, *counts, own, written=True, replaced=kept)


def read(home: Path, months: Iterable[str], settings: Offers) -> pd.DataFrame:
    """What was sent in some months.

    Args:
        home: The home.
        months: Months to read, in any order.
        settings: The shares of months that do not say theirs: a CRM's own log, or what was published before they were kept.

    Returns:
        `campaign_month` and `COLUMNS`, by month and customer; no row without months. Probabilities that a month does not
        hold are inferred, see `without_probabilities`; chances that it does not hold are missing, see `experiment.chances`.

    Raises:
        BadInputError: If a month was not published, or its file breaks the rules of the ledger.
    """
    import pandas as pd

    from oneclick_pipeline.experiment.old_ledgers import with_probabilities

    today = {c.name: getattr(settings, c.name) for c in SHARES}
    parts = []
    for month in sorted(set(months)):
        rows = _month(ledger_file(home, month)).sort_values("customer_id")
        unknown = {name: share for name, share in today.items() if name not in rows}
        parts.append(with_probabilities(rows.assign(campaign_month=month, **unknown)))
    empty = pd.DataFrame(columns=["campaign_month", *_NAMES]).astype({c.name: c.type.numpy for c in COLUMNS})
    return pd.concat(parts or [empty], ignore_index=True).reindex(columns=["campaign_month", *_NAMES])


def without_probabilities(home: Path, months: Iterable[str]) -> list[str]:
    """Those of the published months whose file does not hold the probabilities of its draw, so that they are inferred."""
    import pyarrow.parquet as pq

    names = {c.name for c in PROBABILITIES}
    return [month for month in months if not names <= set(pq.read_schema(ledger_file(home, month)).names)]


def handed_over(home: Path, month: str) -> pd.DataFrame:
    """All that the ledger holds of a month.

    Returns:
        Columns of `contracts.offers.OFFER_PLAN`, by customer; those that the file does not have, as a CRM's own log, are empty.

    Raises:
        BadInputError: If the month was not published, or its file breaks the rules of the ledger.
    """
    path = ledger_file(home, month)
    frame = _frame_of(path)
    columns = checked(frame, path)
    _require_as_written(_frame(columns), path)
    for c in OFFER_PLAN.columns:
        if c.name not in columns and c.name in frame:
            columns[c.name] = column_of(frame[c.name], replace(c, nullable=True, values={}), path)
    rows = _frame(columns)
    return rows.reindex(columns=OFFER_PLAN.names).sort_values("customer_id", ignore_index=True)


def comparable(rows: pd.DataFrame) -> pd.DataFrame:
    """The columns `SENT` of the rows of a month, in their types, by customer."""
    dtypes = {c.name: c.type.numpy for c in SENT}
    return rows.astype(dtypes)[list(dtypes)].sort_values("customer_id", ignore_index=True)


def differing(sent: pd.DataFrame, rows: pd.DataFrame) -> int:
    """How many customers two plans of a month treat differently: who are in only one of them, or differ in something `SENT`.

    Another version of the software may add up a value in another order: numbers that agree to nine digits are the same.
    """
    import numpy as np

    old, new = (comparable(one).set_index("customer_id") for one in (sent, rows))
    both = old.index.intersection(new.index)
    changed = np.zeros(len(both), dtype=bool)
    for name in (c.name for c in SENT if c.name != "customer_id"):
        one, other = old.loc[both, name], new.loc[both, name]
        same = np.isclose(one, other, rtol=1e-9, atol=0) if one.dtype == np.float64 else (one == other).to_numpy(dtype=bool)
        changed |= ~(same | (one.isna() & other.isna()).to_numpy(dtype=bool))
    return len(old.index.symmetric_difference(new.index)) + int(changed.sum())


def digest(rows: pd.DataFrame) -> str:
    """Fingerprint of the rows of a month (32 hex digits): the same for the same `SENT`, whatever their order."""
    import pandas as pd

    ordered = comparable(rows)
    return hashlib.sha256(pd.util.hash_pandas_object(ordered, index=False).to_numpy().tobytes()).hexdigest()[:32]


def _write(rows: pd.DataFrame, path: Path, own: str, *, replace: bool) -> None:
    """Write the file beside its place, then give it its name; the lock is held, so the name of the part is free."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pandas(rows, preserve_index=False)
    part = write_once.part_of(path)
    pq.write_table(table.replace_schema_metadata({**(table.schema.metadata or {}), _DIGEST: own}), part)
    write_once.settle(part, path, replace=replace)


def _month(path: Path) -> pd.DataFrame:
    """The rows of a file, checked."""
    rows = _frame(checked(_frame_of(path), path))
    _require_as_written(rows, path)
    return rows


def _require_as_written(rows: pd.DataFrame, path: Path) -> None:
    """Refuse a file of ours whose rows differ from those that were written; a CRM's own log does not say what it was."""
    import pyarrow.parquet as pq

    with path.open("rb") as file:
        written = (pq.read_schema(file).metadata or {}).get(_DIGEST)
    if written is not None and written != digest(rows).encode():
        raise BadInputError(
            "the rows differ from those that were published: the file was changed or is damaged",
            file=str(path),
            remedy="restore it from a backup; a CRM's log must not carry the metadata of our files",
        )


def _frame_of(path: Path) -> pd.DataFrame:
    """The rows of a file, unchecked."""
    import pandas as pd
    import pyarrow as pa

    if not path.is_file():
        raise BadInputError(
            f"no plan was published for {path.stem}",
            file=str(path),
            remedy="publish the month's plan, or put the CRM's log there",
        )
    try:
        # the file itself, not its path: of a path `ledger=1/` pandas would make a column
        with path.open("rb") as file:
            return pd.read_parquet(file)
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError) as error:  # what pandas keeps in the file may be damaged
        raise BadInputError(
            "this is not a readable Parquet file",
            file=str(path),
            value=str(error),
            remedy="restore it from a backup; or, if the month's offer_plan table is as it was published, move the "
            "file away and materialize offers_export again for it",
        ) from error


def _frame(columns: Mapping[str, NDArray]) -> pd.DataFrame:
    """The columns as a table; texts stay objects, so that None stays None and a digest stays what it was."""
    import pandas as pd

    return pd.DataFrame({name: pd.Series(values, dtype=values.dtype) for name, values in columns.items()})
