"""A model opened by a process that knows nothing of the one that made it.

    python -m oneclick_pipeline.tracking.fresh HOME MODEL VERSION < rows.json

finds the version in the registry, checks its file as `Tracking.load` does, and answers with its probabilities. It
reads the registry's own two tables by SQLAlchemy: the way through MLflow gives the same (tested) for 5 CPU s more of
imports, *measured*, which is twice what is left. Where the registry is, the process knows as we do, from the home and
the environment: an address with a password has no business in the list of processes.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from oneclick_pipeline import permissions
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.tracking import files

if TYPE_CHECKING:
    import pandas as pd

    from oneclick_pipeline.model.gates import Reopened

_PATIENCE = 600
"""Seconds after which the process is given up."""


def reopen(home: Path, model: str, version: int, rows: pd.DataFrame) -> Reopened:
    """Have a fresh process load a registered version and predict some rows.

    Args:
        home: The home.
        model: Registered model.
        version: Its version.
        rows: What `model.inputs` gives.

    Returns:
        Its probabilities, or the types that it refused, or how it ended.
    """
    import numpy as np

    from oneclick_pipeline.model.gates import Reopened

    # -P: what happens to lie in the current folder is none of its modules
    command = [sys.executable, "-P", "-m", __name__, str(home), model, str(version)]
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


def registered(uri: str, model: str, version: str) -> tuple[str, str | None]:
    """Address and SHA-256 of a registered version's file.

    Args:
        uri: Address of MLflow's database, which is read and not made.
        model: Registered model.
        version: Its version.

    Raises:
        BadInputError: If the registry has no such version.
    """
    import sqlalchemy as sa

    url = sa.make_url(uri)
    if url.get_backend_name() == "sqlite":
        url = url.set(database=f"{Path(str(url.database)).as_uri()}", query={"mode": "ro", "uri": "true"})
    versions = sa.table("model_versions", *map(sa.column, ("name", "version", "source")))
    tags = sa.table("model_version_tags", *map(sa.column, ("name", "version", "key", "value")))
    with sa.create_engine(url, poolclass=sa.NullPool).connect() as connection:
        own = (versions.c.name == model) & (versions.c.version == int(version))
        source = connection.execute(sa.select(versions.c.source).where(own)).scalar()
        own = (tags.c.name == model) & (tags.c.version == int(version)) & (tags.c.key == files.MODEL_SHA256)
        sha256 = connection.execute(sa.select(tags.c.value).where(own)).scalar()
    if source is None:
        raise BadInputError(f"the registry has no version {version} of {model}", file=url.render_as_string(hide_password=True))
    return source, sha256


def main(home: str, model: str, version: str) -> dict[str, object]:
    """What the process answers to the rows that it reads."""
    import pandas as pd

    from oneclick_pipeline.model import inputs, predict
    from oneclick_pipeline.tracking import Tracking

    rows = inputs(pd.DataFrame(json.load(sys.stdin)))
    try:
        source, sha256 = registered(Tracking(Path(home)).uri, model, version)
        pipeline = files.load(files.local(source) / files.MODEL_FILE, sha256, int(version))
    except files.UntrustedTypesError as error:
        return {"foreign": str(error.value).split(", "), "error": str(error)}
    except BadInputError as error:
        return {"foreign": [], "error": str(error)}
    return {"p_decline": predict(pipeline, rows).tolist()}


if __name__ == "__main__":
    permissions.restrict()
    json.dump(main(*sys.argv[1:]), sys.stdout)
