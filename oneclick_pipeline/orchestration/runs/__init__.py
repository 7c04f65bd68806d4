"""Runs of the graph: active ones, what a launch may ask for, where they are recorded.

In come Dagster's runs and the locks of a home. Open active.py first.

    active.py    one run at a time on a month; killed runs are marked as failed
    launches.py  what a launch may set
    storage.py   Dagster's storage in PostgreSQL
    events.py    its SQLite events, read and not changed
    console.py   its log on the terminal
"""
