"""A home as the checks see it: what several of them ask of it once."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING
from weakref import finalize

from oneclick_pipeline.contracts.tables import TABLES
from oneclick_pipeline.databases import postgres
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.home.months import is_month, is_over
from oneclick_pipeline.home.paths import table_file, table_folder

if TYPE_CHECKING:
    from oneclick_pipeline.orchestration.health import Health
    from oneclick_pipeline.tracking import Tracking, Version


@dataclass(frozen=True)
class Home:
    """A home, absolute, and the time of the examination."""

    path: Path
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    @cached_property
    def months(self) -> list[str]:
        """Snapshot months that have ended and have a table, oldest first."""
        folders = {table_folder(self.path, name) for name in TABLES}
        names = {path.stem for folder in folders for path in folder.glob("*.parquet")}
        return sorted(name for name in names if is_month(name) and is_over(name, self.now))

    def table(self, name: str, month: str) -> Path | None:
        """A table of a month; None where there is none.

        Raises:
            BadInputError: If something else is there: reading a pipe would block.
        """
        path = table_file(self.path, name, month)
        if path.exists() and not (path.is_file() or path.is_dir()):
            remedy = f"remove it, and run the month again: oneclick run --job refresh --month {month}"
            raise BadInputError("this is not a table: it is neither a file nor a folder", file=str(path), remedy=remedy)
        return path if path.exists() else None

    @property
    def is_team(self) -> bool:
        """Whether runs and models are in PostgreSQL."""
        return postgres.given() is not None

    @cached_property
    def store(self) -> Tracking:
        """MLflow of the home, read in a copy, which is deleted together with this object."""
        from oneclick_pipeline.tracking import Tracking

        copies = mkdtemp(prefix="oneclick-")
        finalize(self, shutil.rmtree, copies, ignore_errors=True)
        return Tracking(self.path, copies=Path(copies))

    @cached_property
    def has_models(self) -> bool:
        """Whether there is a database of models that the installed MLflow can read; what is wrong with it `databases` says."""
        if not self.store.exists():
            return False
        current, head = self.store.schema()
        return current == head

    @cached_property
    def registered(self) -> dict[int, Version | BadInputError]:
        """Every version of the models, or why it cannot be used."""
        return self.store.registered()

    @cached_property
    def health(self) -> Health:
        """State of the Dagster instance."""
        from oneclick_pipeline.orchestration import health

        return health.look(self.path, self.months)
