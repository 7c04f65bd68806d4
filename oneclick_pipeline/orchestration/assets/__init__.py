"""The assets, one file per stage: each reads its tables, calls one function of its stage, and publishes with checks.

In come tables of the months, out come tables, pictures and figures on the Dagster pages. Open features.py first: it is the
plainest. What an asset takes is declared in ../asset_specs.py, its checks in ../checks.py, and publishing is ../step.py.

    raw.py  clean.py  features.py               from the four exports to one wide table
    exploration.py                              what the columns look like
    model.py  scores.py  segments.py            who is about to decline, and what that is worth
    campaigns.py  offers.py                     what earlier offers did, and who gets one now
    monitoring.py  report.py                    whether it can be trusted, and the page for marketers
"""
