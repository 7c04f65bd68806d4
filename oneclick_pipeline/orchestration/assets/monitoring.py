"""Assets of stage monitoring: whether the data are still those the model learned from, and whether its scores come true."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd

from oneclick_pipeline import contracts, experiment, model, monitoring, pictures, stats, tracking
from oneclick_pipeline.contracts.exports import SOURCES
from oneclick_pipeline.contracts.monitoring import WATCHED
from oneclick_pipeline.home.months import add_months
from oneclick_pipeline.home.paths import table_file
from oneclick_pipeline.model import labels
from oneclick_pipeline.monitoring import health
from oneclick_pipeline.monitoring import pictures as drawn
from oneclick_pipeline.orchestration.asset_specs import code_version, table_asset
from oneclick_pipeline.orchestration.assets.campaigns import PAST
from oneclick_pipeline.orchestration.checks import Check
from oneclick_pipeline.orchestration.drawn_months import DrawnMonths
from oneclick_pipeline.orchestration.metadata import picture
from oneclick_pipeline.orchestration.resources import Home
from oneclick_pipeline.orchestration.table_months import Months
from oneclick_pipeline.report import source

_CODE = code_version(monitoring, model, experiment, stats, pictures, contracts)
_BEFORE = dg.TimeWindowPartitionMapping(start_offset=PAST.start_offset, end_offset=-1)
_INTAKE = [*(s.file for s in SOURCES), "rejected_rows"]
_SHOWN = 12
"""Months of the drift picture."""


@dg.asset(
    ins={name: dg.AssetIn(partition_mapping=PAST) for name in ("customer_features", "customer_scores")},
    deps=[dg.AssetDep(name, partition_mapping=PAST) for name in _INTAKE],
    **table_asset("drift", _CODE, {"pandas", "mlflow"}),
)
def drift(context: dg.AssetExecutionContext, home: Home, customer_features: Months, customer_scores: Months) -> Iterator[Any]:
    """Compare the month with the champion's training month; see `monitoring.drift`."""
    with home.step(context) as step:
        settings = home.settings()
        champion = tracking.Tracking(home.root).champion()
        reference = None if champion is None else champion.tags["month"]

        def snapshot(month: str) -> monitoring.Snapshot:
            read, rejected = source.rows_read(home.root, month), source.quarantined(home.root, month)
            scores = customer_scores.batches(month) if month in customer_scores else None
            features = customer_features.batches(month)
            return monitoring.Snapshot(month, features, scores, sum(read.values()), sum(rejected.values()))

        there = reference is not None and _is_there(home.root, reference, customer_features)
        table = monitoring.drift(
            snapshot(step.month),
            snapshot(reference) if reference is not None and there else None,
            settings=settings.monitoring,
            model_version=None if champion is None else champion.version,
            seed=settings.model.seed,
        )
        yield from step.publish(
            step.stage(table),
            checks=_drift_checks(table),
            metadata={
                "compared with": reference if there else f"nothing: no tables of {reference or 'a champion'}",
                "champion": "none" if champion is None else f"{champion.name} version {champion.version}",
                **{f"PSI {name}": psi for name, psi in _known(table, "psi").items()},
                **_known(table[table["kind"] == "share"], "value"),
                "drift over months": picture(
                    drawn.drift_map(_earlier(home.root, step.month) | {step.month: table}, settings.monitoring),
                    "PSI of every feature and the score by month",
                ),
            },
        )


def _is_there(home: Path, month: str, features: Months) -> bool:
    """Whether a month can serve as reference; a later one cannot: nothing looks ahead."""
    return month in features and table_file(home, "rejected_rows", month).exists()


def _earlier(home: Path, month: str) -> dict[str, pd.DataFrame]:
    """The tables of the months before, for the picture alone: declared, they would force the order of a backfill."""
    months = [add_months(month, -k) for k in range(1, _SHOWN)]
    return {m: pd.read_parquet(path) for m in months if (path := table_file(home, "drift", m)).exists()}


def _known(table: pd.DataFrame, column: str) -> dict[str, float]:
    known = table[table[column].notna()]
    return dict(zip(known["name"], known[column].astype(float), strict=True))


def _drift_checks(table: pd.DataFrame) -> list[Check]:
    """One check per kind of row, decided by the worst of them."""
    features, scores, shares, new = (table[table["kind"] == kind] for kind in WATCHED)
    named = new[new["category"] != ""]
    which = ", ".join(f"{name}: {text} ({n})" for name, text, n in named[["name", "category", "count"]].itertuples(index=False))
    return [
        _judged("features_stable", features, _largest(features, "psi", _PSI), _moved(features)),
        _judged("scores_stable", scores, _largest(scores, "psi", _PSI)),
        *(_judged(name, shares[shares["name"].isin(of)], _by_name(shares, of)) for name, of in _SHARES.items()),
        _judged("no_new_categories", new, _largest(new, "value", ("value", "count")), which),
    ]


_PSI = ("psi", "psi_low", "psi_high", "psi_chance")
_SHARE = {"value": "", "reference": " before", "difference": " change", "difference_low": " low", "difference_high": " high"}
_SHARES = {
    "quarantine_share": ["quarantine_share"],
    "snapshot_complete": ["complete_share", "customers"],
    "consent_share": ["consent_share"],
}
"""The shares that a check judges."""


