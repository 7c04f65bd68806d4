"""The jobs: what a run of a month materializes."""

import dagster as dg

_NOT_IN_REFRESH = "model"

retrain = dg.define_asset_job(
    "retrain",
    selection=dg.AssetSelection.all(),
    description="Everything: from the four exports to a new model, scores, segments, offers and the report.",
)
refresh = dg.define_asset_job(
    "refresh",
    selection=dg.AssetSelection.all() - dg.AssetSelection.groups(_NOT_IN_REFRESH),
    description="From the four exports to scores, segments, offers and the report with the champion model; no model is trained.",
)
prepare = dg.define_asset_job(
    "prepare",
    selection=dg.AssetSelection.groups("raw", "clean", "features"),
    description="From the four exports to the wide table only: for months before the first model.",
)
JOBS = [retrain, refresh, prepare]
