"""A month compared with the one in which the champion was trained: features, score, shares, new categories."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from oneclick_pipeline.contracts.customers import FEATURES
from oneclick_pipeline.contracts.monitoring import DRIFT
from oneclick_pipeline.exploration.sample import typed
from oneclick_pipeline.monitoring import psi as index
from oneclick_pipeline.stats import change, wilson

if TYPE_CHECKING:
    import pandas as pd

    from oneclick_pipeline.contracts.schema import Column, Columns
    from oneclick_pipeline.settings import Monitoring

SCORE = "p_decline"
_NAMED = 10  # new categories of a feature that are listed one by one
_LONGEST = 200  # characters of a category, as in rejected_rows

Row = dict[str, Any]


@dataclass(frozen=True)
class Snapshot:
    """What a month is compared by; columns are read one at a time.

    Attributes:
        month: Snapshot month.
        features: `contracts.customers.CUSTOMER_FEATURES`.
        scores: `contracts.scores.CUSTOMER_SCORES` of the same customers in the same order; None where there is none.
        rows: Rows read of all exports.
        quarantined: How many of them were rejected.
    """

    month: str
    features: Columns
    scores: Columns | None
    rows: int
    quarantined: int


def drift(
    now: Snapshot, reference: Snapshot | None, *, settings: Monitoring, model_version: int | None = None, seed: int = 0
) -> pd.DataFrame:
    """Compare a month with the one in which the champion was trained.

    Scores are compared only where one and the same version of the model made them in both months. Most customers
    are the same people in both months, so chance is smaller than assumed here: the figures are
    conservative.

    Args:
        now: The month.
        reference: The month in which the champion was trained; None if its tables do not exist.
        settings: Bins and limits.
        model_version: Version of the champion; None where there is none.
        seed: Seed of the bootstrap.

    Returns:
        Rows of `DRIFT`: every feature of `FEATURES`, the score, the shares, and the new categories of
        every categorical feature.
    """
    import pandas as pd

    rows: list[Row] = []
    for column in FEATURES:
        values = _of_regular(now, column.name)
        others = None if reference is None else _of_regular(reference, column.name)
        rows.append({"kind": "feature", "name": column.name} | _moved(values, others, column, settings, seed))
        if column.kind == "str":
            rows += [{"kind": "category", "name": column.name} | row for row in _new_categories(values, others, settings)]
    rows.append({"kind": "score", "name": SCORE} | _score(now, reference, settings, seed))
    rows += [{"kind": "share"} | row for row in _shares(now, reference, settings)]
    table = pd.DataFrame([{"category": ""} | row for row in rows]).reindex(columns=DRIFT.names)
    return typed(
        table.assign(
            reference_month=None if reference is None else reference.month,
            model_version=pd.array([model_version] * len(table), dtype="Int64"),
        ),
        DRIFT,
    )


def _of_regular(snapshot: Snapshot, column: str) -> pd.Series:
    """A column of the regular customers."""
    return snapshot.features[column][snapshot.features["regular"].to_numpy(dtype=bool)]


def _moved(values: pd.Series, others: pd.Series | None, column: Column | None, settings: Monitoring, seed: int) -> Row:
    """How far a column has drifted, and whether that is beyond chance."""
    row: Row = {"customers": len(values), "reference_customers": None if others is None else len(others)}
    if others is None:
        return row | {"status": "no_reference"}
    if min(len(values), len(others)) < settings.min_customers:
        return row | {"status": "not_enough_data"}
    if column is not None and column.kind == "str":
        before, now = index.category_counts(others, values)
    else:
        before, now = index.number_counts(others, values, settings.bins)
    shift = index.psi(before, now, seed)
    size = shift.value if shift.beyond_chance else 0.0
    return row | {
        "bins": shift.bins,
        "psi": shift.value,
        "psi_low": shift.low,
        "psi_high": shift.high,
        "psi_chance": shift.chance,
        "status": level(size, settings.psi_moderate, settings.psi_shifted),
    }


def level(size: float, moderate: float, shifted: float) -> str:
    """The level in `contracts.monitoring.LEVELS` of a size."""
    return "shifted" if size >= shifted else "moderate" if size >= moderate else "stable"


def _score(now: Snapshot, reference: Snapshot | None, settings: Monitoring, seed: int) -> Row:
    """The score of regular customers who have one."""
    values, version = _scored(now)
    others, other_version = (None, None) if reference is None else _scored(reference)
    if values is None:
        return {"customers": 0, "status": "no_reference"}
    return _moved(values, others if version is not None and version == other_version else None, None, settings, seed)


def _scored(snapshot: Snapshot) -> tuple[pd.Series | None, int | None]:
    """The scores of a month, and the one version that made them; None where there is none, or several."""
    if snapshot.scores is None:
        return None, None
    p, versions = snapshot.scores[SCORE], snapshot.scores["model_version"].unique()
    kept = snapshot.scores["regular"].to_numpy(dtype=bool) & p.notna().to_numpy()
    return p[kept], int(versions[0]) if len(versions) == 1 else None


def _new_categories(values: pd.Series, others: pd.Series | None, settings: Monitoring) -> list[Row]:
    """Customers whose category did not exist in the reference month: all of them, then the most frequent categories."""
    total: Row = {"customers": len(values), "reference_customers": None if others is None else len(others)}
    if others is None:
        return [total | {"status": "no_reference"}]
    known, now = index.counted(others), index.counted(values)
    new: dict[str, int] = {}
    for name, n in now.items():
        if name not in known:
            new[name[:_LONGEST]] = new.get(name[:_LONGEST], 0) + n
    most = sorted(new.items(), key=lambda item: (-item[1], item[0]))[:_NAMED]
    rows = []
    for name, n in [("", sum(new.values())), *most]:
        share = _share(n, len(values), 0, len(others))
        limits = (1e-12, settings.category_shifted)  # one customer is enough to count
        rows.append(total | {"category": name} | share | {"status": level(share["value"] or 0.0, *limits)})
    return rows


def _shares(now: Snapshot, reference: Snapshot | None, settings: Monitoring) -> list[Row]:
    """The snapshot as a whole: absolute figures, then figures relative to the reference."""
    s = settings
    counts = {name: (_count(now, name), None if reference is None else _count(reference, name)) for name in _COUNTS}
    rows = []
    for name, (mine, theirs) in counts.items():
        row: Row = {"name": name, "customers": mine[1], "reference_customers": None if theirs is None else theirs[1]}
        rows.append(row | _share(*mine, *(theirs or (0, 0))))
    quarantine, complete, consent = rows
    quarantine["status"] = level(quarantine["value"] or 0.0, s.quarantine_moderate, s.quarantine_shifted)
    complete["status"] = (
        "not_enough_data"
        if complete["value"] is None
        else level(1 - complete["value"], s.incomplete_moderate, s.incomplete_shifted)
    )
    consent["status"] = _changed(consent, s.consent_moderate, s.consent_shifted, s)
    there = len(now.features["regular"])
    number: Row = {"name": "customers", "customers": there, "count": there, "value": float(there)}
    if reference is not None and (before := len(reference.features["regular"])):
        change = there / before - 1
        number |= {"reference_customers": before, "reference": float(before)}
        number |= {"difference": change, "difference_low": change, "difference_high": change}
    number["status"] = _changed(number, s.customers_moderate, s.customers_shifted, s)
    return [*rows, number]


_COUNTS = ("quarantine_share", "complete_share", "consent_share")


def _count(snapshot: Snapshot, share: str) -> tuple[int, int]:
    """The count of a share, and its total."""
    if share == "quarantine_share":
        return snapshot.quarantined, snapshot.rows
    if share == "complete_share":
        missing = snapshot.features["missing_from"]
        return int((missing == "").sum()), len(missing)
    consent = snapshot.features["marketing_consent"]
    return int((consent == True).sum()), int(consent.notna().sum())  # noqa: E712 - may be missing


def _share(part: int, whole: int, part_before: int, whole_before: int) -> Row:
    """A share, that of the reference, and the difference with its interval."""
    if not whole:
        return {"count": part, "value": None}
    now = wilson(part, whole)
    row: Row = {"count": part, "value": now.estimate}
    if not whole_before:
        return row
    before = wilson(part_before, whole_before)
    difference = change(now, before)
    return row | {
        "reference": before.estimate,
        "difference": difference.estimate,
        "difference_low": difference.low,
        "difference_high": difference.high,
    }


def _changed(row: Row, moderate: float, shifted: float, settings: Monitoring) -> str:
    """Severity of a change in either direction; stable if it may be chance."""
    if row.get("difference") is None:
        return "no_reference"
    if min(row["customers"], row["reference_customers"]) < settings.min_customers:
        return "not_enough_data"
    sure = row["difference_low"] > 0 or row["difference_high"] < 0
    return level(abs(row["difference"]) if sure else 0.0, moderate, shifted)
