"""The graph begins with the home's oldest snapshot, and whatever was materialized keeps its partition."""

import datetime as dt

import dagster as dg
import pytest

from oneclick_pipeline.definitions import build
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.orchestration import execution
from oneclick_pipeline.orchestration.automation.sensors import new_snapshot
from oneclick_pipeline.orchestration.partitions import FIRST, first_month
from oneclick_pipeline.orchestration.resources import Home
from oneclick_pipeline_tests.conftest import export_text
from oneclick_pipeline_tests.orchestration.homes import environment_kept, instance_of, new_home, run

OLD, LATER, TEXTS = "2019-03", "2024-02", export_text()


def months(home, name="customer_features"):
    """The months of the graph over a home."""
    return build(str(home)).resolve_asset_graph().get(dg.AssetKey(name)).partitions_def.get_partition_keys()


@pytest.mark.parametrize(
    ("folders", "first"),
    [
        ([], FIRST),
        (["2026-10"], FIRST),  # history that is delivered later has its partitions already
        (["2026-10", OLD, "2021-07"], OLD),
        (["0219-03", "2019-13", "notes"], FIRST),
        (["2999-01"], FIRST),
    ],
)
def test_first_month_is_that_of_the_oldest_snapshot(tmp_path, folders, first):
    for name in folders:
        (tmp_path / "raw" / name).mkdir(parents=True)
    assert first_month(tmp_path) == first
    definitions = build(str(tmp_path))
    graph = definitions.resolve_asset_graph()
    assert {graph.get(key).partitions_def.get_partition_keys()[0] for key in graph.get_all_asset_keys()} == {first}
    assert definitions.resolve_job_def("refresh").partitions_def.get_partition_keys()[0] == first
    execution.check_runnable(tmp_path, first)
    with pytest.raises(BadInputError, match=f"choose a month from {first} to"):
        execution.check_runnable(tmp_path, "1999-12")


def test_history_that_comes_later_is_run_and_what_was_materialized_keeps_its_partition(tmp_path):
    home = new_home(tmp_path / "home", month=LATER, texts=TEXTS)
    assert run(home, "prepare", month=LATER).success
    before = months(home)
    new_home(home / "moved", month=OLD, texts=TEXTS)
    (home / "moved" / "raw" / OLD).rename(home / "raw" / OLD)
    assert run(home, "prepare", month=OLD).success
    after = months(home)
    assert (after[0], after[-len(before) :]) == (OLD, before)
    with instance_of(home) as instance:
        key = dg.AssetKey("customer_features")
        assert instance.get_materialized_partitions(key) == {OLD, LATER}
        graph = build(str(home)).resolve_asset_graph()
        status = instance.get_status_by_partition(key, after, graph.get(key).partitions_def)
    done = {month for month, state in status.items() if state is not None}
    assert done == {OLD, LATER}


def test_pages_that_were_loaded_before_an_older_snapshot_say_so_until_they_start_again(tmp_path):
    home = new_home(tmp_path / "home", month=OLD, settings="", texts=TEXTS)

    def tick(first, cursor=None):
        place = Home(path=str(home), first_month=first)
        with (
            environment_kept(),
            dg.DagsterInstance.ephemeral() as instance,
            dg.build_sensor_context(instance=instance, cursor=cursor, resources={"home": place}) as context,
        ):
            return new_snapshot(context)

    message = tick(FIRST, tick(FIRST).cursor).skip_reason.skip_message
    assert message == f"no new snapshot; {OLD} is older than the first month of these pages, {FIRST}: restart them to run it"
    loaded = build(str(home)).resources["home"].first_month
    (request,) = tick(loaded, tick(loaded).cursor).run_requests
    assert request.partition_key == OLD


def test_schedule_refreshes_the_newest_month_that_is_over(tmp_path):
    place = Home(path=str(tmp_path), first_month=OLD)
    found = place.months(dt.datetime(2026, 11, 5, 6, tzinfo=dt.UTC))
    assert (found[0], found[-1], len(found)) == (OLD, "2026-10", 92)
