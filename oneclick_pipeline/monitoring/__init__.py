"""Stage monitoring: whether the customers are still those the model learnt from, and whether its scores come true.

In come the tables of the month and of earlier ones; out go the tables `drift` and `model_health`. Pure functions of
tables and settings. Open `drift` or `health` first.

    drift       a month compared with the one in which the champion was trained
    psi         how far a distribution has moved, and how far chance alone would seem to move it
    health      earlier scores checked against what became of the customers
    weights     what a customer without an offer counts for, so that they stand for all
    pictures    drift and health over time
"""

from oneclick_pipeline.monitoring.drift import Snapshot, drift
from oneclick_pipeline.monitoring.health import Judged, model_health

__all__ = ["Judged", "Snapshot", "drift", "model_health"]
