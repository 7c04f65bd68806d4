"""Checks of assets: what is promised about every table, and how a result is reported.

A check is declared once, in `CHECKS`; a blocking one stops its table before it is published, any other warns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg

from oneclick_pipeline.model.gates import GATES

if TYPE_CHECKING:
    from collections.abc import Sequence

_DECLARED: dict[str, dict[str, tuple[bool, str]]] = {
    **{
        file: {
            "lines_split": (False, "Every line has as many fields as the header"),
            "known_columns": (False, "No unknown columns"),
        }
        for file in ("market_file", "market_money", "market_time", "money")
    },
    **{
        table: {
            "rows_accounted": (True, "Rows read = clean rows + rejected rows + exact copies"),
            "rejected_share": (True, "The share of rejected rows is within the settings' limit"),
        }
        for table in ("customers", "revenue", "site_minutes", "profit")
    },
    "rejected_rows": {"nothing_rejected": (False, "No row was rejected")},
    "customer_features": {
        "no_customer_lost": (True, "Every customer of any clean table has a row"),
        "files_complete": (False, "Every customer is in every file"),
        "regular_customers": (False, "At least half of the customers are regular"),
    },
    "data_profile": {"no_constant_column": (False, "Every feature takes at least two values")},
    "correlations": {"no_collinear_features": (False, "No two features are collinear")},
    "training_set": {
        "both_classes": (True, "Both classes are there"),
        "no_feature_is_the_label": (True, "No feature alone predicts the label almost perfectly"),
        "nothing_from_the_future": (True, "No column repeats what a later month holds"),
        "rule_agrees": (
            False,
            "Where both exist, revenue rule and delivered class agree for at least 70 % of customers",
        ),
    },
    # none blocks: a refused challenger leaves the champion in place, and scores are made with that
    "activity_model": {name: (False, promise) for name, promise in GATES.items()},
    "model_explanation": {
        "something_matters": (False, "At least one feature matters beyond doubt"),
        "reasons_faithful": (False, "At least 70 % of held-out customers have the top reason that their Shapley values say"),
    },
    "customer_scores": {
        "every_customer": (True, "Every customer has one row, and every one with features a probability"),
        "scores_match_reality": (False, "Mean p_decline of the classed customers is near the share that declined"),
    },
    "profit_curve": {
        "worth_treating": (False, "The offer of the settings is worth its cost for at least one customer"),
        "beats_random": (False, "At the best share the realised profit is no lower than that of customers drawn at random"),
    },
    "customer_segments": {"every_customer": (True, "Every customer is in exactly one segment")},
    "segment_profiles": {"customers_add_up": (True, "The segments' customers add up to all customers")},
    "campaign_outcomes": {
        "nobody_lost": (True, "Everybody in the ledger of a campaign with an outcome has a row, vanished or not")
    },
    "offer_effects": {"split_as_planned": (False, "The arms of every comparison are as large as the plan meant them to be")},
    "offer_beliefs": {
        "every_offer": (True, "Every offer of the catalogue is believed something of"),
        "as_measured": (False, "No belief lies far from what the campaigns measured by chance alone"),
    },
    "offer_plan": {
        "consent": (True, "Nobody who has not allowed messages gets an offer"),
        "within_budget": (True, "The offers cost no more than the budget"),
        "within_capacities": (True, "No offer is given more often than its capacity"),
        "near_optimal": (False, "The plan's expected gain is within 0.1 % of the best there is"),
    },
    "offers_export": {"published_as_planned": (False, "What was published is the plan of this run")},
    # none blocks: what has moved is scored all the same; beyond the hard limit `retrain` is due
    "drift": {
        "features_stable": (False, "No feature has moved, beyond chance, since the champion was trained"),
        "scores_stable": (False, "Nor have the scores"),
        "quarantine_share": (False, "Hardly any row was quarantined"),
        "snapshot_complete": (False, "Hardly any customer is missing from a file, and there are about as many as then"),
        "consent_share": (False, "About as many customers allow messages as then"),
        "no_new_categories": (False, "Nobody has a category that nobody had then"),
    },
    "model_health": {
        "calibrated": (False, "As many declined as the scores promised, at every level of the score"),
        "ranks": (False, "The scores tell decliners from others as well as when the model was trained"),
    },
    "monthly_report": {
        "self_contained": (True, "The page loads nothing and runs nothing"),
        "figures_agree": (True, "As many customers stand on the page as in the segments and in the plan"),
    },
}

CHECKS: dict[str, list[dg.AssetCheckSpec]] = {
    asset: [dg.AssetCheckSpec(name, asset=asset, blocking=blocking, description=text) for name, (blocking, text) in specs.items()]
    for asset, specs in _DECLARED.items()
}

_BLOCKING = {(spec.asset_key, spec.name) for specs in CHECKS.values() for spec in specs if spec.blocking}


def check(
    asset: str, name: str, severity: dg.AssetCheckSeverity | None = None, /, *, passed: bool, **numbers: float | str
) -> dg.AssetCheckResult:
    """The result of a declared check, with the numbers it was judged by; a blocking one is an error, another warns by default."""
    blocking, _ = _DECLARED[asset][name]
    severity = severity or (dg.AssetCheckSeverity.ERROR if blocking else dg.AssetCheckSeverity.WARN)
    return dg.AssetCheckResult(asset_key=asset, check_name=name, passed=bool(passed), severity=severity, metadata=numbers)


def failed_blocking(results: Sequence[dg.AssetCheckResult]) -> list[dg.AssetCheckResult]:
    """The results that forbid publishing."""
    return [r for r in results if not r.passed and (r.asset_key, r.check_name) in _BLOCKING]


def promised(evaluation: dg.AssetCheckEvaluation) -> str:
    """What a check that did not pass promises: our own words, without its numbers."""
    return f"{evaluation.check_name}: not so: {_DECLARED[evaluation.asset_key.to_user_string()][evaluation.check_name][1]}"


def told(evaluation: dg.AssetCheckEvaluation) -> str:
    """What a check that did not pass promises, and its numbers."""
    _, promised = _DECLARED[evaluation.asset_key.to_user_string()][evaluation.check_name]
    in_words = evaluation.metadata.get("figures")
    numbers = ", ".join(f"{name} {value.value}" for name, value in evaluation.metadata.items() if value.value != "")
    return f"not so: {promised} ({numbers if in_words is None else in_words.value})"
