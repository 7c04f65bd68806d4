"""The description card of a model: what it is, what it was trained on, how good it is, what it is not for."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from oneclick_pipeline import pictures
from oneclick_pipeline.contracts.scores import RECOGNITION
from oneclick_pipeline.model.metrics import METRICS

if TYPE_CHECKING:
    import pandas as pd

    from oneclick_pipeline.model.results import TrainedModel

LABEL_RULES = {
    True: "the activity class in the same snapshot as the features, because there was no later snapshot",
    False: "the activity class three months later than the features: a true forecast",
}


_WHAT = {
    True: "Recognition, not forecast: how much a regular customer looks like those whom the store has called declined in the "
    "same snapshot.",
    False: "Forecast: probability that a regular customer's purchasing activity declines in the three months after the features.",
}
_WHOM = {True: "looks declined", False: "is at risk"}
_OF_WHAT = {
    True: "The figures are about the class in the same snapshot, not about the months after it: those can be checked from the "
    "fourth month on.",
    False: "The figures are about the class three months later.",
}


def label_rule(trained: TrainedModel) -> str:
    """Which month's activity the model learned to predict, in words."""
    return LABEL_RULES[trained.meaning == RECOGNITION]


def card(trained: TrainedModel) -> str:
    """The card as Markdown."""
    best, is_recognition = trained.best, trained.meaning == RECOGNITION
    sampled = f", a stratified sample of {trained.rows_available:,}" if trained.rows < trained.rows_available else ""
    sources = ", ".join(f"{source} {n:,}" for source, n in trained.label_sources.items())
    parameters = ", ".join(f"{name} = {value}" for name, value in trained.parameters.items())
    head = "| family | draws | rows | " + " | ".join(METRICS) + " |\n|---|---|---|" + "---|" * len(METRICS)
    whole = f"| **choice and all** | | {trained.rows:,} | " + " | ".join(str(trained.metrics[name]) for name in METRICS) + " |"
    families = "\n".join(
        f"| {f.label} | {f.draws} | {f.rows:,} | " + " | ".join(str(f.metrics[name]) for name in METRICS) + " |"
        for f in trained.families
    )
    return f"""# Activity decline

**What.** {_WHAT[is_recognition]} {best.label}: {parameters}.

**Data.** {trained.rows:,} labelled regular customers{sampled}. Features of {", ".join(trained.feature_months)},
labels of {", ".join(trained.label_months)}. Digest `{trained.digest}`.

**Label.** {label_rule(trained)[0].upper()}{label_rule(trained)[1:]}. Where they come from: {sources}.

**Offers.** {_offers(trained)}

**How good.** {_OF_WHAT[is_recognition]}
Nested cross-validation, grouped by customer and identical customers, stratified, repeated; estimate (95 %
interval, corrected for overlapping folds). Draws: how many of those allotted to a family were tried before further ones
stopped helping.
Rows: the most that one fit of the family learns from; if fewer than all, a stratified sample.

{head}
{whole}
{families}

**Calibration.** {_calibration(trained)}

**Out of time.** {_out_of_time(trained.out_of_time)}

**Slices.** ROC-AUC and ECE by kind of customer, 95 % intervals.

{_slices(trained.slices)}

**Chosen.** {trained.rule}

**Limits.** Made for regular customers of this store; for others the probability is not reliable. It says who
{_WHOM[is_recognition]}, not whom an offer would keep. Categories that the store adds later are treated as rare ones. The metrics
hold for customers like those of the months above: watch for drift.
"""


def _offers(trained: TrainedModel) -> str:
    """How labels that an offer may have influenced were kept out."""
    if trained.left_out is None:
        return "The training set does not say whose labels an offer may have influenced: every customer counts once."
    if trained.left_out == 0 and trained.largest_weight == 1:
        return "No offer can have influenced a label: none was sent in the months before. Every customer counts once."
    return (
        f"{trained.left_out:,} customers are left out because an offer may have influenced their label. Each other one counts "
        "1 / P(no offer in those months), so that together they represent all customers without offers: at most "
        f"{trained.largest_weight:.1f}, as much information as {trained.equal_rows:,.0f} customers who count once."
    )


def _calibration(trained: TrainedModel) -> str:
    kept = [
        f"{name.removesuffix('calibration').rstrip('.')} {value}".strip()
        for name, value in trained.parameters.items()
        if name.endswith("calibration")
    ]
    return (
        f"{', '.join(kept)[0].upper()}{', '.join(kept)[1:]}. A calibrator is kept where it lowers the log loss on customers that "
        "neither the estimator nor the calibrator has seen."
    )


def _out_of_time(table: pd.DataFrame) -> str:
    if table.empty:
        return "Not enough data: no month's labels were known before a later labelled month."
    rows = [
        f"- features of {r.feature_month}, labels of {r.label_month}, learned from {r.learnt_months}: {r.customers:,} customers, "
        f"ROC-AUC {r.roc_auc:.3f} ({r.roc_auc_low:.3f} to {r.roc_auc_high:.3f}), "
        f"log loss {r.log_loss:.3f} ({r.log_loss_low:.3f} to {r.log_loss_high:.3f}), ECE {r.ece:.3f}"
        for r in table.itertuples()
    ]
    return "Trained on the past and evaluated on the next month, as it would have been at the time.\n\n" + "\n".join(rows)


def _slices(table: pd.DataFrame) -> str:
    lines = ["| feature | value | customers | declined | ROC-AUC | ECE |", "|---|---|---|---|---|---|"]
    for group in table.to_dict("records"):
        row = {str(name): value for name, value in group.items()} | {"value": pictures.literal(str(group["value"]))}
        cells = "{feature} | {value} | {customers:.0f} | {declined:.0f}".format(**row)
        auc, error = "{roc_auc:.3f} ({roc_auc_low:.3f} to {roc_auc_high:.3f})", "{ece:.3f} ({ece_low:.3f} to {ece_high:.3f})"
        few = math.isnan(row["roc_auc"])
        lines.append(f"| {cells} | not enough data | |" if few else f"| {cells} | {auc.format(**row)} | {error.format(**row)} |")
    return "\n".join(lines)
