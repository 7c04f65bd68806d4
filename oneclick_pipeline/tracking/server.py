"""MLflow's pages over a home.

    ONECLICK_HOME=data python -P -m oneclick_pipeline.tracking.server --host 127.0.0.1 --port 5000

MLflow's own application with the home's database, made where there is none, behind a guard and an allow-list: the pages read
everything and change names, notes, tags and aliases. They refuse, with 403 and MLflow's own form of an error, whatever else
MLflow offers: its assistant, gateway, prompts, scorers, jobs, webhooks and traces that come in; uploads and deletions of
artifacts; new experiments, runs, models and versions. A notebook makes those with `MlflowClient` on the home's database.

The server starts without any variable that it does not need: no secret of other programs, and no switch of MLflow's or
uvicorn's. The address of the database, which may hold a password, is in the environment and not in the command, which anybody on
the machine can read.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_KEPT = re.compile(
    r"PATH|HOME|USER|LOGNAME|LANG|LANGUAGE|LC_[A-Z]+|TZ|TMPDIR|SYSTEMROOT|LD_LIBRARY_PATH|SSL_CERT_(?:FILE|DIR)"
    r"|PYTHON[A-Z]+|PG[A-Z]+|ONECLICK_(?:HOME|HOSTS|POSTGRES|USERS|GROUP)"
)
"""What a Python, the driver of PostgreSQL and the pages themselves go by."""

_SWITCHES = {
    "MLFLOW_SERVER_ALLOWED_HOSTS": "*",  # the guard before it knows them
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_ENABLE_AI_GATEWAY": "false",
    "MLFLOW_ENABLE_REMOTE_ASSISTANT": "false",
    "MLFLOW_SERVER_ENABLE_CUSTOM_SCORERS": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
}


def environment(given: Mapping[str, str]) -> dict[str, str]:
    """The variables of the server, of those that its starter has.

    >>> kept = environment({"ONECLICK_WEBHOOK": "https://secret", "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS": "*", "TZ": "UTC"})
    >>> sorted(kept.keys() - _SWITCHES.keys()), kept["TZ"]
    (['ONECLICK_HOME', 'TZ'], 'UTC')
    """
    home = {"ONECLICK_HOME": str(Path(given.get("ONECLICK_HOME", "data")).absolute())}
    return {name: value for name, value in given.items() if _KEPT.fullmatch(name)} | home | _SWITCHES


def main(arguments: list[str]) -> None:
    """Become the server, in a process that never had the other variables."""
    command = [sys.executable, "-P", "-m", "oneclick_pipeline.tracking.app", *arguments]
    os.execve(sys.executable, command, environment(os.environ))  # noqa: S606 - our own program


if __name__ == "__main__":
    main(sys.argv[1:])
