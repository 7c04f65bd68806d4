"""What an instance remembers of a later time; see `faults/test_clock.py` for what sensors and schedules make of it."""

import pytest
from dagster._daemon.types import DaemonHeartbeat
from hypothesis import example, given, settings
from hypothesis import strategies as st

from oneclick_pipeline.orchestration.automation.clock import STEP_SECONDS, forget_future, remembers_future
from oneclick_pipeline.orchestration.instance import prepare_instance
from oneclick_pipeline_tests.orchestration.homes import instance_of

NOW = 1.8e9


@pytest.fixture(scope="module")
def instance(tmp_path_factory):
    home = tmp_path_factory.mktemp("clock")
    prepare_instance(home)
    with instance_of(home) as made:
        yield made


@settings(max_examples=20)
@example([])
@example([NOW + STEP_SECONDS])
@example([NOW + STEP_SECONDS + 1, NOW - 1])
@given(st.lists(st.floats(NOW - 1e9, NOW + 1e9), max_size=3))
def test_later_time_is_remembered_until_it_is_forgotten(instance, times):
    instance.wipe_daemon_heartbeats()
    for number, time in enumerate(times):
        instance.add_daemon_heartbeat(DaemonHeartbeat(time, f"DAEMON{number}", None))
    assert remembers_future(instance, NOW) is any(time > NOW + STEP_SECONDS for time in times)
    assert forget_future(instance, NOW) == []
    assert not remembers_future(instance, NOW)
