"""Whether the databases of Dagster and MLflow are as recent as the tables of a home: one from an older backup is not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oneclick_pipeline.cli.doctor.finding import OK, WARNING, Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from oneclick_pipeline.cli.doctor.home import Home

_SHOWN = 12


def look(home: Home) -> Iterator[Finding]:
    """Name the months and the model versions that are ahead of a database; the tables themselves are complete and in use."""
    ahead, unknown = home.health.ahead, _unknown(home)
    if ahead:
        message = f"Dagster's database does not know the runs that made the tables of {_shown(ahead)}: it is older than they are"
        remedy = (
            "restore a backup of the database as recent as the tables; or continue: the tables are used as they are, and "
            f"the pages show a month once it has been run again: oneclick run --job refresh --month {ahead[0]}"
        )
        yield Finding("history", WARNING, message, remedy)
    for version, places in unknown.items():
        message = (
            f"MLflow's database does not know model version {version}, which {_shown(places)} name: it is older than they are"
        )
        remedy = (
            "restore a backup of the database as recent as the tables; or continue with a version that it knows: "
            "oneclick model list, oneclick model promote N, and run the newest month again. The number is not reused"
        )
        yield Finding("history", WARNING, f"{message}, or the version was deleted", remedy)
    if not (ahead or unknown):
        yield Finding("history", OK, "the databases contain all months and model versions that the tables refer to")


def _unknown(home: Home) -> dict[int, list[str]]:
    """Where versions are named that MLflow does not know; the check of models names one that has no record."""
    from oneclick_pipeline.tracking.references import references

    places = references(home.path)
    if not places or (home.store.exists() and not home.has_models):
        return {}  # a database that cannot be read: the check of mlflow
    registered = set(home.registered) if home.has_models else set[int]()
    return {version: where for version, where in places.items() if version not in registered}


def _shown(names: Sequence[str]) -> str:
    rest = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {rest} more" if rest > 0 else "")
