"""Scores: how likely every customer's activity declines, why, and what is at stake.

In come `customer_features`, a model and its contributions, out comes `customer_scores`. Open customer.py first.

    customer.py   p_decline, value at risk and reasons of every customer
    meaning.py    whether a score recognises or forecasts, in words
    reasons.py    the three strongest reasons in Russian and English
"""

from oneclick_pipeline.scores.customer import customer_scores
from oneclick_pipeline.scores.reasons import LANGUAGES, reasons

__all__ = ["LANGUAGES", "customer_scores", "reasons"]
