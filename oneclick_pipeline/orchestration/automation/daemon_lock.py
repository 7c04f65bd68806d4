"""One daemon per home.

Dagster supports one per instance. Two would each evaluate every sensor and start the same run twice, and Dagster
would only log an error. So the daemon of a home holds a lock, and a second one is refused, even if it is Dagster's
own `dagster-daemon` (see `scheduler`). Its file names the process, and is easily removed by someone who is refused; so the
folder is locked, too.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from filelock import Timeout

from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.home import locks

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FOLDER = "DAGSTER_HOME"
"""Dagster's variable for the folder of the instance."""

_OWN: set[Path] = set()
"""Folders of which this process is the daemon: Dagster loads the scheduler of one more than once."""


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Be the only daemon of an instance while the block runs.

    Args:
        folder: The folder of the instance, HOME/dagster.

    Raises:
        BadInputError: If another process is it.
    """
    if folder in _OWN:
        yield
        return
    try:
        with locks.held_folder(folder), locks.held(lock_file(folder), seconds=0):
            _OWN.add(folder)
            try:
                yield
            finally:
                _OWN.discard(folder)
    except Timeout as error:
        raise _another(folder) from error


def refuse_second(folder: Path) -> None:
    """Refuse to start a daemon where one is running; nothing is written.

    Args:
        folder: The folder of the instance, HOME/dagster.

    Raises:
        BadInputError: If one is.
    """
    if locks.is_held(folder) or locks.is_held(lock_file(folder)):
        raise _another(folder)


def lock_file(folder: Path) -> Path:
    """The lock that the daemon of an instance holds; it names the process."""
    return folder / "daemon.lock"


def _another(folder: Path) -> BadInputError:
    return BadInputError(
        "another daemon works on this home, and two would start every run twice",
        file=str(lock_file(folder)),
        remedy="use the pages that are open; or stop that `oneclick ui` or daemon, whose process the file names, and start again",
    )
