"""Assets of stage model: the labelled table, and the model that MLflow keeps."""

import math
from collections.abc import Iterator
from functools import partial
from typing import Any

import dagster as dg
import pandas as pd

from oneclick_pipeline import contracts, experiment, model, pictures, stats, tracking
from oneclick_pipeline.contracts.model import LABEL_SOURCES
from oneclick_pipeline.model import labels, leakage
from oneclick_pipeline.model.training_set import left_out
from oneclick_pipeline.orchestration.asset_specs import OWNERS, code_version, table_asset
from oneclick_pipeline.orchestration.checks import CHECKS, Check, check, result
from oneclick_pipeline.orchestration.drawn_months import DrawnMonths
from oneclick_pipeline.orchestration.metadata import embedded, picture
from oneclick_pipeline.orchestration.metadata import table as markdown_table
from oneclick_pipeline.orchestration.resources import Home
from oneclick_pipeline.orchestration.table_months import Months
from oneclick_pipeline.raw.export import Export
from oneclick_pipeline.scores.meaning import sentence
from oneclick_pipeline.tracking import challenge

_CODE = code_version(model, experiment, stats, tracking, pictures, contracts)
_AGREES, _TOP = 0.7, 5
_SAME_REASON = 0.7
_DRAWN = 10
"""Limit of customers drawn per customer that training uses at most."""
_WINDOW = 60 + 12 - 1
"""Months of features before its own that a training set may reach: the most that the settings allow, history and horizon."""


@dg.asset(
    ins={"customer_features": dg.AssetIn(partition_mapping=dg.TimeWindowPartitionMapping(start_offset=-_WINDOW))},
    # Customers who are not in the ledger are looked up in the plans: these, declared, would close a circle.
    deps=[dg.AssetDep("campaign_ledger", partition_mapping=dg.TimeWindowPartitionMapping(start_offset=-_WINDOW, end_offset=-1))],
    **table_asset("training_set", _CODE, {"pandas"}),
)
def training_set(
    context: dg.AssetExecutionContext, home: Home, customer_features: Months, market_file: Export, market_money: Export
) -> Iterator[Any]:
    """Collect the regular customers with a label, and guard against leaks; see `model.training_set` and `model.leakage`."""
    with home.step(context) as step:
        settings, horizon = home.settings(), home.settings().value.horizon_months
        most = _DRAWN * settings.model.max_rows
        some = customer_features.sample(most, settings.model.seed)
        history = settings.labels.history_months + horizon
        drawn = DrawnMonths(home.root, step.month, settings, history=history, customers=most)
        table = model.training_set(some, month=step.month, horizon=horizon, settings=settings.labels, drawn=drawn)
        agreement = labels.agreement(some.only(*labels.COLUMNS), month=step.month, settings=settings.labels)
        leaks = leakage.leaks(table, some.only(*leakage.COLUMNS), horizon=horizon, settings=settings.labels)
        checks = _checks_of_training(table, agreement, leaks)
        if leaks.error is not None:
            yield from map(partial(result, step.asset), checks)
            raise leaks.error
        newest = table[table["label_month"] == step.month]
        raw_order = [_texts(market_file, "line", "customer_id"), _texts(market_money, "line", "customer_id", "period")]
        yield from step.publish(
            step.stage(table),
            checks,
            {
                "customers drawn": "all" if some is customer_features else "a random sample: there are more than needed",
                "label rule": labels.rule_in_words(table, settings.labels),
                "revenue rule and delivered class agree": str(agreement),
                **_facts_of_training(table),
                **{f"ROC-AUC of {name} alone": float(auc) for name, auc in leaks.aucs.head(_TOP).items()},
                **{
                    f"ROC-AUC of {name} in the export (kept from the model)": auc
                    for name, auc in leakage.order_leaks(newest, *raw_order).items()
                },
            },
            why=(
                f"market_file.csv, column «Покупательская активность»: all {len(table)} labelled customers have the same class. "
                "What to do: deliver customers of both classes, or run the job refresh, which does not train"
            ),
        )


