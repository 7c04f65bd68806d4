"""Where the page's figures come from: the tables of a month, and what MLflow records about the model that scored it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from oneclick_pipeline.contracts.exports import SOURCES
from oneclick_pipeline.contracts.tables import TABLES
from oneclick_pipeline.engine.batches import Batches
from oneclick_pipeline.engine.verification import whole
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.home.months import add_months
from oneclick_pipeline.home.paths import table_file
from oneclick_pipeline.raw.export import rows
from oneclick_pipeline.raw.facts import FileFacts, read_facts
from oneclick_pipeline.tracking import Tracking

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from oneclick_pipeline.contracts.schema import Columns
    from oneclick_pipeline.tracking.evaluation import Evaluation

PLAN = ("customer_id", "arm", "offer_id", "reason", "segment", "p_decline", "expected_effect", "expected_gain", "cost")


@dataclass(frozen=True)
class Before:
    """The month before, where it was run.

    Attributes:
        month: Which it is.
        segments: Its `contracts.segments.CUSTOMER_SEGMENTS`.
        profiles: Its `contracts.segments.SEGMENT_PROFILES`; None where they are gone.
        model_version: Version of the model that scored it.
        quarantined: Rejected lines by export.
        read: Rows read by export.
    """

    month: str
    segments: Columns
    profiles: pd.DataFrame | None
    model_version: int
    quarantined: dict[str, int]
    read: dict[str, int]


@dataclass(frozen=True)
class Month:
    """What a month's tables say; large ones are read a column at a time.

    Attributes:
        month: Snapshot month.
        features: `contracts.customers.CUSTOMER_FEATURES`.
        scores: `contracts.scores.CUSTOMER_SCORES` of the same customers in the same order, as all tables of customers.
        segments: `contracts.segments.CUSTOMER_SEGMENTS`.
        profiles: `contracts.segments.SEGMENT_PROFILES`.
        plan: `contracts.offers.OFFER_PLAN`.
        effects: `contracts.campaigns.OFFER_EFFECTS`.
        beliefs: `contracts.campaigns.OFFER_BELIEFS`.
        campaigns: Customers of earlier campaigns by month: offered, controls, matured.
        summary: `contracts.offers.PLAN_SUMMARY`; None if the month was planned before there was one.
        curve: `contracts.offers.PROFIT_CURVE`; None likewise.
        profile: `contracts.exploration.DATA_PROFILE`.
        correlations: `contracts.exploration.CORRELATIONS`.
        explanation: `contracts.model.MODEL_EXPLANATION` of the month in which the model was trained; None if it does not exist.
        read: Rows read by export.
        facts: What was detected about the file, by export.
        quarantined: Rejected lines by export.
        corrected: Corrections by rule.
        missing: By export: markers of missing values, with how often each was used.
        before: The month before; None where it was not run.
        model: What MLflow records about the model that scored.
        out_of_fold: p_decline and declined of those the model was trained on; None where the training set is gone.
        drift: `contracts.monitoring.DRIFT`; None if the month was run before monitoring existed.
        health: `contracts.monitoring.MODEL_HEALTH`; None likewise.
    """

    month: str
    features: Columns
    scores: Columns
    segments: Columns
    profiles: pd.DataFrame
    plan: Columns
    effects: pd.DataFrame
    beliefs: pd.DataFrame
    campaigns: pd.DataFrame
    summary: pd.DataFrame | None
    curve: pd.DataFrame | None
    profile: pd.DataFrame
    correlations: pd.DataFrame
    explanation: pd.DataFrame | None
    read: dict[str, int]
    facts: dict[str, FileFacts]
    quarantined: dict[str, int]
    corrected: dict[str, int]
    missing: dict[str, dict[str, int]]
    before: Before | None
    model: Evaluation
    out_of_fold: pd.DataFrame | None
    drift: pd.DataFrame | None
    health: pd.DataFrame | None


def read(home: Path, month: str) -> Month:
    """Read a month that was run.

    Raises:
        BadInputError: If one of its tables is missing or damaged.
    """
    with whole(table_file(home, name, m) for m in (month, add_months(month, -1)) for name in TABLES):
        return _read(home, month)


def _read(home: Path, month: str) -> Month:
    scores = _batches(home, "customer_scores", month)
    version = _version(scores)
    model = Tracking(home).evaluation(version)
    return Month(
        month=month,
        features=_batches(home, "customer_features", month),
        scores=scores,
        segments=_batches(home, "customer_segments", month),
        profiles=_frame(home, "segment_profiles", month),
        plan=_batches(home, "offer_plan", month).only(*PLAN),
        effects=_frame(home, "offer_effects", month),
        beliefs=_frame(home, "offer_beliefs", month),
        campaigns=_campaigns(_there(home, "campaign_outcomes", month)),
        summary=_frame_of(home, "plan_summary", month),
        curve=_frame_of(home, "profit_curve", month),
        profile=_frame(home, "data_profile", month),
        correlations=_frame(home, "correlations", month),
        explanation=_frame_of(home, "model_explanation", model.month),
        read=rows_read(home, month),
        facts={s.file: read_facts(path) for s in SOURCES if (path := table_file(home, s.file, month)).exists()},
        quarantined=quarantined(home, month),
        corrected=_counted(_there(home, "corrections", month), "rule"),
        missing=_missing(_there(home, "corrections", month), _there(home, "rejected_rows", month)),
        before=_before(home, add_months(month, -1)),
        model=model,
        out_of_fold=_out_of_fold(home, model),
        drift=_frame_of(home, "drift", month),
        health=_frame_of(home, "model_health", month),
    )


def _before(home: Path, month: str) -> Before | None:
    if not all(table_file(home, t, month).exists() for t in ("customer_segments", "customer_scores", "rejected_rows")):
        return None
    return Before(
        month,
        _batches(home, "customer_segments", month),
        _frame_of(home, "segment_profiles", month),
        _version(_batches(home, "customer_scores", month)),
        quarantined(home, month),
        rows_read(home, month),
    )


def _version(scores: Batches) -> int:
    """The version that scored; the whole month has one."""
    versions = scores["model_version"]
    if versions.empty:
        raise BadInputError("no customer was scored", file=str(scores.path), remedy="materialize customer_scores of the month")
    return int(versions.iloc[0])


def _there(home: Path, table: str, month: str) -> Path:
    path = table_file(home, table, month)
    if not path.exists():
        raise BadInputError(
            f"there is no {table} of {month}", file=str(path), remedy=f"run the month: oneclick run --month {month}"
        )
    return path


def _batches(home: Path, table: str, month: str) -> Batches:
    return Batches(table, _there(home, table, month))


def _frame(home: Path, table: str, month: str) -> pd.DataFrame:
    import pandas as pd

    return pd.read_parquet(_there(home, table, month))


def _frame_of(home: Path, table: str, month: str) -> pd.DataFrame | None:
    """A table of another month, where it is there."""
    return _frame(home, table, month) if table_file(home, table, month).exists() else None


def rows_read(home: Path, month: str) -> dict[str, int]:
    """Rows of a month by export."""
    return {s.file: rows(path) for s in SOURCES if (path := table_file(home, s.file, month)).exists()}


def quarantined(home: Path, month: str) -> dict[str, int]:
    """Rejected lines by export; a line that breaks several rules counts once."""
    import polars as pl

    table = pl.scan_parquet(_there(home, "rejected_rows", month), glob=False)
    return dict(table.unique(["file", "line"]).group_by("file").len().sort("file").collect().iter_rows())


def _counted(path: Path, column: str) -> dict[str, int]:
    import polars as pl

    return dict(pl.scan_parquet(path, glob=False).group_by(column).len().sort(column).collect().iter_rows())


def _missing(corrections: Path, rejected: Path) -> dict[str, dict[str, int]]:
    """Markers of missing values by export: of the rows that were kept, and of those that a missing value has rejected."""
    import polars as pl

    kept = pl.scan_parquet(corrections, glob=False).filter(pl.col("rule") == "missing_marker")
    lost = pl.scan_parquet(rejected, glob=False).filter(pl.col("rule") == "is missing", pl.col("value").is_not_null())
    markers = pl.concat([kept.select("file", marker="old"), lost.select("file", marker="value")])
    counts: dict[str, dict[str, int]] = {}
    for file, marker, count in markers.group_by("file", "marker").len().sort("file", "marker").collect().iter_rows():
        counts.setdefault(file, {})[marker] = count
    return counts


def _campaigns(path: Path) -> pd.DataFrame:
    """Earlier campaigns by month: how many were offered something, were held out, and have a known outcome."""
    import pandas as pd
    import polars as pl

    counted = (
        pl.scan_parquet(path, glob=False)
        .group_by("campaign_month")
        .agg(
            offered=(pl.col("arm") == "offer").sum(),
            controls=(pl.col("arm") == "control").sum(),
            matured=pl.col("declined").is_not_null().sum(),
        )
        .sort("campaign_month")
        .collect()
    )
    return pd.DataFrame(counted.to_dict(as_series=False))


def _out_of_fold(home: Path, model: Evaluation) -> pd.DataFrame | None:
    """Predictions for customers the model had not seen, and their outcomes."""
    training = _frame_of(home, "training_set", model.month)
    if training is None:
        return None
    keys = ["feature_month", "customer_id"]
    return model.out_of_fold.merge(training[[*keys, "declined"]], on=keys)[["p_decline", "declined"]]
