"""Child processes that end with their parent, however that ends. Nothing here knows of homes or of Dagster.

In come commands, out come processes in a group. Open group.py first.

    group.py   processes that are started, watched and ended together
    keeper.py  the process that ends them if their parent is killed
"""
