"""Monitoring: whether the customers are still those the model learnt from, and whether its scores come true.

Pure functions of tables and settings. `drift` compares a month with the one in which the champion was trained;
`model_health` checks earlier scores against what became of the customers.
"""

from oneclick_pipeline.monitoring.drift import Snapshot, drift
from oneclick_pipeline.monitoring.health import Judged, model_health

__all__ = ["Judged", "Snapshot", "drift", "model_health"]
