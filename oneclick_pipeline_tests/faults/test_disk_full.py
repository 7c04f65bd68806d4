"""A disk that fills up: plain words and the old content, and once there is space the next run ends as an undisturbed one."""

import shutil

import pytest

from oneclick_pipeline.contracts.tables import TABLES
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline_tests.conftest import export_text
from oneclick_pipeline_tests.faults.homes import FAST, copied
from oneclick_pipeline_tests.faults.mounts import KB, fill, small_disk
from oneclick_pipeline_tests.orchestration import homes
from oneclick_pipeline_tests.orchestration.homes import MONTH, digests, files, materialize, new_home, run, told


def test_full_disk_is_told_with_the_place_and_the_remedy_and_leaves_the_old_tables():
    with small_disk(4) as disk:
        home = new_home(disk / "home", settings="", texts=export_text(100))
        assert materialize(home).success
        before = digests(home)
        (home / "raw" / MONTH / "money.csv").write_text(export_text(100)["money"].replace(",25", ",75"), encoding="utf-8")
        fill(disk, leave=0)
        result = materialize(home)
        assert not result.success
        message = told(result)
        assert str(disk) in message
        assert "the disk is full. What to do: free some space on it and run again" in message
        assert digests(home) == before
        (disk / "filler").unlink()
        assert materialize(home).success
        after = digests(home)
        assert {name for name in after if after[name] != before[name]} == {"profit", "customer_features"}
        assert files(home / "staging") == []


def attempt(home, job, progress):
    """What a run says when it fails; empty when it does not."""
    try:
        return "\n".join(run(home, job, progress=progress).errors)
    except BadInputError as error:  # it struck Dagster's own databases, not a step
        return str(error)


MOMENTS = [  # job, the step after which the disk fills up, bytes that are left
    ("refresh", "", 0),
    ("refresh", "market_file", 0),
    ("refresh", "money", 150 * KB),
    ("refresh", "clean", 60 * KB),
    ("refresh", "customer_features", 150 * KB),
    ("refresh", "customer_scores", 100 * KB),
    ("refresh", "offer_plan", 0),
    ("refresh", "segment_profiles", 64 * KB),
    ("retrain", "training_set", 0),
    ("retrain", "training_set", 300 * KB),
    ("retrain", "training_set", 900 * KB),
]


class Filler:
    """Told how a run goes; fills the disk after a step."""

    def __init__(self, disk, step, leave):
        self.disk, self.step, self.leave, self.at = disk, step, leave, ""
        if not step:
            fill(disk, leave)

    def __call__(self, step, state):
        self.at = f"{step} {state}"
        if (step, state) == (self.step, "success"):
            fill(self.disk, self.leave)


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """A home that has run; its export was taken away, so that it is written on the full disk."""
    home = new_home(tmp_path_factory.mktemp("reference") / "home", settings=FAST)
    assert run(home).success
    shutil.rmtree(home / "exports")
    return home


@pytest.mark.soak
@pytest.mark.parametrize(("job", "step", "leave"), MOMENTS)
def test_disk_that_fills_up_at_any_step_costs_a_run_and_nothing_else(reference, capsys, job, step, leave):
    expected = digests(reference)
    with small_disk(64) as disk:
        home = copied(reference, disk / "home")
        filler = Filler(disk, step, leave)
        message = attempt(home, job, filler)
        with capsys.disabled():
            print(f"\n{job}, {leave // KB} KiB left after {step or 'nothing'}: {filler.at or 'at the start'}: {message[:150]}")
        assert "the disk is full" in message
        assert str(disk) in message
        assert "What to do: free some space on it" in message
        found = digests(home)
        assert set(found) == set(TABLES)
        # a retrain counts its models: the number of the version stands in these tables
        assert {name for name in found if found[name] != expected[name]} <= {"customer_scores", "offer_plan"}
        (disk / "filler").unlink()
        assert attempt(home, job, lambda *_: None) == ""
        assert homes.table(home, "offer_plan").height == homes.table(reference, "offer_plan").height
        assert files(home / "staging") == []
        assert files(home / "exports") == [f"{MONTH}/offers.csv"]
        assert files(home / "reports") == [f"{MONTH}.html"]