def _checks_of_training(table: pd.DataFrame, agreement: labels.Agreement, leaks: leakage.Leaks) -> list[Check]:
    declined = int(table["declined"].sum())
    share = agreement.share
    agrees = check(
        "rule_agrees",
        passed=share is None or share.estimate >= _AGREES,
        customers=agreement.customers,
        agreement=str(agreement),
    )
    return [
        check("both_classes", passed=0 < declined < len(table), declined=declined, customers=len(table)),
        check("no_feature_is_the_label", passed=leaks.disguised is None, **_highest(leaks.aucs)),
        check("nothing_from_the_future", passed=leaks.future is None, **_most_equal(leaks.shares)),
        agrees.evaluated_if(share is not None),
    ]


def _facts_of_training(table: pd.DataFrame) -> dict[str, Any]:
    """A summary of a training set."""
    declined = int(table["declined"].sum())
    return {
        "declined": declined,
        "share declined": declined / max(len(table), 1),
        "customers": int(table["customer_id"].nunique()),
        "customers left out, because an offer may have influenced their label": left_out(table),
        "largest weight of a customer": float(table["weight"].max()),
        "rows grouped with others (same features or same customer)": int(table["copies"].duplicated(keep=False).sum()),
        "feature months": ", ".join(sorted(table["feature_month"].unique())),
        "label months": ", ".join(sorted(table["label_month"].unique())),
        **{f"labels {source}": int((table["label_source"] == source).sum()) for source in LABEL_SOURCES},
    }


def _texts(export: Export, *columns: str) -> pd.DataFrame:
    """Columns of an export as it came."""
    export.verify()
    texts = export.lines().select(columns).collect().to_pandas()
    export.verify()
    return texts


def _finite(figures: dict[str, float | str]) -> dict[str, float]:
    """The numbers among figures, which Dagster plots over the months."""
    return {name: value for name, value in figures.items() if isinstance(value, float | int) and math.isfinite(value)}


def _highest(aucs: pd.Series) -> dict[str, float | str]:
    """The strongest single feature, as the figures of a check."""
    return {"roc_auc": float(aucs.iloc[0]), "feature": str(aucs.index[0])} if len(aucs) else {"customers": "too few to compare"}


def _most_equal(shares: pd.DataFrame) -> dict[str, float | str]:
    """The column that resembles a later month most, as the figures of a check."""
    if shares.empty:
        return {"comparisons": 0}
    worst = shares.iloc[0]
    which = f"{worst['feature']} of {worst['feature_month']} and {worst['later']} of {worst['later_month']}"
    return {"comparisons": len(shares), "share_equal": float(worst["share"]), "which": which}


