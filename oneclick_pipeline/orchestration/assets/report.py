"""Asset of stage report: the page that marketers read."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from oneclick_pipeline import contracts, pictures, report, stats, tracking
from oneclick_pipeline.home.paths import report_file
from oneclick_pipeline.orchestration.asset_specs import FRESH, OWNERS, code_version
from oneclick_pipeline.orchestration.checks import CHECKS, check
from oneclick_pipeline.orchestration.resources import Home
from oneclick_pipeline.report import files, languages
from oneclick_pipeline.scores.meaning import WORDS, sentence

_CODE = code_version(report, languages, stats, pictures, contracts)
_OF_THE_MONTH = (
    "market_file", "market_money", "market_time", "money", "corrections", "customer_features", "data_profile", "correlations",
    "training_set", "activity_model", "model_explanation", "segment_profiles",
    "campaign_outcomes", "offer_effects", "offer_beliefs", "offer_plan", "plan_summary", "profit_curve", "drift", "model_health",
)  # fmt: skip
_AND_BEFORE = ("rejected_rows", "customer_scores", "customer_segments")
"""Tables that are compared with those of the month before, where that was run."""


@dg.asset(
    name="monthly_report",
    deps=[
        *_OF_THE_MONTH,
        *(dg.AssetDep(name, partition_mapping=dg.TimeWindowPartitionMapping(start_offset=-1)) for name in _AND_BEFORE),
    ],
    group_name="report",
    description=(
        "HOME/reports/<month>.html: the month for marketers, on one self-contained page. What changed, who is at risk "
        "and what is at stake, the focus group, reasons, offers, results of campaigns, and how far to trust it; an appendix for "
        "analysts. Made from the tables, and kept in MLflow, too."
    ),
    owners=[OWNERS["report"]],
    kinds={"html", "mlflow"},
    code_version=_CODE,
    check_specs=CHECKS["monthly_report"],
    freshness_policy=FRESH,
)
def monthly_report(context: dg.AssetExecutionContext, home: Home) -> Iterator[Any]:
    """Write the page; see `report`."""
    with home.step(context) as step:
        settings = home.settings()
        made = files.make(home.root, step.month, settings=settings, catalogue=home.catalogue())
        facts, shown, loads = made.facts, files.page_figures(made.html), files.loads(made.html)
        counted = {
            "on_the_page": int(shown["customers"]),
            "segments": sum(group.customers for group in facts.groups),
            "plan": facts.plan.offered + facts.plan.controls + sum(n for _, n in facts.plan.refused),
        }
        yield from step.report(
            [
                check("self_contained", passed=not loads, references=len(loads), which=", ".join(loads)),
                check("figures_agree", passed=len(set(counted.values())) == 1, **counted),
            ]
        )
        path, called = report_file(home.root, step.month), WORDS[facts.meaning]
        files.write(made.html, path)
        store = tracking.Tracking(home.root)
        in_mlflow = settings.report.mlflow_url + store.run_path(store.log_report(path, step.month))
        yield step.materialized(
            {
                "path": dg.MetadataValue.path(path),
                "kilobytes": len(made.html.encode()) / 1000,
                "customers": facts.customers,
                "what p_decline is about": sentence(facts.meaning, step.month, facts.horizon),
                **{
                    name: figure.estimate
                    for name, figure in (
                        (called.declines.lower(), facts.declines),
                        (f"{called.value.lower()}, finance units", facts.at_risk),
                    )
                    if figure is not None
                },
                "in MLflow": dg.MetadataValue.url(in_mlflow),
            }
        )


ASSETS = [monthly_report]
