"""Failures caused by the input or the machine, reported to Dagster in plain words."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg

from oneclick_pipeline.contracts.tables import TABLES
from oneclick_pipeline.engine.verification import whole
from oneclick_pipeline.errors import BadInputError, of_the_machine
from oneclick_pipeline.home.months import is_month
from oneclick_pipeline.home.paths import mlflow_database, table_folder


@contextmanager
def in_plain_words(home: Path, tables: Iterable[Path] = ()) -> Iterator[None]:
    """Fail a step in plain words and without retries, where the reason is known.

    Args:
        home: The home.
        tables: Tables that the block reads; checked only when it fails.

    Raises:
        dagster.Failure: If the input is wrong, the disk full, MLflow's database unusable, or one of the tables damaged.
    """
    try:
        with whole(tables):
            yield
    except dg.Failure:
        raise
    except Exception as error:
        reported = of_the_machine(error, home, mlflow_database(home)) or error
        if not isinstance(reported, BadInputError):
            raise
        raise _failure(reported) from error


def _failure(error: BadInputError) -> dg.Failure:
    places = {name: getattr(error, name) for name in ("problem", "file", "line", "column", "value", "remedy")}
    known = {name: value for name, value in places.items() if value not in (None, "")}
    return dg.Failure(str(error), metadata=known, allow_retries=False)


def read_by(context: dg.AssetExecutionContext, home: Path) -> Iterator[Path]:
    """The tables that a step may read: those that it depends on, of its month and earlier ones."""
    month = context.partition_key
    for name in sorted(key.path[-1] for key in context.assets_def.dependency_keys if key.path[-1] in TABLES):
        files_of_table = table_folder(home, name).glob("*.parquet")
        yield from sorted(p for p in files_of_table if is_month(p.stem) and p.stem <= month)
