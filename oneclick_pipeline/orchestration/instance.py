"""The Dagster instance of a home: its folder, its configuration, its databases, made at first use."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import dagster as dg
from filelock import FileLock

from oneclick_pipeline import yaml
from oneclick_pipeline.databases import postgres
from oneclick_pipeline.errors import BadInputError, of_the_machine
from oneclick_pipeline.home import permissions, write_once
from oneclick_pipeline.home.paths import dagster_config, dagster_folder
from oneclick_pipeline.home.unfinished import refuse_unfinished

if TYPE_CHECKING:
    from pathlib import Path

_BEFORE = """\
# Written once by oneclick_pipeline; you may edit it.
telemetry:
  enabled: false
nux:
  enabled: false
"""
"""The configuration of homes of earlier versions."""
_INSTANCE = f"""\
{_BEFORE}scheduler: # files of every process that opens this instance are private to their owner, see ONECLICK_GROUP
  module: oneclick_pipeline.orchestration.automation.scheduler
  class: OwnersScheduler
"""
_STORAGE = f"""\
storage: # the address, which has a password, stays in the environment
  custom:
    module: oneclick_pipeline.orchestration.runs.storage
    class: PostgresStorage
    config:
      postgres_url:
        env: {postgres.VARIABLE}
"""
_STORAGE_LINE = (
    "storage: {custom: {module: oneclick_pipeline.orchestration.runs.storage, class: PostgresStorage, "
    f"config: {{postgres_url: {{env: {postgres.VARIABLE}}}}}}}}}"
)
"""The same on one line, for messages."""
_MODULES = {
    "oneclick_pipeline.orchestration.scheduler": "oneclick_pipeline.orchestration.automation.scheduler",
    "oneclick_pipeline.orchestration.storage": "oneclick_pipeline.orchestration.runs.storage",
}
"""Current names of modules that homes of earlier versions refer to."""


def prepare_instance(home: Path) -> Path:
    """The Dagster folder of a home, with its configuration, made at first use.

    The configuration says where runs are kept, according to `ONECLICK_POSTGRES`. A file that was edited is left alone.

    Raises:
        BadInputError: If the home cannot be written, or the variable and the file disagree in a way that would hide the
            home's runs: the file was edited and has no PostgreSQL, or it has, and the variable is gone; or if a restore of the
            home was interrupted.
    """
    refuse_unfinished(home)
    folder = dagster_folder(home)
    try:
        permissions.prepare(home)
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".lock"):  # two programs that start at the same time would race
            _configure(dagster_config(home))
            if postgres.given() is None and not (folder / "history").exists():  # PostgreSQL: see `storage`
                dg.DagsterInstance.from_config(str(folder)).dispose()
    except OSError as error:
        raise of_the_machine(error, home) or BadInputError(
            f"the home cannot be written: {error.strerror}",
            file=str(home),
            remedy="choose another --home, or fix its permissions",
        ) from error
    return folder


def _configure(config: Path) -> None:
    """Write the configuration where there is none, or one that we wrote and no one edited."""
    wanted = configuration()
    if _edited(config) is None:
        if not config.exists() or config.read_text(encoding="utf-8") != wanted:
            write_once.write(config, wanted.encode(), replace=True)
    else:
        check_storage(config)


def configuration() -> str:
    """What `dagster.yaml` of a home says."""
    return _INSTANCE if postgres.given() is None else _INSTANCE + _STORAGE


def _edited(config: Path) -> str | None:
    """A configuration that was edited, or that keeps runs in PostgreSQL; None for all others."""
    text = yaml.read_text(config) or ""
    ours = {"", _BEFORE, _INSTANCE} | ({_BEFORE + _STORAGE, _INSTANCE + _STORAGE} if postgres.given() is not None else set())
    return None if _of_today(text) in ours else text


def _of_today(text: str) -> str:
    """A configuration with the modules' names of today."""
    for old, new in _MODULES.items():
        text = re.sub(rf"{re.escape(old)}\b", new, text)
    return text


def check_storage(config: Path) -> None:
    """Refuse a configuration that keeps the runs elsewhere than the variable says.

    Raises:
        BadInputError: If it does, or is not a configuration.
    """
    text = _edited(config)
    if text is None:
        return
    if (today := _of_today(text)) != text:
        old, new = next(pair for pair in _MODULES.items() if pair[0] in text and pair[1] in today)
        raise BadInputError(
            "the file, which was edited, names a module of an older version",
            file=str(config),
            value=old,
            remedy=f"write {new} in its place",
        )
    try:
        root = yaml.parse(text, str(config))
    except BadInputError as error:
        raise replace(error, problem="it is not a valid configuration of Dagster") from error
    fields = {yaml.content_of(key): value for key, value in root.value} if root is not None and yaml.is_mapping(root) else None
    if root is not None and fields is None:
        remedy = "fix it, or delete it: it will be created again"
        raise yaml.wrong(str(config), root, "it is not a valid configuration of Dagster", remedy=remedy, value=False)
    node = (fields or {}).get("storage")
    storage = "" if node is None else text[node.start_mark.index : node.end_mark.index]
    if postgres.given() is None and postgres.VARIABLE in storage:
        raise BadInputError(
            f"the runs and models of this home are in PostgreSQL, but {postgres.VARIABLE} is not set",
            file=str(config),
            remedy=f"set {postgres.VARIABLE}; to start over in SQLite, delete the file",
        )
    if postgres.given() is not None and "postgres" not in storage.lower():
        raise BadInputError(
            f"{postgres.VARIABLE} is set, but the file, which was edited, keeps the runs elsewhere",
            file=str(config),
            remedy=f"unset {postgres.VARIABLE}, or write into the file instead of its own `storage`: {_STORAGE_LINE}",
        )
