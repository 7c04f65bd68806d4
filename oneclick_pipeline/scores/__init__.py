"""Scores: how likely every customer's activity declines, why, and what that is worth.

In come `customer_features`, a model and its contributions, out come `customer_scores` and `profit_curve`. Open customer.py
first.

    customer.py   p_decline, value at risk and reasons of every customer
    meaning.py    whether a score recognises or forecasts, in words
    reasons.py    the three strongest reasons in Russian and English
    treatment.py  the value of a kept customer, and what treating the most worthwhile would earn
"""

from oneclick_pipeline.scores.customer import customer_scores
from oneclick_pipeline.scores.reasons import LANGUAGES, reasons
from oneclick_pipeline.scores.treatment import ProfitCurve, Treatment, profit_curve, profit_picture

__all__ = ["LANGUAGES", "ProfitCurve", "Treatment", "customer_scores", "profit_curve", "profit_picture", "reasons"]
