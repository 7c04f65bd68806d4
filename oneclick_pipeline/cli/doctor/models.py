"""Whether the champion predicts, and every registered version against its record."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oneclick_pipeline.cli.doctor.finding import OK, PROBLEM, WARNING, Finding
from oneclick_pipeline.errors import BadInputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from oneclick_pipeline.cli.doctor.home import Home


def champion(home: Home) -> Iterator[Finding]:
    """Whether the champion loads, and gives probabilities for unusual customers of the newest month."""
    import numpy as np
    import pandas as pd

    from oneclick_pipeline import model
    from oneclick_pipeline.model.gates import edge_rows

    store = home.store
    if not home.has_models or not home.registered:
        return  # the check of mlflow says so
    version = store.require_champion()
    pipeline = store.load(version)
    tables = [path for month in home.months if (path := home.table("customer_features", month))]
    if not tables:
        yield Finding("champion", OK, f"version {version.version} loads; there are no customers to test it on")
        return
    p_decline = model.predict(pipeline, edge_rows(model.inputs(pd.read_parquet(tables[-1]))))
    if not np.all((p_decline >= 0) & (p_decline <= 1)):
        remedy = "go back to the previous one: oneclick model rollback"
        yield Finding("champion", PROBLEM, f"version {version.version} gives {p_decline.tolist()} for unusual customers", remedy)
    else:
        yield Finding("champion", OK, f"version {version.version}, trained for {version.tags['month']}, loads and predicts")


def versions(home: Home) -> Iterator[Finding]:
    """Every registered version against its record; for one that neither scores nor can be rolled back to, only a warning."""
    from oneclick_pipeline.tracking import CHAMPION, PREVIOUS

    store = home.store
    if not home.has_models:
        return  # the check of mlflow says so
    aliases, refused = store.aliases(), {n: e for n, e in home.registered.items() if isinstance(e, BadInputError)}
    recorded = [version for version in home.registered.values() if not isinstance(version, BadInputError)]
    for version in recorded:
        try:
            store.check(version)
        except BadInputError as error:
            refused[version.version] = error
    for number in sorted(refused, reverse=True):
        alias = next((name for name in (CHAMPION, PREVIOUS) if aliases.get(name) == number), "")
        message, _, remedy = str(refused[number]).partition(". What to do: ")
        yield Finding("models", PROBLEM if alias else WARNING, f"{alias}: {message}" if alias else message, remedy)
    if whole := [v for v in recorded if v.version not in refused]:
        yield Finding("models", OK, f"{len(whole)} of {len(home.registered)} as they were registered")
