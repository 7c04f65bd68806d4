"""MLflow's pages over a home.

    ONECLICK_HOME=data python -m oneclick_pipeline.tracking.server --host 127.0.0.1 --port 5000

is `mlflow server` with the home's database, made where there is none. Its address, which may hold a password, goes by the
environment and not by the command, which anybody on the machine can read. Pages are given to requests that name a host of
`ONECLICK_HOSTS` only, so that no web site can have a visitor's browser read them under a name of its own.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from oneclick_pipeline import permissions, terminal
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.guard import hosts
from oneclick_pipeline.tracking.registry import Tracking


def environment(store: Tracking) -> dict[str, str]:
    """What `mlflow server` is told by the environment.

    Raises:
        BadInputError: See `Tracking.prepare`.
    """
    return {
        "MLFLOW_BACKEND_STORE_URI": store.prepare(),
        "MLFLOW_DEFAULT_ARTIFACT_ROOT": (store.folder / "artifacts").as_uri(),
        "MLFLOW_ARTIFACTS_DESTINATION": (store.folder / "artifacts").as_uri(),
        "MLFLOW_SERVER_ALLOWED_HOSTS": ",".join(spelling for name in hosts() for spelling in (name, f"{name}:*")),
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # seven processes that judge language models
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
    }


def main(arguments: list[str]) -> None:
    """Become `mlflow server` with these arguments."""
    try:
        permissions.restrict()
        told = environment(Tracking(Path(os.environ.get("ONECLICK_HOME", "data")).absolute()))
    except BadInputError as error:
        terminal.error(f"error: {error}")
        sys.exit(1)
    command = [sys.executable, "-m", "mlflow", "server", "--workers", "1", *arguments]
    os.execve(sys.executable, command, os.environ | told)  # noqa: S606 - our own program


if __name__ == "__main__":
    main(sys.argv[1:])
