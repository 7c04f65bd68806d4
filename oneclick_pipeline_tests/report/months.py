"""A month small enough to be written down, for the tests of the report."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from oneclick_pipeline.catalogue.reader import Catalogue
from oneclick_pipeline.contracts.campaigns import OFFER_BELIEFS, OFFER_EFFECTS
from oneclick_pipeline.contracts.customers import CUSTOMER_FEATURES, FEATURE_NAMES
from oneclick_pipeline.contracts.exploration import CORRELATIONS, DATA_PROFILE
from oneclick_pipeline.contracts.monitoring import DRIFT, MODEL_HEALTH
from oneclick_pipeline.contracts.offers import OFFER_PLAN, PLAN_SUMMARY, PROFIT_CURVE
from oneclick_pipeline.contracts.scores import CUSTOMER_SCORES, RECOGNITION
from oneclick_pipeline.model.band_errors import BandErrors
from oneclick_pipeline.model.metrics import METRICS
from oneclick_pipeline.raw.facts import FileFacts
from oneclick_pipeline.report.facts import gather
from oneclick_pipeline.report.source import Before, Month
from oneclick_pipeline.segments import customer_segments, segment_profiles, thresholds
from oneclick_pipeline.settings import Settings
from oneclick_pipeline.stats import Interval
from oneclick_pipeline.tracking.evaluation import Evaluation, Family

if TYPE_CHECKING:
    from oneclick_pipeline.contracts.schema import Table

MONTH, EARLIER = "2026-10", "2026-09"
CUSTOMERS = 120
OFFERS = Catalogue.bundled().offers
DELIVERED = FileFacts.from_json(json.dumps({
    "file": "market_file", "size": 9, "sha256": "0", "encoding": "utf-8", "byte_order_mark": False, "delimiter": ",",
    "decimal_mark": ".", "line_end": "LF", "header": ["id"], "extra_columns": [], "rewritten": False, "plain_rows": 120,
    "not_plain": [], "modified_ns": 1,
}))  # fmt: skip
"""What a previous version kept of a file."""
ERRORS = BandErrors(tuple(tuple(0.0004 * (a == b) for a in range(10)) for b in range(10)))
"""A model whose mean is off by two points in every band."""
REASON = ("выручки меньше, чем месяц назад: риск выше", "less revenue than a month ago: higher risk")


def frame(table: Table, rows: list[dict]) -> pd.DataFrame:
    """Rows of a table; what is left out is empty."""
    return pd.DataFrame([{name: row.get(name) for name in table.names} for row in rows], columns=table.names)


def features(customers: int = CUSTOMERS, **changes) -> pd.DataFrame:
    """Customers of whom the first third has few pages and little revenue."""
    rng = np.random.default_rng(1)
    n = np.arange(customers)
    weak = n < customers // 3
    columns = {name: rng.integers(1, 9, customers).astype(float) for name in FEATURE_NAMES} | {
        "customer_id": n + 1000,
        "activity": np.where(weak, "declined", "stable"),
        "service_level": np.where(n % 3 == 0, "premium", "standard"),
        "marketing_consent": (n % 4 > 0).astype(object),
        "favourite_category": np.where(n % 2 == 0, "Товары для детей", "Кухонная посуда"),
        "promo_share": rng.uniform(0.1, 0.6, customers),
        "pages_per_visit": np.where(weak, 3.0, 9.0) + rng.uniform(0, 1, customers),
        "profit": 2.0 + (n % 5),
        "regular": np.full(customers, fill_value=True),
        "regular_reason": "regular",
        "missing_from": "",
    }
    for m, base in (("m0", 3000.0), ("m1", 3300.0), ("m2", 3500.0)):
        columns[f"revenue_{m}"] = np.where(weak, base, 5000.0) + rng.uniform(-200, 200, customers)
    return pd.DataFrame(columns | changes)[CUSTOMER_FEATURES.names]


def scores(wide: pd.DataFrame, version: int = 2, **changes) -> pd.DataFrame:
    """Scores by which the weak third declines with 0.9 and everybody else with 0.1."""
    p = np.where(wide["activity"] == "declined", 0.9, 0.1)
    known = {
        "customer_id": wide["customer_id"],
        "p_decline": p,
        "score_basis": "out_of_fold",
        "meaning": RECOGNITION,
        "regular": wide["regular"],
        "profit": wide["profit"],
        "value_at_risk": p * wide["profit"] * 3,
        "model_name": "activity_decline",
        "model_version": version,
        "reason_1": "revenue_m0",
        "reason_1_effect": np.where(p > 0.5, 1.0, -1.0),
        "reason_1_ru": REASON[0],
        "reason_1_en": REASON[1],
    }
    return pd.DataFrame(known | changes).reindex(columns=CUSTOMER_SCORES.names)


def judged(**changes) -> Evaluation:
    """A model of version 2 that was trained on the month itself."""
    metrics = {name: Interval(0.3, 0.2, 0.4) for name in METRICS} | {"roc_auc": Interval(0.9, 0.88, 0.92)}
    known = {
        "version": 2, "month": MONTH, "family": "Soft vote", "feature_months": (MONTH,), "same_month": True, "rows": 120,
        "metrics": metrics, "families": (Family("Soft vote", True, metrics), Family("Decision tree", False, metrics)),
        "slices": pd.DataFrame(), "out_of_time": pd.DataFrame(), "failed_gates": (), "out_of_fold": pd.DataFrame(),
    }  # fmt: skip
    return Evaluation(**(known | changes))


def plan(segments: pd.DataFrame) -> pd.DataFrame:
    """The first ten customers get an offer, the next two are held out of it, nobody else gets any."""
    rows = []
    for place, (customer, segment, p) in enumerate(segments[["customer_id", "segment", "p_decline"]].itertuples(index=False)):
        arm = "offer" if place < 10 else "control" if place < 12 else "none"
        rows.append({
            "customer_id": customer, "arm": arm, "offer_id": OFFERS[0].id if arm != "none" else None, "segment": str(segment),
            "reason": {"offer": "offered", "control": "control", "none": "no_consent"}[arm], "p_decline": p, "value": 2.0,
            "expected_effect": -0.1 if arm == "offer" else None, "expected_gain": 0.15 if arm == "offer" else None,
            "cost": 0.05 if arm == "offer" else 0.0,
        })  # fmt: skip
    return frame(OFFER_PLAN, rows)


def summary(**changes) -> pd.DataFrame:
    """The figures of that plan."""
    known = {
        "month": MONTH, "customers": 120, "budget": 30.0, "offers": 10, "controls": 2, "cost": 0.5, "expected_gain": 1.5,
        "expected_gain_low": 0.25, "expected_gain_high": 2.75, "price_of_budget": 0.7, "effects": "catalogue", "worth": "assumed",
        "worth_months": 3, "worth_share": 0.2, "profit_unit_roubles": 1000.0,
    }  # fmt: skip
    return frame(PLAN_SUMMARY, [known | changes])


def curve(past: float | None = None) -> pd.DataFrame:
    """What it would bring with other budgets; `past` is what earlier campaigns showed of the whole."""
    rows = []
    for share, gain in ((0.0, 0.0), (0.5, 1.0), (1.0, 1.5), (2.0, 1.8)):
        known = {"budget_share": share, "budget": 30 * share, "offers": int(10 * share), "cost": 0.5 * share}
        known |= {"expected_gain": gain, "expected_gain_low": gain - 1.25 * share, "expected_gain_high": gain + 1.25 * share}
        if past is not None:
            known |= {"past_gain": past * share, "past_gain_low": past * share - 1, "past_gain_high": past * share + 1}
        rows.append(known)
    return frame(PROFIT_CURVE, rows)


BELIEFS = frame(OFFER_BELIEFS, [
    {"offer_id": o.id, "segment": "all", "prior_mean": -0.06, "prior_sd": 0.04, "campaigns": 0, "customers": 0, "mean": -0.06,
     "sd": 0.04} for o in OFFERS
])  # fmt: skip


def drift(reference: str | None = "2026-07", **status: str) -> pd.DataFrame:
    """Four figures that were compared; `status` says what some have come to, by name."""
    known = {"reference_month": reference, "model_version": 2, "customers": 120, "category": ""}
    rows = []
    for name, psi in (("pages_per_visit", 0.06), ("tenure_days", 0.04), ("favourite_category", 0.02), ("p_decline", 0.03)):
        size = {"moderate": 0.15, "shifted": 0.31}.get(status.get(name, "stable"), psi)
        rows.append(known | {
            "kind": "score" if name == "p_decline" else "feature", "name": name, "psi": size, "psi_low": 0.8 * size,
            "psi_high": 1.2 * size, "psi_chance": 0.012, "status": status.get(name, "stable"),
        })  # fmt: skip
    rows.append(known | {
        "kind": "share", "name": "consent_share", "value": 0.75, "reference": 0.7, "difference": 0.05, "difference_low": 0.01,
        "difference_high": 0.09, "status": "stable",
    })  # fmt: skip
    return frame(DRIFT, rows)


def health(calibration: str = "stable", ranking: str = "stable") -> pd.DataFrame:
    """Two months of scores that have come true, of one of them of too few customers, and both together."""
    figures = {
        "expected": 0.4, "expected_low": 0.38, "expected_high": 0.42, "observed": 0.41, "observed_low": 0.35,
        "observed_high": 0.47, "roc_auc": 0.88, "roc_auc_low": 0.84, "roc_auc_high": 0.92,
    }  # fmt: skip
    known = {"model_version": 2, "customers": 300, "offered_left_out": 40, "calibration": calibration, "ranking": ranking}
    few = {"calibration": "not_enough_data", "ranking": "not_enough_data", "customers": 20}
    rows = [known | few | {"feature_month": "2026-06"}, known | figures | {"feature_month": "2026-07"},
            known | figures | {"feature_month": "all"}]  # fmt: skip
    return frame(MODEL_HEALTH, rows)


def month(wide: pd.DataFrame | None = None, meaning: str = RECOGNITION, **changes) -> Month:
    """The month, with a month before it in which five customers fewer were there; a recognition, or a `forecast`."""
    wide = features() if wide is None else wide
    scored = scores(wide)
    cuts = thresholds(scored, Settings().segments)
    segments = customer_segments(scored, cuts)
    profiles = segment_profiles(segments, wide, ERRORS, meaning=meaning)
    distributions = [{"column": "pages_per_visit", "missing": 0, "median": 8.0, "q05": 3.0, "q95": 9.9, "outliers": 0,
                      "skewness": -0.5, "normality_p": 0.0, "normal": False},
                     {"column": "favourite_category", "missing": 1, "top_value": "Товары для детей", "top_share": 0.5},
    ]  # fmt: skip
    known = {
        "month": MONTH, "features": wide, "scores": scored, "segments": segments,
        "profiles": profiles, "plan": plan(segments), "effects": frame(OFFER_EFFECTS, []),
        "beliefs": BELIEFS, "campaigns": pd.DataFrame(columns=["campaign_month", "offered", "controls", "matured"]),
        "summary": summary(), "curve": curve(),
        "profile": frame(DATA_PROFILE, distributions),
        "correlations": frame(CORRELATIONS, [{"column_a": "favourite_category", "column_b": "pages_per_visit", "phik": 0.25,
                                              "collinear": False}]),
        "explanation": None, "read": {"market_file": 120, "money": 120}, "facts": {"market_file": DELIVERED},
        "quarantined": {"money": 3}, "corrected": {"spelling": 2}, "missing": {},
        "before": Before(EARLIER, segments.iloc[5:].reset_index(drop=True), profiles, 2, {}, {"money": 115}),
        "model": judged(same_month=meaning == RECOGNITION),
        "out_of_fold": pd.DataFrame({"p_decline": [0.05] * 50 + [0.95] * 50, "declined": [0] * 52 + [1] * 48}),
        "drift": drift(), "health": health(),
    }  # fmt: skip
    return Month(**(known | changes))


def facts(**changes):
    """All figures of the month."""
    return gather(month(**changes), OFFERS, Settings())
