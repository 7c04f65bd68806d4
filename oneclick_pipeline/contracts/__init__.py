"""Contracts: what every table holds, and what its columns mean.

Nothing comes in; out go `Table` and `Column` objects, from which the readers, the checks, the data dictionary (docs/tables.md),
Dagster's pages and the databases take names, types, ranges and words. Open `schema.py` first, then the file of a stage.

    schema.py       Column and Table, and the pandera schema of a table
    kinds.py        kinds of values: their types in every library
    tables.py       all tables by name
    exports.py      the four files of the store, as texts and as clean tables
    clean.py        rejected rows, corrections
    customers.py    the wide table, the features of a model
    exploration.py  profile and correlations of columns
    model.py        training set, explanation
    scores.py       scores with their reasons
    segments.py     segments and their profiles
    campaigns.py    outcomes, effects, beliefs
    offers.py       the plan, its summary, what other budgets would bring
    monitoring.py   drift, model health
    lineage.py      where every column comes from
"""
