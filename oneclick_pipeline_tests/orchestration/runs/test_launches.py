"""A launch sets the settings of its run; it names no folder, address, program, month or run that is none, and no variable."""

from __future__ import annotations

import dagster as dg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oneclick_pipeline.definitions import build
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.orchestration.resources import Home
from oneclick_pipeline.orchestration.runs.launches import check_config, check_launch, check_run_id, check_tags
from oneclick_pipeline_tests.orchestration.homes import environment_kept, new_home, told


def of_home(**config):
    return {"resources": {"home": {"config": config}}}


@pytest.mark.parametrize(
    "config",
    [
        None,
        {},
        {"resources": {}, "ops": None, "execution": {"config": {}}, "loggers": {"events": {"config": {}}}},
        of_home(
            run_settings={"model": {"draws": 4, "families": ["knn"], "family_max_rows": {"knn": 100}}, "offers": {"budget": 0.5}}
        ),
        of_home(run_settings={"report": {"language": "en"}, "labels": {"vanished_declined": False}, "offers": {"salt": None}}),
        {"ops": {"offers_export": {"config": {"replan": True}}}},
        {"loggers": {"console": {"config": {"log_level": "DEBUG"}}}},
    ],
)
def test_settings_of_a_run_pass(config):
    check_config(config)


@pytest.mark.parametrize(
    ("config", "where"),
    [
        (of_home(path="/elsewhere"), "resources.home.config.path"),
        (of_home(path={"env": "HOME"}), "resources.home.config.path"),
        (of_home(engine="spark"), "resources.home.config.engine"),
        (of_home(spark_master="spark://evil.example:7077"), "resources.home.config.spark_master"),
        (of_home(run_settings={"report": {"mlflow_url": "http://evil.example"}}), "run_settings.report.mlflow_url"),
        (of_home(run_settings={"keep": {"runs_months": 1}}), "run_settings.keep.runs_months"),
        (of_home(run_settings={"alerts": {"dagster_url": "http://evil.example"}}), "run_settings.alerts.dagster_url"),
        (of_home(run_settings={"report": {"language": {"env": "ONECLICK_POSTGRES"}}}), "run_settings.report.language"),
        (of_home(run_settings={"model": {"families": [{"env": "ONECLICK_POSTGRES"}]}}), "run_settings.model.families"),
        (of_home(run_settings={"model": {"family_max_rows": {"knn": {"env": "X"}}}}), "run_settings.model.family_max_rows"),
        (of_home(run_settings="x"), "resources.home.config.run_settings"),
        ({"resources": {"io_manager": {"config": {"base_dir": "/elsewhere"}}}}, "resources.io_manager"),
        ({"resources": {"tables": {"config": {"home": {"path": "/elsewhere"}}}}}, "resources.tables"),
        ({"execution": {"config": {"step_dependency_config": {"require_upstream_step_success": False}}}}, "execution"),
        ({"loggers": {"console": {"config": {"name": "uvicorn"}}}}, "loggers.console.config.name"),
        ({"ops": {"drift": {"config": {"x": 1}}}}, "ops.drift"),
        ({"ops": {"drift": {"inputs": {"table": {"pickle": {"path": "/elsewhere"}}}}}}, "ops.drift"),
        ("resources", ""),
        ([1], ""),
    ],
)
def test_everything_else_is_refused_with_its_place(config, where):
    with pytest.raises(BadInputError, match="a launch must not set this") as refused:
        check_config(config)
    assert (refused.value.value or "").endswith(where) or where in refused.value.value
    assert "ONECLICK_HOME" in refused.value.remedy


def test_every_field_that_dagster_would_take_is_either_allowed_or_refused(tmp_path):
    """What the graph's own configuration offers, and a launch may not set, is this and no more: look at what is new."""
    offered = set()
    for job in ("retrain", "refresh", "prepare"):
        fields(build(str(tmp_path)).resolve_job_def(job).run_config_schema.config_type, (), offered)
    refused = {path for path in offered if not passes(path)}
    assert {path for path in refused if path[0] != "ops"} == {
        ("execution", "config", "marker_to_close"),
        ("execution", "config", "step_dependency_config", "require_upstream_step_success"),
        ("execution", "config", "retries", "enabled"),
        ("execution", "config", "retries", "disabled"),
        ("loggers", "console", "config", "name"),
        ("loggers", "events", "config"),  # it takes none
        ("resources", "io_manager", "config"),
        ("resources", "tables", "config"),
    }
    assert not [path for path in offered if "path" in path or "base_dir" in path or "spark_master" in path]