def _largest(rows: pd.DataFrame, by: str, figures: Sequence[str]) -> dict[str, float]:
    """Figures of the row with the largest value of one."""
    worst = rows.sort_values(by, ascending=False).head(1)
    return {} if rows[by].isna().all() else {name: float(worst[name].iloc[0]) for name in figures}


def _moved(rows: pd.DataFrame) -> str:
    """What is beyond a limit."""
    bad = rows[rows["status"].isin(_BAD)].sort_values("psi", ascending=False)
    return ", ".join(f"{name}: {psi:.2f}" for name, psi in bad[["name", "psi"]].itertuples(index=False))


def _by_name(shares: pd.DataFrame, names: Sequence[str]) -> dict[str, float]:
    """Figures of shares, each under its name."""
    rows = shares.set_index("name").loc[list(names)]
    return {f"{name}{end}": float(rows[column][name]) for name in names for column, end in _SHARE.items()}


_BAD = ("moderate", "shifted")


def _judged(name: str, rows: pd.DataFrame, numbers: Mapping[str, float], which: str = "", status: str = "status") -> Check:
    """Passed unless a row is beyond a limit, an error where one is beyond the hard one; what is unknown passes and says so."""
    levels = set(rows[status])
    known = {key: float(value) for key, value in numbers.items() if pd.notna(value)}
    worst = next((s for s in ("shifted", "moderate", "stable", "no_reference") if s in levels), "not_enough_data")
    figures: dict[str, float | str] = {"status": worst, **known, **({"which": which} if which else {})}
    severity = dg.AssetCheckSeverity.ERROR if "shifted" in levels else None
    return Check(name, not levels & set(_BAD), figures, severity).evaluated_if(worst in (*_BAD, "stable"))


@dg.asset(
    ins={name: dg.AssetIn(partition_mapping=PAST) for name in ("customer_features", "customer_scores")},
    deps=[
        dg.AssetDep("campaign_ledger", partition_mapping=_BEFORE),
        dg.AssetDep("offer_plan", partition_mapping=_BEFORE),  # of customers who are not in the ledger
    ],
    **table_asset("model_health", _CODE, {"pandas", "mlflow"}),
)
def model_health(
    context: dg.AssetExecutionContext, home: Home, customer_features: Months, customer_scores: Months
) -> Iterator[Any]:
    """Compare earlier scores with the outcomes; see `monitoring.model_health`."""
    with home.step(context) as step:
        settings = home.settings()
        most, seed = settings.monitoring.max_rows, settings.model.seed
        versions = {v.version: v for v in tracking.Tracking(home.root).versions()}
        table = monitoring.model_health(
            customer_scores.only(*health.COLUMNS).sample(most, seed),
            customer_features.only(*labels.COLUMNS).sample(most, seed),
            DrawnMonths(home.root, step.month, settings, history=settings.monitoring.history_months, customers=most),
            {
                number: monitoring.ModelVersion(v.tags["month"], v.feature_months, v.foretells_same_month, v.roc_auc)
                for number, v in versions.items()
            },
            month=step.month,
            horizon=settings.value.horizon_months,
            rules=settings.labels,
            settings=settings.monitoring,
            seed=seed,
        )
        newest, promises = _newest(table), drawn.kept_promises(table)
        yield from step.publish(
            step.stage(table),
            checks=[
                _judged(
                    "calibrated",
                    newest,
                    _told(newest, "ece", "expected", "observed", "gap"),
                    status="calibration",
                ),
                _judged("ranks", newest, _told(newest, "roc_auc", "log_loss", "brier"), status="ranking"),
            ],
            metadata={
                "months with known outcomes": int((table["feature_month"] != health.ALL).sum()),
                **{name: value for name, value in _told(newest, "ece", "roc_auc", "gap").items() if pd.notna(value)},
                **({} if promises is None else {"predicted and observed": picture(promises, _ALT)}),
            },
        )


_ALT = "Predicted and observed share of decliners, and ROC-AUC, by month"


def _newest(table: pd.DataFrame) -> pd.DataFrame:
    """All months of the newest version that can be evaluated; of the newest one if none can."""
    together = table[table["feature_month"] == health.ALL].sort_values("model_version")
    known = together[together["calibration"] != "not_enough_data"]
    return (known if len(known) else together).tail(1)


def _told(rows: pd.DataFrame, *figures: str) -> dict[str, float]:
    """The figures of a version: how many customers it is evaluated on, and some figures with their intervals."""
    counts = ["model_version", "customers", "declined", "effective_customers", "offered_left_out", "in_sample_left_out"]
    ends = [f"{name}{end}" for name in figures for end in ("", "_low", "_high")]
    beside = {"ece": "ece_chance", "roc_auc": "roc_auc_at_training"}
    names = [*counts, *ends, *(beside[name] for name in figures if name in beside)]
    return {name: float(rows[name].iloc[0]) for name in names} if len(rows) else {}


ASSETS = [drift, model_health]
