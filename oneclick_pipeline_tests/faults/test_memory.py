"""Too little memory: a run fails in plain words or is ended from outside; it is told once, and the next one succeeds."""

import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

import dagster as dg
import pytest

from oneclick_pipeline.orchestration.automation import alerts
from oneclick_pipeline.orchestration.resources import Home
from oneclick_pipeline_tests.conftest import export_text
from oneclick_pipeline_tests.faults.homes import FAST
from oneclick_pipeline_tests.orchestration.homes import digests, files, instance_of, materialize, new_home, run, told

WORKER = """
import sys
from pathlib import Path
from oneclick_pipeline.definitions import build
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.orchestration import execution as execute
from oneclick_pipeline_tests.faults import test_memory
from oneclick_pipeline_tests.orchestration.homes import MONTH
home, (step, state, what, megabytes) = Path(sys.argv[1]), sys.argv[2:]
graph = build(str(home)).resolve_job_def("prepare")
def progress(*now):
    if now == (step, state):
        getattr(test_memory, what)(int(megabytes))
try:
    errors = execute.execute(graph, MONTH, home, progress).errors
except BadInputError as error:  # it befell Dagster's own databases, not a step
    errors = (str(error),)
print(*errors, sep="\\n")
sys.exit(bool(errors))
"""
MEMORY = "the memory available to the process is not enough. What to do: give it more memory (ulimit -v"


def limit(megabytes):
    """Let this process have so many megabytes more than it has now, as `ulimit -v` does."""
    import resource

    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    most = pages * resource.getpagesize() + (megabytes << 20)
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def use(megabytes):
    """Use so many megabytes."""
    assert any(bytearray(b"x" * (megabytes << 20)))


def worker(home, *what, start=()):
    """A run in a process of its own: once a step starts or ends, it does something to its memory."""
    command = [*start, sys.executable, "-c", WORKER, str(home), *map(str, what)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def looked_at_twice(home, capsys):
    """How the runs ended, and the alerts on stderr, after two looks of the daemon."""
    capsys.readouterr()
    with instance_of(home) as instance:
        cursor = None
        for _ in range(2):
            with dg.build_sensor_context(instance=instance, cursor=cursor, resources={"home": Home(path=str(home))}) as context:
                cursor = alerts.alerts(context).cursor
        statuses = [record.status.value for record in instance.get_runs()]
    return statuses, capsys.readouterr().err.count("ALERT ")


def small_home(path):
    return new_home(path, settings=FAST, texts=export_text(100))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """Digests of what an undisturbed run makes."""
    home = small_home(tmp_path_factory.mktemp("undisturbed") / "home")
    assert run(home, "prepare").success
    return digests(home)


def assert_failed_and_told_once(home, capsys, undisturbed):
    """The run is told once, nothing of it is half visible, and the next one succeeds."""
    statuses, count = looked_at_twice(home, capsys)
    assert statuses == ["FAILURE"]
    assert count <= 1
    assert len(files(home / "alerts" / "stderr")) == 2, "one event, and the lock"
    made = digests(home)
    assert made == {name: undisturbed[name] for name in made}
    assert set(made) < set(undisturbed)
    assert run(home, "prepare").errors == ()
    assert digests(home) == undisturbed
    assert files(home / "staging") == []
    assert looked_at_twice(home, capsys) == (["SUCCESS", "FAILURE"], 0)


@pytest.mark.parametrize(
    ("step", "state", "megabytes"), [("money", "success", 0), pytest.param("market_file", "start", 16, marks=pytest.mark.soak)]
)
def test_run_that_gets_no_memory_is_failed_and_told_once(tmp_path, capsys, undisturbed, step, state, megabytes):
    home = small_home(tmp_path / "home")
    ended = worker(home, step, state, "limit", megabytes)
    # Python is told that there is no memory, and says so; Rust and C++ end the process
    assert ended.returncode < 0 or (ended.returncode == 1 and MEMORY in ended.stdout), ended.stderr
    assert_failed_and_told_once(home, capsys, undisturbed)


def test_memory_error_of_a_step_is_told_in_plain_words(small, tmp_path, monkeypatch):
    home = shutil.copytree(small, tmp_path / "home")
    monkeypatch.setattr("oneclick_pipeline.features.customer_features", refuse)
    assert MEMORY in told(materialize(home))


def refuse(*_, **__):
    raise MemoryError


@contextmanager
def group_of_processes(megabytes):
    """What starts a command in a group that may have so many megabytes; for one more the kernel kills it."""
    folder = Path("/sys/fs/cgroup/memory") / f"oneclick-{uuid4().hex}"
    unified = Path("/sys/fs/cgroup") / folder.name
    place, most = (folder, "memory.limit_in_bytes") if folder.parent.is_dir() else (unified, "memory.max")
    try:
        place.mkdir()
        (place / most).write_text(str(megabytes << 20))
    except OSError as error:
        pytest.skip(f"no group of processes can be made here: {error}")
    try:
        yield ["sh", "-c", 'echo $$ > "$0/cgroup.procs"; exec "$@"', str(place)]
    finally:
        for _ in range(100):  # the kernel counts a process that it has killed for a moment longer
            with suppress(OSError):
                place.rmdir()
                break
            time.sleep(0.05)


@pytest.mark.soak
def test_run_that_the_kernel_ends_is_failed_and_told_once(tmp_path, capsys, undisturbed):
    home = small_home(tmp_path / "home")
    with group_of_processes(500) as start:
        ended = worker(home, "clean", "start", "use", 2000, start=start)
    assert ended.returncode == -signal.SIGKILL
    assert_failed_and_told_once(home, capsys, undisturbed)
