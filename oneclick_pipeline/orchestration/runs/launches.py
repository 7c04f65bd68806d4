"""What a launch may set: the settings of its run, and no folder, address, program or secret.

Whatever starts a run (the pages, a re-execution, Dagster's API) passes configuration and tags. Dagster would take much
more than a run needs: another folder for its outputs, the value of any environment variable (`{env: NAME}`), steps that go on
after a failure, a run id or a month that is a path. What is not listed here is refused: by the pages before the run exists, and
by the run itself before its first step.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

import yaml
from dagster_shared.yaml_utils import load_run_config_yaml

from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.home.months import check_month
from oneclick_pipeline.orchestration.run_settings import SettingsOfRun

_RUN_SETTINGS = ("resources", "home", "config", "run_settings")
_MAY_SET = frozenset(
    {(*_RUN_SETTINGS, section, name) for section, value in SettingsOfRun() for name in type(value).model_fields}
    | {("ops", "offers_export", "config", "replan")}
    | {("loggers", logger, "config", "log_level") for logger in ("console", "events")}
)
_DEPTH = max(len(path) for path in _MAY_SET)
_MAY_TAG = frozenset(  # of Dagster's own: what the pages send, and what a user may ask of the queue
    f"dagster/{name}"
    for name in (
        "asset_partition_range_end",
        "asset_partition_range_start",
        "from_ui",
        "is_asset_resume_retry",
        "is_resume_retry",
        "max_retries",
        "max_runtime",
        "op_selection",
        "parent_run_id",
        "partition",
        "partition_set",
        "preset_name",
        "priority",
        "retry_on_asset_or_op_failure",
        "retry_strategy",
        "root_run_id",
        "solid_selection",
        "step_selection",
    )
)
_MONTHS = frozenset({"dagster/partition", "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"})
_RUNS = frozenset({"dagster/parent_run_id", "dagster/root_run_id"})
_OURS = re.compile(r"(?!dagster)[A-Za-z0-9_-]+(/[A-Za-z0-9_.-]+)?")  # none of Dagster's, hidden or of a launcher (`dagster-k8s/`)
_REMEDY = (
    "a launch may set resources.home.config.run_settings, ops.offers_export.config.replan and the log_level of a logger, each as "
    "a plain value; folder and engine are those of the process, see ONECLICK_HOME and ONECLICK_ENGINE"
)


def check_config(config: object) -> None:
    """Refuse configuration that sets anything but what a launch may set.

    Args:
        config: Configuration of a run; empty parts set nothing, and pass.

    Raises:
        BadInputError: If it does; `value` is the dotted path of the first such entry.
    """
    for path, value in _leaves(config, ()):
        if path not in _MAY_SET or not _is_plain(value):
            raise BadInputError("a launch must not set this", value=".".join(path), remedy=_REMEDY)


def _leaves(value: object, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], object]]:
    """What is set, by path: an entry that may be set, a list or a scalar elsewhere, or whatever is deeper than any entry."""
    if value is None or (isinstance(value, Mapping | list | str) and not value):
        return
    if path in _MAY_SET or not isinstance(value, Mapping) or len(path) == _DEPTH:
        yield path, value
        return
    for name, inner in value.items():
        yield from _leaves(inner, (*path, str(name)))


def _is_plain(value: object) -> bool:
    """Whether it is a number, a text, or a list or mapping of such; the name of a variable to be looked up is none of these."""
    if isinstance(value, Mapping):
        return "env" not in value and all(map(_is_plain, value.values()))
    return all(isinstance(one, str | int | float) for one in (value if isinstance(value, list) else [value]))


def check_tags(tags: Mapping[str, str]) -> None:
    """Refuse a tag that would make Dagster do more than start the run, and an invalid month or run id.

    Args:
        tags: Tags that the launch gives, value by key.

    Raises:
        BadInputError: If there is one.
    """
    for key, value in tags.items():
        if key in _MONTHS:
            check_month(value)
        elif key in _RUNS:
            check_run_id(value)
        elif key not in _MAY_TAG and not _OURS.fullmatch(key):
            remedy = "leave it out; a tag of your own is a word, or two with a slash, and does not begin with dagster"
            raise BadInputError("a launch must not have this tag", value=key, remedy=remedy)


def check_run_id(value: str) -> None:
    """Refuse an invalid run id: files are named after it.

    Raises:
        BadInputError: If it is none.
    """
    try:
        same = str(UUID(value)) == value.lower()
    except ValueError:
        same = False
    if not same:
        raise BadInputError("this is not the id of a run", value=value, remedy="leave it out: Dagster assigns one")


def check_launch(arguments: object) -> None:
    """Refuse a launch because of its arguments, at any depth.

    Args:
        arguments: Arguments of a mutation of Dagster's GraphQL API that starts runs: mappings, lists and scalars.

    Raises:
        BadInputError: See `check_config`, `check_tags` and `check_run_id`.
    """
    if isinstance(arguments, Mapping):
        for name, value in arguments.items():
            if name == "runConfigData":
                check_config(_parsed(value))
            elif name in {"tags", "extraTags"}:
                check_tags({one["key"]: one["value"] for one in value or []})
            elif name in {"runId", "parentRunId", "rootRunId"} and value is not None:
                check_run_id(value)
            else:
                check_launch(value)
    elif isinstance(arguments, Sequence) and not isinstance(arguments, str):
        for value in arguments:
            check_launch(value)


def _parsed(config: Any) -> object:  # noqa: ANN401 - text or mapping, as the client likes
    """Configuration as Dagster will read it."""
    try:
        return load_run_config_yaml(config) if isinstance(config, str) else config
    except (yaml.YAMLError, RecursionError) as error:
        raise BadInputError("the configuration is not valid YAML", remedy="fix it in the launchpad") from error
