"""The one place that knows Dagster.

In comes a home, out comes a graph that runs months of it, on command or automatically. Open ../definitions.py first, then
assets/.

    assets/             what the graph makes, one file per stage
    automation/         jobs, schedule, sensors, alerts, the daemon
    runs/               active runs, launches, where runs are recorded
    pages/              the pages in a browser
    backup/             a home backed up and restored
    asset_specs.py      what Dagster takes to describe an asset
    partitions.py       the monthly partitions, from the oldest snapshot on
    checks.py           the sentences of every check
    plausibility.py     absent periods, and amounts of another scale than the month before
    metadata.py         pictures and tables for the pages
    step.py             one step: a scratch folder, publishing with checks
    resources.py        the home as a resource, tables in and out; table_months.py: a table over months
    drawn_months.py     who got an offer in earlier months, and with which probability none
    execution.py        a job run for a month in this process
    instance.py         the Dagster instance of a home; health.py: its state
    run_settings.py     settings of one run
    failures.py         errors in plain words; public_messages.py: the part of them that may leave the company
    publication.py      what was published, written to the store's own database
"""

import warnings

import dagster as dg

# Data versions on outputs and freshness policies have been marked beta for years; we rely on them knowingly.
warnings.filterwarnings("ignore", category=dg.BetaWarning)
