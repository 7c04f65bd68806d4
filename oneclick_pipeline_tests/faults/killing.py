"""Processes to be killed: forked from one that has imported everything, so that a kill costs what the work costs.

    whole = run(oneclick, "backup", folder, "--home", home)
    for end in kills(50, whole.seconds, lambda after: run(oneclick, "backup", folder, "--home", home, kill_after=after)):
        ...                            # what must hold after every kill

The process that is forked from has opened no database and worked with no table, and the few threads that libraries start as
they are imported wait: a copy of it is as good as a new process.
"""

from __future__ import annotations

import itertools
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SEED = 20261
_PRELOADED = (
    *("__main__", "mlflow", "mlflow.store.tracking.sqlalchemy_store", "mlflow.store.model_registry.sqlalchemy_store"),
    *("matplotlib.pyplot", "pandas", "polars", "pyarrow.parquet", "scipy.stats", "skops.io", "sqlalchemy.dialects.postgresql"),
    *(
        "sklearn.ensemble",
        "sklearn.linear_model",
        "dagster._daemon.cli",
        "oneclick_pipeline.definitions",
        "oneclick_pipeline.cli.app",
    ),
    *(
        "oneclick_pipeline.orchestration.backup.home_backup",
        "oneclick_pipeline.orchestration.publication",
        "oneclick_pipeline.tracking.database",
        "oneclick_pipeline.tracking.home",
        "oneclick_pipeline.tracking.registry",
    ),
    __name__,
)
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(list(_PRELOADED))
_SECONDS = 900


@dataclass(frozen=True)
class End:
    """How a process ended.

    Attributes:
        code: Its exit code; the negative number of the signal that killed it.
        seconds: How long it worked.
        output: What it wrote.
    """

    code: int
    seconds: float
    output: str

    @property
    def killed(self) -> bool:
        """Whether it was killed before it was done."""
        return self.code == -signal.SIGKILL


class Process:
    """A process that works in a session of its own, with all that it starts.

    Args:
        work: A function of a module, which the process calls.
        *arguments: What it is called with.
        **variables: Variables of its environment.
    """

    def __init__(self, work: Callable[..., object], *arguments: object, **variables: str) -> None:
        receiver, sender = _FORKS.Pipe(duplex=False)
        descriptor, name = tempfile.mkstemp(prefix="oneclick-")
        os.close(descriptor)
        self._output = Path(name)
        self._process = _FORKS.Process(target=_begin, args=(sender, name, work, tuple(map(str, arguments)), variables))
        self._process.start()
        sender.close()
        with receiver:
            receiver.recv_bytes()
        self.begin = time.monotonic()

    @property
    def pid(self) -> int:
        """Number of the process and of its session."""
        return self._process.pid

    def ends_within(self, seconds: float) -> bool:
        """Wait so long at most; whether it has ended."""
        self._process.join(max(seconds, 0))
        return self._process.exitcode is not None

    def kill(self) -> None:
        """Kill it and all that it has started, if it has not ended meanwhile."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)

    def end(self) -> End:
        """Wait for its end."""
        if not self.ends_within(_SECONDS):
            self.kill()
            self._process.join()
        seconds, output = time.monotonic() - self.begin, self._output.read_text(encoding="utf-8", errors="replace")
        self._output.unlink()
        end = End(self._process.exitcode, seconds, output)
        self._process.close()
        return end


def run(work: Callable[..., object], *arguments: object, kill_after: float | None = None, **variables: str) -> End:
    """Have a process work; kill it after so many seconds, if it has not ended by then."""
    process = Process(work, *arguments, **variables)
    if kill_after is not None and not process.ends_within(kill_after):
        process.kill()
    return process.end()


def kills(count: int, lasts: float, attempt: Callable[[float], End], seed: int = SEED) -> Iterator[End]:
    """Kill so many times, at random moments of the time that the work takes undisturbed.

    There is one moment in every part of that time, in random order. An attempt that ended before its kill is yielded, and made
    again with another moment.

    Args:
        count: How many kills.
        lasts: Seconds that the work takes.
        attempt: Does the work, and kills it after so many seconds.
        seed: Of the moments.
    """
    chance = random.Random(seed)  # noqa: S311 - a seed, no secret
    for part in chance.sample(range(count), count):
        end = attempt((part + chance.random()) / count * lasts)
        while not end.killed:
            yield end
            end = attempt(chance.random() * lasts)
        yield end


def changes(attempt: Callable[[int], End]) -> Iterator[End]:
    """Kill at every change that the work makes, see `oneclick_until`: at the first, at the second, until there is no further one.

    Args:
        attempt: Does the work, and kills it at its so-many-th change.
    """
    for number in itertools.count(1):
        end = attempt(number)
        if not end.killed:
            assert number > 1, "the work changed nothing"
            return
        yield end


def oneclick_until(number: str, *arguments: str) -> None:
    """The command, killed as it is about to make its so-many-th change: a rename of a file, or a commit of a database."""
    import sqlalchemy as sa

    changes = itertools.count(1)

    def strike(*_: object) -> None:
        if next(changes) == int(number):
            os.kill(os.getpid(), signal.SIGKILL)

    def struck(original: Callable[..., None]) -> Callable[..., None]:
        return lambda *places, **named: (strike(), original(*places, **named))[1]

    sa.event.listen(sa.Engine, "commit", strike)
    os.rename, os.replace = struck(os.rename), struck(os.replace)
    oneclick(*arguments)


def oneclick(*arguments: str) -> None:
    """The command, as its script starts it."""
    from oneclick_pipeline.cli import start

    sys.argv = ["oneclick", *arguments]
    start.main()


def month(home: str, job: str, name: str) -> None:
    """A run of a month, as the command makes it; says which steps begin and end."""
    from oneclick_pipeline.definitions import build
    from oneclick_pipeline.orchestration import execution

    outcome = execution.execute(
        build(home).resolve_job_def(job), name, Path(home), lambda step, state: print(step, state, flush=True)
    )
    print(*outcome.errors, sep="\n", flush=True)
    sys.exit(not outcome.success)


def step(end: End) -> str:
    """In which step of a month the process was."""
    lines = end.output.splitlines()
    started = [line.removesuffix(" start") for line in lines if line.endswith(" start")]
    open_ = [name for name in started if f"{name} success" not in lines]
    return open_[-1] if open_ else "between steps" if started else "before the first"


def _begin(sender, output: str, work: Callable[..., object], arguments: tuple[str, ...], variables: dict[str, str]) -> None:
    os.setsid()
    descriptor = os.open(output, os.O_WRONLY | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(descriptor, stream)
    os.close(descriptor)
    os.environ.update(variables)
    sender.send_bytes(b"begun")
    sender.close()
    work(*arguments)
