"""The description card of a model: what it is, what it learnt from, how good it is, what it is not for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oneclick_pipeline.model.metrics import METRICS

if TYPE_CHECKING:
    from oneclick_pipeline.model.results import TrainedModel

LABEL_RULES = {
    True: "the activity class in the same snapshot as the features, because no later snapshot was there",
    False: "the activity class in a later snapshot than the features: a true forecast",
}


def label_rule(trained: TrainedModel) -> str:
    """Which month's activity the model learnt to predict, in words."""
    return LABEL_RULES[trained.feature_months == trained.label_months]


def card(trained: TrainedModel) -> str:
    """The card as Markdown."""
    best = trained.best
    sampled = f", a stratified sample of {trained.rows_available:,}" if trained.rows < trained.rows_available else ""
    limited = f"; one fit learns from at most {best.rows:,} of them" if best.rows < trained.rows else ""
    parameters = ", ".join(f"{name} = {value}" for name, value in trained.parameters.items())
    head = "| family | " + " | ".join(METRICS) + " |\n|---|" + "---|" * len(METRICS)
    whole = "| **choice and all** | " + " | ".join(str(trained.metrics[name]) for name in METRICS) + " |"
    families = "\n".join(
        f"| {f.label} | " + " | ".join(str(f.metrics[name]) for name in METRICS) + " |" for f in trained.families
    )
    return f"""# Activity decline

**What.** Probability that a regular customer's purchasing activity declines. {best.label}: {parameters}.

**Data.** {trained.rows:,} labelled regular customers{sampled}{limited}. Features of {", ".join(trained.feature_months)},
labels of {", ".join(trained.label_months)}. Digest `{trained.digest}`.

**Label.** {label_rule(trained)[0].upper()}{label_rule(trained)[1:]}.

**How good.** Nested cross-validation, grouped by identical customers, stratified, repeated; estimate (95 % interval,
corrected for overlapping folds).

{head}
{whole}
{families}

**Chosen.** {trained.rule}

**Limits.** Made for regular customers of this store; others get a probability that nothing vouches for. It says who is at
risk, not whom an offer would keep. Categories that the store adds later are treated as rare ones. The metrics hold for
customers like those of the months above: watch the drift.
"""
