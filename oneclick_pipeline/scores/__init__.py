"""Stage scores: how likely every customer's activity declines, why, and what that is worth."""

from oneclick_pipeline.scores.customer import customer_scores
from oneclick_pipeline.scores.profit import ProfitCurve, Treatment, profit_curve, profit_picture
from oneclick_pipeline.scores.reasons import LANGUAGES, reasons

__all__ = ["LANGUAGES", "ProfitCurve", "Treatment", "customer_scores", "profit_curve", "profit_picture", "reasons"]
