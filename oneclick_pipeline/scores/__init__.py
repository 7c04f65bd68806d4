"""Stage scores: how likely every customer's activity declines, and what that is worth."""

from oneclick_pipeline.scores.customer import customer_scores

__all__ = ["customer_scores"]
