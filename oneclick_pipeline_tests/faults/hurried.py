"""The graph as a code server loads it, in a hurry: sensors tick every second, and a run that is silent for 20 s is given up.

HURRIED_JOBS=prepare has all jobs end after customer_features, for tests that ask for the daemon and not for the steps.
"""

import os
from datetime import timedelta
from unittest import mock

import dagster as dg

_define = dg.define_asset_job


def _job(name, selection, **options):
    """The job, or its first steps."""
    shortened = os.environ.get("HURRIED_JOBS") == "prepare"
    return _define(name, dg.AssetSelection.groups("raw", "clean", "features") if shortened else selection, **options)


with mock.patch.object(dg, "define_asset_job", _job):
    from oneclick_pipeline import definitions
    from oneclick_pipeline.orchestration.automation import alerts
    from oneclick_pipeline.orchestration.automation.sensors import new_snapshot, retrain_due
    from oneclick_pipeline.orchestration.runs import active

active._SILENCE = timedelta(seconds=20)
for _sensor in (new_snapshot, retrain_due, alerts.alerts):
    _sensor._min_interval = 1

defs = definitions.build(os.environ["ONECLICK_HOME"])
