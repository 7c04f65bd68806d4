"""Assets of stage model: the labelled table, and the model that MLflow keeps."""

import math
from collections.abc import Iterator
from typing import Any

import dagster as dg
import pandas as pd

from oneclick_pipeline import contracts, model, pictures, tracking
from oneclick_pipeline.contracts.model import LABEL_SOURCES
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.model import gates, labels, leakage
from oneclick_pipeline.orchestration.asset_specs import OWNERS, code_version, embedded, picture, table_asset
from oneclick_pipeline.orchestration.checks import CHECKS, check
from oneclick_pipeline.orchestration.resources import Home, Months
from oneclick_pipeline.raw.export import Export

_CODE = code_version(model, tracking, pictures, contracts)
_AGREES, _TOP = 0.7, 5
_SAME_REASON = 0.7
_DRAWN = 10
"""Customers that are looked at for every one that training learns from at most."""
_WINDOW = 60 + 12 - 1
"""Months of features before its own that a training set may reach: the most that the settings allow, history and horizon."""


@dg.asset(
    ins={"customer_features": dg.AssetIn(partition_mapping=dg.TimeWindowPartitionMapping(start_offset=-_WINDOW))},
    **table_asset("training_set", _CODE, {"pandas"}),
)
def training_set(
    context: dg.AssetExecutionContext,
    home: Home,
    customer_features: Months,
    market_file: Export,
    market_money: Export,
) -> Iterator[Any]:
    """Collect the regular customers with a label, and guard against leaks; see `model.training_set` and `model.leakage`."""
    with home.step(context) as step:
        settings, horizon = home.settings().labels, home.settings().value.horizon_months
        everybody, seed = customer_features, home.settings().model.seed
        customer_features = everybody.sample(_DRAWN * home.settings().model.max_rows, seed)
        table = model.training_set(customer_features, month=step.month, horizon=horizon, settings=settings)
        declined = int(table["declined"].sum())
        agreement = labels.agreement(customer_features.only(*labels.COLUMNS), month=step.month, settings=settings)
        aucs = leakage.single_feature_auc(table)
        shares = leakage.future_shares(table, customer_features.only(*leakage.COLUMNS), horizon=horizon)
        disguised = leakage.disguised_label(aucs, limit=settings.max_single_auc)
        future = leakage.unknown_columns(table) or leakage.column_from_the_future(shares, limit=settings.max_future_share)
        checks = [
            check("training_set", "both_classes", passed=0 < declined < len(table), declined=declined, customers=len(table)),
            check("training_set", "no_feature_is_the_label", passed=disguised is None, **_highest(aucs)),
            check("training_set", "nothing_from_the_future", passed=future is None, **_most_equal(shares)),
            check("training_set", "rule_agrees", passed=agreement.share is None or agreement.share.estimate >= _AGREES,
                  customers=agreement.customers, agreement=str(agreement)),
        ]  # fmt: skip
        if leak := disguised or future:
            yield from checks
            raise leak
        newest = table[table["label_month"] == step.month]
        raw_order = [_texts(market_file, "line", "customer_id"), _texts(market_money, "line", "customer_id", "period")]
        yield from step.publish(
            step.stage("training_set", table),
            checks=checks,
            metadata={
                "training_set": {
                    "declined": declined,
                    "share declined": declined / max(len(table), 1),
                    "customers": int(table["customer_id"].nunique()),
                    "customers drawn": "all" if customer_features is everybody else "a random sample: there are more than enough",
                    "rows tied to another, by the same features or the same customer": int(
                        table["copies"].duplicated(keep=False).sum()
                    ),
                    "label rule": labels.rule_in_words(table, settings),
                    "feature months": ", ".join(sorted(table["feature_month"].unique())),
                    "label months": ", ".join(sorted(table["label_month"].unique())),
                    **{f"labels {source}": int((table["label_source"] == source).sum()) for source in LABEL_SOURCES},
                    "revenue rule and delivered class agree": str(agreement),
                    **{f"ROC-AUC of {name} alone": float(auc) for name, auc in aucs.head(_TOP).items()},
                    **{
                        f"ROC-AUC of {name} in the export (kept from the model)": auc
                        for name, auc in leakage.order_leaks(newest, *raw_order).items()
                    },
                }
            },
            why=(
                f"market_file.csv, column «Покупательская активность»: all {len(table)} labelled customers have one class. "
                "What to do: deliver customers of both classes, or run the job refresh, which does not train"
            ),
        )


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
    return {"roc_auc": float(aucs.iloc[0]), "feature": str(aucs.index[0])} if len(aucs) else {"customers": "too few to judge"}


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
        "The model of p_decline: searched over families, judged by nested cross-validation, registered in MLflow "
        "as `activity_decline`. A challenger that passes every gate becomes `champion`; any other leaves the champion in place."
    ),
    owners=[OWNERS["model"]],
    kinds={"scikitlearn", "mlflow"},
    code_version=_CODE,
    check_specs=CHECKS["activity_model"],
)
def activity_model(context: dg.AssetExecutionContext, home: Home, training_set: pd.DataFrame) -> Iterator[Any]:
    """Train a challenger, log it, promote it if it passes every gate; see `model.train`, `model.gates`, `tracking.Tracking`."""
    with home.step(context) as step:
        settings, store = home.settings(), tracking.Tracking(home.root)
        trained = model.train(training_set, settings.model)
        explained = model.explain(trained.pipeline, training_set, settings.model)
        tags = {"dagster_run_id": context.run.run_id, "dagster_asset": "activity_model", "code_version": _CODE}
        version = store.log_training(trained, training_set, explained, month=step.month, tags=tags)
        try:
            against, unusable = store.standing(trained, training_set), ""
        except BadInputError as error:  # a champion whose files are gone or were changed can score nothing: it counts as none
            against, unusable = None, str(error)
            context.log.warning("the challenger is judged as if there were no champion: %s", unusable)
        reopened = store.reopen(version, gates.edge_rows(training_set))
        judged = gates.judge(trained, training_set, against, reopened, settings.gates)
        version = store.log_gates(version, judged)
        for gate in judged:
            yield check("activity_model", gate.name, passed=gate.passed, figures=gate.text, **_finite(gate.figures))
        refused = "; ".join(f"{gate.name} {gate}" for gate in judged if not gate.passed)
        if not refused:
            store.promote(version.version)
        elif against is None:
            raise dg.Failure(
                f"the first model has not passed all gates, and no champion can score in its place: {refused}. What to do: look "
                "at the labels and the data_profile; limits that are too strict for this store stand in settings.yaml, section "
                f"gates; to take it as it is: oneclick model promote {version.version} --force, then run the job refresh",
                allow_retries=False,
            )
        champion = store.require_champion()
        families = ["| family | ROC-AUC | log loss | ECE |", "| --- | --- | --- | --- |"]
        families += [
            f"| {f.label} | {f.metrics['roc_auc']} | {f.metrics['log_loss']} | {f.metrics['ece']} |" for f in trained.families
        ]
        told = ["| gate | | figures |", "| --- | --- | --- |"]
        told += [
            f"| {gate.name} | {'passed' if gate.passed else '**failed**'} | {pictures.literal(gate.text)} |" for gate in judged
        ]
        yield dg.MaterializeResult(
            data_version=dg.DataVersion(f"{champion.name}-{champion.version}"),  # of what scores: it may be the old one
            metadata={
                "model": f"{version.name} version {version.version}",
                "champion": f"{champion.name} version {champion.version}",
                "promoted": f"no: {refused}" if refused else "yes: it passed every gate",
                **({"the champion before could not be used": unusable} if unusable else {}),
                "gates": dg.MetadataValue.md("\n".join(told)),
                "family": trained.family,
                "parameters": trained.parameters,
                "how it was chosen": trained.rule,
                "families, nested estimates with 95 % intervals": dg.MetadataValue.md("\n".join(families)),
                **{name: interval.estimate for name, interval in trained.metrics.items()},
                "ROC and calibration": embedded(store.picture(version, "curves.png"), "ROC and calibration, out of fold"),
                "calibration": embedded(store.picture(version, "calibration.png"), "Reliability before and after calibration"),
                "comparison of families": embedded(store.picture(version, "families.png"), "Families with 95 % intervals"),
                "MLflow run": version.run_id,
                "in MLflow": dg.MetadataValue.url(home.settings().report.mlflow_url + store.run_path(version.run_id)),
                "rows": f"{trained.rows} of {trained.rows_available}",
            },
        )


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
            step.stage("model_explanation", table),
            checks=[
                check(
                    "model_explanation",
                    "something_matters",
                    passed=len(sure) > 0,
                    features=len(sure),
                    which=", ".join(sure["feature"]),
                ),
                check(
                    "model_explanation",
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
                "model_explanation": {
                    "permutation importance": picture(model.importance(table), "Permutation importance of every feature"),
                    "Shapley values": picture(model.beeswarm(values), "Shapley values of sampled customers, a dot each"),
                    "dependence": picture(model.dependence(values, contributions), "Shapley values over the strongest features"),
                    "how reasons are made": contributions.method,
                    "model": f"{champion.name} version {champion.version}",
                }
            },
        )


ASSETS = [training_set, activity_model, model_explanation]
