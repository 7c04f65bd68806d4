"""The one place that knows Dagster: thin assets, checks, input and output, jobs, schedules, sensors."""

import warnings

import dagster as dg

# Data versions on outputs and freshness policies have been marked beta for years; we rely on them knowingly.
warnings.filterwarnings("ignore", category=dg.BetaWarning)