@dg.asset(
    name="activity_model",
    group_name="model",
    description=(
        "The model of p_decline: searched over families, evaluated by nested cross-validation, registered in MLflow "
        "as `activity_decline`. A challenger that passes every gate becomes `champion`; any other leaves the champion in place."
    ),
    owners=[OWNERS["model"]],
    kinds={"scikitlearn", "mlflow"},
    code_version=_CODE,
    check_specs=CHECKS["activity_model"],
)
def activity_model(context: dg.AssetExecutionContext, home: Home, training_set: pd.DataFrame) -> Iterator[Any]:
    """Train a challenger and promote it if it passes every gate; see `tracking.challenge`."""
    with home.step(context) as step:
        settings, store = home.settings(), tracking.Tracking(home.root)
        tags = {"dagster_run_id": context.run.run_id, "dagster_asset": step.asset, "code_version": _CODE}
        outcome = challenge.challenge(store, training_set, settings, month=step.month, tags=tags)
        if outcome.unusable:
            context.log.warning("the challenger is evaluated as if there were no champion: %s", outcome.unusable)
        yield from step.report(
            check(gate.name, passed=gate.passed, figures=gate.text, **_finite(gate.figures)) for gate in outcome.gates
        )
        champion = challenge.settle(store, outcome)
        version = outcome.version
        pictures_of = {
            "ROC and calibration": ("curves.png", "ROC and calibration, out of fold"),
            "calibration": ("calibration.png", "Reliability before and after calibration"),
            "comparison of families": ("families.png", "Families with 95 % intervals"),
        }
        yield step.materialized(
            {
                "model": f"{version.name} version {version.version}",
                "champion": f"{champion.name} version {champion.version}",
                "promoted": f"no: {outcome.refused}" if outcome.refused else "yes: it passed every gate",
                **({"the previous champion could not be used": outcome.unusable} if outcome.unusable else {}),
                "what p_decline is about": sentence(champion.meaning, step.month, settings.value.horizon_months),
                **_facts_of_model(outcome),
                **{name: embedded(store.picture(version, file), alt) for name, (file, alt) in pictures_of.items()},
                "MLflow run": version.run_id,
                "in MLflow": dg.MetadataValue.url(settings.report.mlflow_url + store.run_path(version.run_id)),
            },
            data_version=f"{champion.name}-{champion.version}",  # of the model that scores: it may be the old one
        )


def _facts_of_model(outcome: challenge.Challenge) -> dict[str, Any]:
    """How a model was chosen and evaluated."""
    trained = outcome.trained
    families = [(f.label, f.metrics["roc_auc"], f.metrics["log_loss"], f.metrics["ece"]) for f in trained.families]
    judged = [(g.name, "passed" if g.passed else "**failed**", pictures.literal(g.text)) for g in outcome.gates]
    return {
        "gates": markdown_table(("gate", "", "figures"), judged),
        "family": trained.family,
        "parameters": trained.parameters,
        "how the model was chosen": trained.rule,
        "families, nested estimates with 95 % intervals": markdown_table(("family", "ROC-AUC", "log loss", "ECE"), families),
        **{name: interval.estimate for name, interval in trained.metrics.items()},
        "rows": f"{trained.rows} of {trained.rows_available}",
    }


@dg.asset(deps=["activity_model"], **table_asset("model_explanation", _CODE, {"scikitlearn"}))
def model_explanation(context: dg.AssetExecutionContext, home: Home, training_set: pd.DataFrame) -> Iterator[Any]:
    """Explain the champion; see `model.model_explanation`."""
    with home.step(context) as step:
        store = tracking.Tracking(home.root)
        champion = store.require_champion()
        contributions = model.Contributions.from_json(store.contributions(champion))
        values = store.shapley(champion)
        table = model.model_explanation(store.load(champion), training_set, values, home.settings().model)
        faithful = contributions.fidelity
        sure = table[table["log_loss_increase_low"] > 0]
        yield from step.publish(
            step.stage(table),
            checks=[
                check(
                    "something_matters",
                    passed=len(sure) > 0,
                    features=len(sure),
                    which=", ".join(sure["feature"]),
                ),
                check(
                    "reasons_faithful",
                    passed=faithful.top_reason >= _SAME_REASON,
                    method=contributions.method,
                    customers=faithful.customers,
                    same_top_reason=faithful.top_reason,
                    same_of_top_three=faithful.top_three,
                    r2=faithful.r2,
                ),
            ],
            metadata={
                "permutation importance": picture(model.importance(table), "Permutation importance of every feature"),
                "Shapley values": picture(model.beeswarm(values), "Shapley values of sampled customers, one dot per customer"),
                "dependence": picture(
                    model.dependence(values, contributions), "Shapley values against the values of the strongest features"
                ),
                "how reasons are made": contributions.method,
                "model": f"{champion.name} version {champion.version}",
            },
        )


ASSETS = [training_set, activity_model, model_explanation]