def fields(kind, path, into):
    """Paths of all fields of a type of configuration that have none below them."""
    below = getattr(kind, "fields", None)
    if not below and path:
        into.add(path)
    for name, field in (below or {}).items():
        fields(field.config_type, (*path, name), into)


def passes(path):
    """Whether a launch may set an entry to a number."""
    config = 1
    for name in reversed(path):
        config = {name: config}
    try:
        check_config(config)
    except BadInputError:
        return False
    return True


NESTED = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["env", "path", "config", "home", "resources"]), inner)
    ),
)


def sets_something(config):
    """Whether there is more in it than empty mappings."""
    return any(map(sets_something, config.values())) if isinstance(config, dict) else config not in (None, "", [])


@given(NESTED)
def test_nothing_passes_that_names_the_home_or_a_variable(config):
    with pytest.raises(BadInputError):
        check_config(of_home(run_settings={"report": {"language": {"env": config}}}))
    if sets_something(config):
        with pytest.raises(BadInputError):
            check_config(of_home(path=config))


@pytest.mark.parametrize(
    "tags", [{}, {"dagster/partition": "2026-10", "dagster/step_selection": "x", "user": "me", "team/why": "a"}]
)
def test_tags_of_the_pages_and_of_users_pass(tags):
    check_tags(tags)


@pytest.mark.parametrize(
    "key",
    [".dagster/grpc_info", ".dagster/repository", "dagster/image", "dagster/sensor_name", "dagster/defer_asset_events",
     "dagster/backfill", "dagster-k8s/config", "dagster-celery/config", "dagster", "", "a b", "x\n", "x/y/z"],
)  # fmt: skip
def test_other_tags_are_refused(key):
    with pytest.raises(BadInputError, match="must not have this tag"):
        check_tags({key: "x"})


@pytest.mark.parametrize("month", ["../../x", "2026-13", "2026-10/../x", "", "x", "٢٠٢٦-١٠"])
@pytest.mark.parametrize("key", ["dagster/partition", "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"])
def test_month_that_is_none_is_refused(key, month):
    with pytest.raises(BadInputError, match="is not a month"):
        check_tags({key: month})


@pytest.mark.parametrize(
    "run", ["", "../x", "1", "{12345678-1234-5678-1234-567812345678}", "urn:uuid:12345678-1234-5678-1234-567812345678"]
)
def test_run_that_is_none_is_refused(run):
    check_run_id("12345678-1234-5678-1234-567812345678")
    with pytest.raises(BadInputError, match="not the id of a run"):
        check_run_id(run)
    with pytest.raises(BadInputError, match="not the id of a run"):
        check_launch({"reexecutionParams": {"parentRunId": run}})


def test_configuration_that_is_no_yaml_is_refused():
    for text in ("{", "a: " + "[" * 10**5):
        with pytest.raises(BadInputError, match="not valid YAML"):
            check_launch({"executionParams": {"runConfigData": text}})


def materialized(home, run_config, tags=None, **options):
    """A run of an asset that writes down where its home is."""
    seen = []

    @dg.asset
    def place(home: Home):
        seen.append(home.root)

    with environment_kept():
        result = dg.materialize(
            [place], resources={"home": Home(path=str(home))}, run_config=run_config, tags=tags, raise_on_error=False, **options
        )
    return result, seen


def test_run_refuses_what_came_by_another_way(tmp_path):
    home = new_home(tmp_path / "home")
    result, seen = materialized(home, of_home(run_settings={"report": {"language": {"env": "PATH"}}}))
    assert (result.success, seen) == (False, [])
    assert "a launch must not set this" in told(result)
    assert materialized(home, {})[1] == [home]


def test_home_cannot_be_set_from_a_launch(tmp_path):
    with pytest.raises(dg.DagsterInvalidConfigError, match="path"):
        materialized(tmp_path / "home", of_home(path=str(tmp_path / "elsewhere")))
    assert not (tmp_path / "elsewhere").exists()


def test_month_that_is_a_path_leaves_no_file(tmp_path):
    home = new_home(tmp_path / "home")
    result, seen = materialized(home, {}, {"dagster/partition": "../../outside"})
    assert (result.success, seen) == (False, [])
    assert "is not a month" in told(result)
    assert not list(tmp_path.glob("outside*"))
