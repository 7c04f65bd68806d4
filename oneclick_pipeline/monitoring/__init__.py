"""Monitoring: whether the customers are still those the model learnt from, and whether its scores come true.

Pure functions of tables and settings. `drift` holds a month against the one in which the champion was trained;
`model_health` holds earlier scores against what became of the customers.
"""

from oneclick_pipeline.monitoring.drift import Snapshot, drift
from oneclick_pipeline.monitoring.health import Judged, model_health
from oneclick_pipeline.monitoring.untreated import alone

__all__ = ["Judged", "Snapshot", "alone", "drift", "model_health"]
