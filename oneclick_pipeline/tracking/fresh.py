"""A model opened by a process that knows nothing of the one that made it.

    python -m oneclick_pipeline.tracking.fresh DATABASE MODEL VERSION < rows.json

finds the version in the registry, checks its file as `Tracking.load` does, and answers with its probabilities. It
reads the registry's own two tables by sqlite3: the way through MLflow gives the same (tested) for 5 CPU s more of
imports, *measured*, which is twice what is left.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.tracking import files

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from oneclick_pipeline.model.gates import Reopened

_PATIENCE = 600
"""Seconds after which the process is given up."""


def reopen(database: Path, model: str, version: int, rows: pd.DataFrame) -> Reopened:
    """Have a fresh process load a registered version and predict some rows.

    Args:
        database: MLflow's SQLite file.
        model: Registered model.
        version: Its version.
        rows: What `model.inputs` gives.

    Returns:
        Its probabilities, or the types that it refused, or how it ended.
    """
    import numpy as np

    from oneclick_pipeline.model.gates import Reopened

    # -P: what happens to lie in the current folder is none of its modules
    command = [sys.executable, "-P", "-m", __name__, str(database), model, str(version)]
    try:
        done = subprocess.run(  # noqa: S603 - our own module
            command, input=json.dumps(rows.to_dict("list")), capture_output=True, text=True, check=False, timeout=_PATIENCE
        )
    except subprocess.TimeoutExpired:
        return Reopened(error=f"the process did not answer within {_PATIENCE} s")
    if done.returncode != 0:
        return Reopened(error=(done.stderr.strip().splitlines() or [f"the process ended with {done.returncode}"])[-1])
    answer = json.loads(done.stdout)
    if "p_decline" in answer:
        return Reopened(p_decline=np.array(answer["p_decline"], dtype=float))
    return Reopened(foreign=tuple(answer["foreign"]), error=answer["error"])


def registered(database: str, model: str, version: str) -> tuple[str, str | None]:
    """Address and SHA-256 of a registered version's file.

    Raises:
        BadInputError: If the registry has no such version.
    """
    import sqlite3
    from contextlib import closing
    from pathlib import Path

    with closing(sqlite3.connect(f"{Path(database).as_uri()}?mode=ro", uri=True)) as connection:
        source = connection.execute(
            "SELECT source FROM model_versions WHERE name = ? AND version = ?", (model, version)
        ).fetchone()
        sha256 = connection.execute(
            "SELECT value FROM model_version_tags WHERE name = ? AND version = ? AND key = ?",
            (model, version, files.MODEL_SHA256),
        ).fetchone()
    if source is None:
        raise BadInputError(f"the registry has no version {version} of {model}", file=database)
    return source[0], sha256[0] if sha256 else None


def main(database: str, model: str, version: str) -> dict[str, object]:
    """What the process answers to the rows that it reads."""
    import pandas as pd

    from oneclick_pipeline.model import inputs, predict

    rows = inputs(pd.DataFrame(json.load(sys.stdin)))
    try:
        source, sha256 = registered(database, model, version)
        pipeline = files.load(files.local(source) / files.MODEL_FILE, sha256, int(version))
    except files.UntrustedTypesError as error:
        return {"foreign": str(error.value).split(", "), "error": str(error)}
    except BadInputError as error:
        return {"foreign": [], "error": str(error)}
    return {"p_decline": predict(pipeline, rows).tolist()}


if __name__ == "__main__":
    json.dump(main(*sys.argv[1:]), sys.stdout)
