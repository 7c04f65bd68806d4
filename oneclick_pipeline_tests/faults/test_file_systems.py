"""A home on a file system that turns read-only or has no inodes left: the cause by its name, and the next run ends as ever."""

import shutil
from contextlib import contextmanager

import dagster as dg
import pytest

from oneclick_pipeline.contracts.tables import TABLES
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.orchestration import resources as homes_of_runs
from oneclick_pipeline.tracking import Tracking
from oneclick_pipeline_tests.faults.homes import ASSETS, FAST, copied
from oneclick_pipeline_tests.faults.homes import materialize as materialize_some
from oneclick_pipeline_tests.faults.mounts import ReadOnly, give_inodes_back, small_disk, use_inodes
from oneclick_pipeline_tests.orchestration.homes import MONTH, digests, files, instance_of, materialize, run, told

CAUSES = {
    "read-only": "the file system is read-only. What to do: find out why (disk errors cause this: dmesg), make it writable",
    "no inodes": "the file system has no inodes left, so no more files can be created there, although there is space. What "
    "to do: "
    "delete files that are no longer needed (df -i counts them) and run again",
}
SETTINGS = FAST + "exploration: {max_rows: 1000}\n"
STEPS = [sorted(key.path[-1] for key in asset.keys) for asset in ASSETS if isinstance(asset, dg.AssetsDefinition)]


class Fault:
    """What befalls the disk of a home, once it is time.

    Args:
        kind: One of `CAUSES`.
        disk: The disk.
        home: The home on it.
    """

    def __init__(self, kind, disk, home):
        self.kind, self.disk, self.begun, self.over = kind, disk, False, False
        self._read_only = ReadOnly(home)

    def begin(self):
        """It happens, if it has not yet."""
        if not (self.begun or self.over):
            self.begun = True
            self._read_only.begin() if self.kind == "read-only" else use_inodes(self.disk, leave=0)

    def end(self):
        """All is well again, and stays so."""
        self.over = True
        if self.begun:
            self.begun = False
            self._read_only.end() if self.kind == "read-only" else give_inodes_back(self.disk)

    def within(self, monkeypatch, moment):
        """Let it begin in the middle of the next step: with its scratch folder made, or as its first table is published."""
        folder, publish = homes_of_runs.scratch_folder, homes_of_runs.TableIO.handle_output

        @contextmanager
        def then(parent):
            with folder(parent) as made:
                self.begin()
                yield made

        def first(*arguments):
            self.begin()
            return publish(*arguments)

        if moment == "working":
            monkeypatch.setattr(homes_of_runs, "scratch_folder", then)
        if moment == "publishing":
            monkeypatch.setattr(homes_of_runs.TableIO, "handle_output", first)


@contextmanager
def home_on_a_disk(kind, copy):
    """A home on a disk of its own, and the fault that it will have; `copy` brings the home to a path."""
    with small_disk(64, inodes=3000) as disk:
        home = copy(disk / "home")
        fault = Fault(kind, disk, home)
        try:
            yield home, fault
        finally:
            fault.end()


@pytest.mark.parametrize(
    ("kind", "moment"),
    [
        ("read-only", "starting"),
        ("read-only", "working"),
        ("read-only", "publishing"),
        ("no inodes", "starting"),
        ("no inodes", "working"),
    ],
)
def test_cause_is_named_and_the_next_run_succeeds_and_tidies_up(small, monkeypatch, kind, moment):
    with home_on_a_disk(kind, lambda target: shutil.copytree(small, target)) as (home, fault):
        fault.within(monkeypatch, moment)
        if moment == "starting":
            fault.begin()
        before = digests(home)
        result = materialize(home)
        assert not result.success
        assert str(home) in told(result)
        assert CAUSES[kind] in told(result)
        assert digests(home) == before
        fault.end()
        assert materialize(home).success
        assert digests(home) == before
        assert files(home / "staging") == []
        assert [name for name in files(home / "locks") if name.startswith("run-")] == []


@pytest.mark.soak
@pytest.mark.parametrize("kind", CAUSES)
def test_cause_is_named_by_every_step_of_refresh_and_retrain(finished, monkeypatch, kind):
    steps = {name for names in STEPS for name in names}
    assert steps >= set(TABLES)
    with home_on_a_disk(kind, lambda target: copied(finished.home, target)) as (home, _):
        (home / "settings.yaml").write_text(SETTINGS)
        shutil.rmtree(home / "exports")  # one that is as it should be is not written again
        for names in STEPS:
            fault = Fault(kind, home.parent, home)
            with monkeypatch.context() as patch:
                fault.within(patch, "working")
                before, versions = digests(home), Tracking(home).aliases()
                result = materialize_some(home, *names)
                fault.end()
            assert not result.success, names
            assert CAUSES[kind] in told(result), names
            assert digests(home) == before, names
            assert Tracking(home).aliases().get("champion") == versions["champion"], names
        assert run(home, "retrain").errors == ()
        assert set(digests(home)) == set(TABLES)
        assert files(home / "staging") == []


@pytest.mark.soak
@pytest.mark.parametrize(("kind", "step"), [("read-only", "customer_scores"), ("no inodes", "clean")])
def test_whole_run_says_why_it_fails_and_is_not_at_work_for_ever(finished, kind, step):
    with home_on_a_disk(kind, lambda target: copied(finished.home, target)) as (home, fault):
        try:
            said = run(home, "refresh", progress=lambda at, state: (at, state) == (step, "success") and fault.begin()).errors
        except BadInputError as error:  # it befell Dagster's own databases, not a step
            said = [str(error)]
        fault.end()
        assert CAUSES[kind] in "\n".join(said)
        assert set(digests(home)) == set(TABLES)
        assert run(home, "refresh").errors == ()
        assert digests(home) == finished.digests["refresh"]
        assert files(home / "staging") == []
        assert files(home / "exports") == [f"{MONTH}/offers.csv"]
        with instance_of(home) as instance:
            assert [r.status.value for r in instance.get_runs() if not r.is_finished] == []
