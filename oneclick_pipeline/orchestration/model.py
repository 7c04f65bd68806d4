"""Assets of stage model: the labelled table, and the model that MLflow keeps."""

from collections.abc import Iterator
from typing import Any

import dagster as dg
import pandas as pd

from oneclick_pipeline import model, pictures, tables, tracking
from oneclick_pipeline.orchestration.checks import CHECKS, check
from oneclick_pipeline.orchestration.describe import MONTHS, OWNERS, code_version, embedded, picture, table_asset
from oneclick_pipeline.orchestration.home import Home

_CODE = code_version(model, tracking, pictures, tables)
_CHANCE, _CALIBRATED = 0.5, 0.05


@dg.asset(**table_asset("training_set", _CODE, {"pandas"}))
def training_set(context: dg.AssetExecutionContext, home: Home, customer_features: pd.DataFrame) -> Iterator[Any]:
    """Collect the regular customers with a class; see `model.training_set`."""
    with home.step(context) as step:
        labels = customer_features[["customer_id", "activity"]]
        table = model.training_set(customer_features, labels, feature_month=step.month, label_month=step.month)
        declined = int(table["declined"].sum())
        yield from step.publish(
            step.stage("training_set", table),
            checks=[
                check("training_set", "both_classes", passed=0 < declined < len(table), declined=declined, customers=len(table))
            ],
            metadata={
                "training_set": {
                    "declined": declined,
                    "share declined": declined / max(len(table), 1),
                    "customers identical to another": int(table["copies"].duplicated(keep=False).sum()),
                    "label rule": "activity in the same snapshot",
                }
            },
            why=(
                f"market_file.csv, column «Покупательская активность»: all {len(table)} labelled customers have one class. "
                "What to do: deliver customers of both classes, or run the job refresh, which does not train"
            ),
        )


@dg.asset(
    name="activity_model",
    partitions_def=MONTHS,
    group_name="model",
    description=(
        "The model of p_decline: searched over families, judged by nested cross-validation, registered in MLflow "
        "as `activity_decline` and given the alias `champion`."
    ),
    owners=[OWNERS["model"]],
    kinds={"scikitlearn", "mlflow"},
    code_version=_CODE,
    check_specs=CHECKS["activity_model"],
)
def activity_model(context: dg.AssetExecutionContext, home: Home, training_set: pd.DataFrame) -> Iterator[Any]:
    """Train, judge, log, register and promote; see `model.train` and `tracking.Tracking`."""
    with home.step(context) as step:
        settings = home.settings().model
        trained = model.train(training_set, settings)
        auc, ece = trained.metrics["roc_auc"], trained.metrics["ece"]
        store = tracking.Tracking(home.root)
        tags = {"dagster_run_id": context.run.run_id, "dagster_asset": "activity_model", "code_version": _CODE}
        version = store.log_training(trained, training_set, month=step.month, tags=tags)
        # The checks stand before the promotion: a model that is no better than chance never scores anybody.
        yield from step.publish(
            checks=[
                check("activity_model", "better_than_chance", passed=auc.low > _CHANCE, roc_auc=str(auc), low=auc.low),
                check("activity_model", "calibrated", passed=ece.estimate < _CALIBRATED, interval=str(ece), ece=ece.estimate),
            ],
            why=f"the model is no better than chance: ROC-AUC {auc}. What to do: look at the labels and the data_profile",
        )
        store.promote(version.version)
        families = ["| family | ROC-AUC | log loss | ECE |", "| --- | --- | --- | --- |"]
        families += [
            f"| {f.label} | {f.metrics['roc_auc']} | {f.metrics['log_loss']} | {f.metrics['ece']} |" for f in trained.families
        ]
        yield dg.MaterializeResult(
            data_version=dg.DataVersion(f"{version.name}-{version.version}"),
            metadata={
                "model": f"{version.name} version {version.version}",
                "family": trained.family,
                "parameters": trained.parameters,
                "how it was chosen": trained.rule,
                "families, nested estimates with 95 % intervals": dg.MetadataValue.md("\n".join(families)),
                **{name: interval.estimate for name, interval in trained.metrics.items()},
                "ROC and calibration": embedded(store.picture(version, "curves.png"), "ROC and calibration, out of fold"),
                "comparison of families": embedded(store.picture(version, "families.png"), "Families with 95 % intervals"),
                "MLflow run": version.run_id,
                "path in the MLflow pages": store.run_path(version.run_id),
                "rows": f"{trained.rows} of {trained.rows_available}",
            },
        )


@dg.asset(deps=["activity_model"], **table_asset("model_explanation", _CODE, {"scikitlearn"}))
def model_explanation(context: dg.AssetExecutionContext, home: Home, training_set: pd.DataFrame) -> Iterator[Any]:
    """Explain the champion; see `model.model_explanation`."""
    with home.step(context) as step:
        store = tracking.Tracking(home.root)
        champion = store.require_champion()
        table = model.model_explanation(store.load(champion), training_set, home.settings().model)
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
                )
            ],
            metadata={
                "model_explanation": {
                    "permutation importance": picture(model.importance(table), "Permutation importance of every feature"),
                    "model": f"{champion.name} version {champion.version}",
                }
            },
        )


ASSETS = [training_set, activity_model, model_explanation]
