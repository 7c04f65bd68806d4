"""MLflow's tables brought to the installed version.

    ONECLICK_HOME=data python -P -m oneclick_pipeline.tracking.upgrade

is `mlflow db upgrade`, with an address that stays out of the list of processes. Make a backup first.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from oneclick_pipeline import terminal
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.home import permissions
from oneclick_pipeline.tracking.home import Tracking
from oneclick_pipeline.tracking.logs import quiet_mlflow


def upgrade(store: Tracking) -> tuple[str, str]:
    """Upgrade the tables of a home; returns their versions before and after.

    Raises:
        BadInputError: If there are none, or PostgreSQL does not answer.
    """
    if not store.exists():
        raise BadInputError(f"no models yet in {store.folder}", remedy="there is nothing to upgrade")
    before, _ = store.schema()
    with quiet_mlflow():
        from mlflow.store.db.utils import _upgrade_db, create_sqlalchemy_engine_with_retry

        _upgrade_db(create_sqlalchemy_engine_with_retry(store.uri))  # type: ignore[no-untyped-call]
    return before, store.schema()[0]


if __name__ == "__main__":
    try:
        permissions.restrict()
        sys.stdout.write(
            "MLflow's tables: {} before, {} now\n".format(*upgrade(Tracking(Path(os.environ.get("ONECLICK_HOME", "data")))))
        )
    except BadInputError as error:
        terminal.error(f"error: {error}")
        sys.exit(1)
