"""Stage monitoring: whether the customers are still like those the model was trained on, and whether its scores prove right.

In come tables of several months and settings, out come `drift` and `model_health`. Open drift.py or health.py first.

    drift.py      a month compared with the one in which the champion was trained
    psi.py        the population stability index, its interval, and its value by chance
    health.py     scores of earlier months compared with what became of the customers
    pictures.py   drift over months, predicted and observed shares
"""

from oneclick_pipeline.monitoring.drift import Snapshot, drift
from oneclick_pipeline.monitoring.health import ModelVersion, model_health

__all__ = ["ModelVersion", "Snapshot", "drift", "model_health"]
