"""What a probability is about, in words for the terminal and the Dagster pages: a recognition or a forecast.

Until labels come a horizon later, a model learns the class of the same snapshot: it recognises customers who look like those
whom the store has already called declined. Nothing then speaks of the months ahead.
"""

from __future__ import annotations

from typing import NamedTuple

from oneclick_pipeline.contracts.scores import FORECAST, RECOGNITION
from oneclick_pipeline.home.months import add_months


class Words(NamedTuple):
    """What the figures of a month are called.

    Attributes:
        declines: The sum of p_decline over customers.
        at_risk: The sum of the value at risk, as the head of a column.
        value: The same in full.
        quality: What ROC-AUC and log loss are about.
    """

    declines: str
    at_risk: str
    value: str
    quality: str


WORDS = {
    RECOGNITION: Words(
        "Look declined",
        "Their profit",
        "Profit of those who look declined",
        "of the class in the same snapshot, not of the future",
    ),
    FORECAST: Words("Will decline", "At risk", "Value at risk", "of the class a horizon later"),
}


def sentence(meaning: str | None, month: str, horizon: int) -> str:
    """What p_decline of a month is about, and what a store can do about it.

    Args:
        meaning: See `contracts.scores.MEANING`; None in tables of earlier versions.
        month: Snapshot month.
        horizon: Months ahead of a forecast.

    >>> sentence("forecast", "2026-10", 3)
    'forecast: the probability that a customer declines in the next 3 months'
    """
    if meaning == FORECAST:
        return f"forecast: the probability that a customer declines in the next {horizon} months"
    if meaning != RECOGNITION:
        return f"not recorded: run {month} again to have it recorded"
    return (
        f"recognition, not forecast: how much a customer looks like those whom the store has called declined in {month}. "
        f"Whether it comes true can be checked from {add_months(month, horizon)} on"
    )


def remedy(month: str, horizon: int) -> str:
    """How a store whose scores are a recognition gets a forecast at once.

    >>> remedy("2026-10", 3)[:79]
    'put the exports of earlier months into HOME/raw, then: oneclick run --from 2026'
    """
    first = add_months(month, -horizon)
    return (
        f"put the exports of earlier months into HOME/raw, then: oneclick run --from {first} --month {month}; "
        "where they have no class, the fall of revenue decides (labels.decline_limit)"
    )
