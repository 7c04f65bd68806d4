"""Exploration: what the regular customers of a snapshot are like, column by column and pair by pair."""

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
