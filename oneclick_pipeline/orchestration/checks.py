"""Checks of assets: the sentence for when each holds, the one for when it fails, and how a result is reported.

A check is declared once, in `CHECKS`; a blocking one stops its table before it is published, any other warns.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

import dagster as dg

from oneclick_pipeline.contracts.exports import SOURCES
from oneclick_pipeline.figures import figure, rounded
from oneclick_pipeline.model.gates import GATES

if TYPE_CHECKING:
    from collections.abc import Mapping


class Promise(NamedTuple):
    """The sentences of a check.

    Attributes:
        holds: When it holds.
        fails: When it fails.
        blocking: Whether its table is then not published.
    """

    holds: str
    fails: str
    blocking: bool = False


_STOPS = True
_OF_AN_EXPORT = {
    "lines_split": Promise("Every line has as many fields as the header", "Some lines have more or fewer fields than the header"),
    "known_columns": Promise("There are no unknown columns", "There are unknown columns"),
}
_OF_A_CLEAN_TABLE = {
    "rows_accounted": Promise(
        "Clean rows, rejected rows and exact copies add up to the rows read",
        "Clean rows, rejected rows and exact copies do not add up to the rows read",
        _STOPS,
    ),
    "rejected_share": Promise(
        "The share of rejected rows is within the limit of the settings",
        "More rows were rejected than the settings allow, or none are left",
        _STOPS,
    ),
    "plausible_scale": Promise(
        "The medians of the month are on the scale of the month before and of one another, or the settings accept them",
        "A median of the month is 20 times or a twentieth of that of the month before, or of another period",
        _STOPS,
    ),
}
_OF_PERIODS = {
    "every_period": Promise("Every period of the file has rows", "A period of the file has no rows that can be used", _STOPS)
}
PROMISES: dict[str, dict[str, Promise]] = {
    **{source.file: _OF_AN_EXPORT for source in SOURCES},
    **{s.name: _OF_A_CLEAN_TABLE | (_OF_PERIODS if "period" in s.names else {}) for s in SOURCES},
    "rejected_rows": {"nothing_rejected": Promise("No row was rejected", "Some rows were rejected")},
    "customer_features": {
        "no_customer_lost": Promise(
            "Every customer of any clean table has a row", "Some customers of the clean tables have no row", _STOPS
        ),
        "files_complete": Promise("Every customer is in every file", "Some customers are missing from a file"),
        "regular_customers": Promise(
            "At least half of the customers are regular", "Fewer than half of the customers are regular"
        ),
    },
    "data_profile": {
        "no_constant_column": Promise("Every feature takes at least two values", "Some features have only one value")
    },
    "correlations": {"no_collinear_features": Promise("No two features are collinear", "Some features are collinear")},
    "training_set": {
        "both_classes": Promise("Both classes are present", "All labelled customers have the same class", _STOPS),
        "no_feature_is_the_label": Promise(
            "No feature alone predicts the label almost perfectly",
            "One feature alone predicts the label almost perfectly",
            _STOPS,
        ),
        "nothing_from_the_future": Promise(
            "No column repeats what a later month holds", "A column is unknown, or repeats what a later month holds", _STOPS
        ),
        "rule_agrees": Promise(
            "Revenue rule and delivered class agree for at least 70 % of the customers who have both",
            "Revenue rule and delivered class agree for fewer than 70 % of the customers who have both",
        ),
    },
    # none blocks: a refused challenger leaves the champion in place, and scores are made with that
    "activity_model": {name: Promise(*sentences) for name, sentences in GATES.items()},
    "model_explanation": {
        "something_matters": Promise("At least one feature clearly matters", "No feature clearly matters"),
        "reasons_faithful": Promise(
            "The top reason agrees with the Shapley values for at least 70 % of held-out customers",
            "The top reason agrees with the Shapley values for fewer than 70 % of held-out customers",
        ),
    },
    "customer_scores": {
        "every_customer": Promise(
            "Every customer has one row, and every scored one a probability",
            "Some customers have no row, or are scored and have no probability",
            _STOPS,
        ),
        "scores_match_reality": Promise(
            "The mean p_decline is near the share of customers who declined",
            "The mean p_decline is far from the share of customers who declined",
        ),
    },
    "customer_segments": {
        "every_customer": Promise(
            "Every customer is in exactly one segment", "Some customers are in no segment, or have no row", _STOPS
        )
    },
    "segment_profiles": {
        "customers_add_up": Promise(
            "The segments' customers add up to all customers", "The segments' customers do not add up to all customers", _STOPS
        )
    },
    "campaign_outcomes": {
        "nobody_lost": Promise(
            "Every customer in the ledger of a campaign with an outcome has a row, vanished or not",
            "Some customers in the ledger of a campaign with an outcome have no row",
            _STOPS,
        )
    },
    "offer_effects": {
        "split_as_planned": Promise(
            "The arms of every comparison are as large as planned", "The arms of some comparisons are not as large as planned"
        )
    },
    "offer_beliefs": {
        "every_offer": Promise(
            "There is a belief about every offer of the catalogue", "Beliefs and catalogue do not have the same offers", _STOPS
        ),
        "as_measured": Promise(
            "Every belief agrees with what the campaigns measured, within chance",
            "A belief differs from what the campaigns measured by more than chance",
        ),
    },
    "offer_plan": {
        "consent": Promise(
            "Every customer with an offer has consented to messages",
            "Some customers with an offer have not consented to messages",
            _STOPS,
        ),
        "within_budget": Promise("The offers cost no more than the budget", "The offers cost more than the budget", _STOPS),
        "within_capacities": Promise(
            "No offer is given more often than its capacity", "Some offers are given more often than their capacity", _STOPS
        ),
        "near_optimal": Promise(
            "The plan's expected gain is within 0.1 % of the best possible",
            "The plan's expected gain may be more than 0.1 % below the best possible",
        ),
    },
    "plan_summary": {
        "worth_its_cost": Promise(
            "The offers are expected to bring more than they cost", "The offers are not expected to bring more than they cost"
        )
    },
    "profit_curve": {
        "agrees_with_the_past": Promise(
            "Earlier campaigns showed what the plan expects, within the intervals",
            "Earlier campaigns showed another gain than the plan expects, beyond the intervals",
        )
    },
    "offers_export": {
        "published_as_planned": Promise(
            "What was published is the plan of this run", "What was published is an earlier plan, not that of this run"
        )
    },
    # none blocks: drifted data are scored anyway; beyond the hard limit `retrain` is due
    "drift": {
        "features_stable": Promise(
            "No feature has drifted beyond chance since the champion was trained",
            "Some features have drifted since the champion was trained",
        ),
        "scores_stable": Promise(
            "The scores have not drifted beyond chance since the champion was trained",
            "The scores have drifted since the champion was trained",
        ),
        "quarantine_share": Promise("Few rows were quarantined", "Many rows were quarantined"),
        "snapshot_complete": Promise(
            "Few customers are missing from a file, and there are about as many as when the champion was trained",
            "Many customers are missing from a file, or their number has changed since the champion was trained",
        ),
        "consent_share": Promise(
            "About as many customers allow messages as when the champion was trained",
            "The share of customers who allow messages has changed since the champion was trained",
        ),
        "no_new_categories": Promise(
            "No category is new since the champion was trained", "Some categories are new since the champion was trained"
        ),
    },
    "model_health": {
        "calibrated": Promise(
            "As many customers declined as the scores predicted, at every level of the score",
            "More or fewer customers declined than the scores predicted",
        ),
        "ranks": Promise(
            "The scores rank customers as well as when the model was trained",
            "The scores rank customers worse than when the model was trained",
        ),
    },
    "monthly_report": {
        "self_contained": Promise("The page loads nothing and runs nothing", "The page loads or runs something", _STOPS),
        "figures_agree": Promise(
            "Page, segments and plan have the same number of customers",
            "Page, segments and plan do not have the same number of customers",
            _STOPS,
        ),
    },
}

CHECKS: dict[str, list[dg.AssetCheckSpec]] = {
    asset: [dg.AssetCheckSpec(name, asset=asset, blocking=p.blocking, description=p.holds) for name, p in promises.items()]
    for asset, promises in PROMISES.items()
}
NOT_EVALUATED = "Not evaluated: there is no data for it"


@dataclass(frozen=True)
class Check:
    """The result of a check; its step knows of which asset.

    Attributes:
        name: Its name.
        passed: Whether it holds.
        figures: The figures behind the result.
        severity: Of a failure; an error where it blocks and a warning elsewhere by default.
        evaluated: Whether there was data to evaluate it; if not, it passes and says so.
        table: The asset, where a step makes several.
    """

    name: str
    passed: bool
    figures: Mapping[str, float | str] = field(default_factory=dict)
    severity: dg.AssetCheckSeverity | None = None
    evaluated: bool = True
    table: str = ""

    def of(self, table: str) -> Check:
        """The same for one of the tables of a step."""
        return replace(self, table=table)

    def evaluated_if(self, there: bool) -> Check:  # noqa: FBT001
        """The same, marked as evaluated only if there was data for it."""
        return replace(self, evaluated=there)


def check(name: str, /, *, passed: bool, **figures: float | str) -> Check:
    """The result of a declared check, with the figures behind it."""
    return Check(name, bool(passed), figures)


def result(asset: str, one: Check) -> dg.AssetCheckResult:
    """What Dagster keeps of a check: its sentence with the numbers, and the figures to be plotted."""
    promise = PROMISES[asset][one.name]
    sentence = NOT_EVALUATED if not one.evaluated else promise.holds if one.passed else promise.fails
    numbers = _in_words({name: value for name, value in one.figures.items() if not isinstance(value, str)})
    return dg.AssetCheckResult(
        asset_key=asset,
        check_name=one.name,
        passed=one.passed,
        severity=one.severity or (dg.AssetCheckSeverity.ERROR if promise.blocking else dg.AssetCheckSeverity.WARN),
        description=f"{sentence} ({numbers})" if numbers else sentence,  # no text of the data: a page takes it for Markdown
        metadata={name: rounded(value) for name, value in one.figures.items()},
    )


def is_blocking(evaluated: dg.AssetCheckResult) -> bool:
    """Whether a result forbids publishing."""
    asset, name = evaluated.asset_key, evaluated.check_name
    return not evaluated.passed and asset is not None and PROMISES[asset.to_user_string()][str(name)].blocking


def failure(evaluation: dg.AssetCheckEvaluation) -> str:
    """The sentence of a failed check, without its figures: our own words."""
    return PROMISES[evaluation.asset_key.to_user_string()][evaluation.check_name].fails


def failure_with_figures(evaluation: dg.AssetCheckEvaluation) -> str:
    """The sentence of a failed check, and its figures."""
    in_words = evaluation.metadata.get("figures")
    figures = {name: value.value for name, value in evaluation.metadata.items() if value.value != ""}
    return f"{failure(evaluation)} ({_in_words(figures) if in_words is None else in_words.value})"


def _in_words(figures: Mapping[str, object]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {figure(value)}" for name, value in figures.items())
