"""A model opened by a process independent of the one that made it.

    python -P -m oneclick_pipeline.tracking.isolated HOME VERSION < rows.json

reads the version's record in the home, checks its files against it as `Tracking.load` does, and answers with its
probabilities. It asks MLflow nothing: code believes the record alone, and MLflow's imports cost 5 CPU s, *measured*, which is
twice the rest.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.home import permissions
from oneclick_pipeline.home.paths import mlflow_folder
from oneclick_pipeline.model import inputs, predict
from oneclick_pipeline.model.gates import Reopened
from oneclick_pipeline.processes.group import variables_of
from oneclick_pipeline.tracking import versions
from oneclick_pipeline.tracking.trusted_types import UntrustedTypesError, load

if TYPE_CHECKING:
    import pandas as pd

_PATIENCE = 600
"""Seconds after which the process is given up."""


def reopen(home: Path, version: int, rows: pd.DataFrame) -> Reopened:
    """Have a fresh process load a registered version and predict some rows.

    Args:
        home: The home.
        version: Number of the version.
        rows: What `model.inputs` gives.

    Returns:
        Its probabilities, or the types that it refused, or how it ended.
    """
    import numpy as np

    # -P: files in the current folder are not imported
    command = [sys.executable, "-P", "-m", __name__, str(home), str(version)]
    try:
        done = subprocess.run(  # noqa: S603 - our own module
            command,
            env=variables_of(os.environ),  # a model is opened there: no secret of ours goes with it
            input=json.dumps(rows.to_dict("list")),
            capture_output=True,
            text=True,
            check=False,
            timeout=_PATIENCE,
        )
    except subprocess.TimeoutExpired:
        return Reopened(error=f"the process did not answer within {_PATIENCE} s")
    if done.returncode != 0:
        return Reopened(error=(done.stderr.strip().splitlines() or [f"the process ended with {done.returncode}"])[-1])
    answer = json.loads(done.stdout)
    if "p_decline" in answer:
        return Reopened(p_decline=np.array(answer["p_decline"], dtype=float))
    return Reopened(foreign=tuple(answer["foreign"]), error=answer["error"])


def main(home: str, version: str) -> dict[str, object]:
    """What the process answers to the rows that it reads."""
    import pandas as pd

    rows = inputs(pd.DataFrame(json.load(sys.stdin)))
    try:
        mlflow = mlflow_folder(Path(home))
        pipeline = load(mlflow, versions.read(mlflow, int(version)))
    except UntrustedTypesError as error:
        return {"foreign": str(error.value).split(", "), "error": str(error)}
    except BadInputError as error:
        return {"foreign": [], "error": str(error)}
    return {"p_decline": predict(pipeline, rows).tolist()}


if __name__ == "__main__":
    permissions.restrict()
    json.dump(main(*sys.argv[1:]), sys.stdout)
