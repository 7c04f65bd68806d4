"""Exploration: what the regular customers of a snapshot are like, column by column and pair by pair.

In comes `customer_features` of a month, out come `data_profile` and `correlations`. Open profile.py first.

    sample.py        the regular customers, or a random sample where there are many
    profile.py       distribution, outliers and normality of every column
    correlations.py  phik and its significance of every pair; collinear features
    figures.py       pictures of both
"""

from __future__ import annotations

from oneclick_pipeline.exploration.correlations import Correlations, correlations
from oneclick_pipeline.exploration.figures import distributions, phik_matrix, phik_with_target
from oneclick_pipeline.exploration.profile import data_profile
from oneclick_pipeline.exploration.sample import EXPLORED, Sample, regular_sample

__all__ = [
    "EXPLORED",
    "Correlations",
    "Sample",
    "correlations",
    "data_profile",
    "distributions",
    "phik_matrix",
    "phik_with_target",
    "regular_sample",
]
