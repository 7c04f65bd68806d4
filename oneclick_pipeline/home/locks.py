"""Locks of a home: who is working, known however a process ends.

The operating system releases a lock when its process ends. A process that ends normally removes the file of its lock
first; so a written file whose lock can be taken was left behind by a process that was killed.
"""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.home.months import check_month
from oneclick_pipeline.home.paths import locks_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@contextmanager
def held(path: Path, seconds: float = -1) -> Iterator[None]:
    """Hold a lock that is ours alone; its file vanishes with it, unless the process is killed. It may be entered again.

    Args:
        path: Its file.
        seconds: How long to wait for another process; as long as it takes by default.

    Raises:
        BadInputError: If another user has put something in its place: they could make us wait for ever.
        OSError: If the file cannot be made.
        filelock.Timeout: If another process holds it for longer.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if os.path.lexists(path) and not _is_ours(path):
        remedy = "find out who put it there and remove it, or choose another place"
        raise BadInputError("this blocks one of our lock files, and is not ours", file=str(path), remedy=remedy)
    with FileLock(path, is_singleton=True, thread_local=False).acquire(timeout=seconds) as lock:
        try:
            path.write_text(f"process {os.getpid()}\n", encoding="utf-8")
            yield
        finally:
            if lock.lock_counter == 1:
                with suppress(OSError):  # what is left on a disk that turned read-only is removed as after a kill
                    path.unlink(missing_ok=True)


@contextmanager
def held_folder(place: Path) -> Iterator[None]:
    """Lock a folder itself: removing a file in it lets no one else in. Not where the system cannot lock folders.

    Args:
        place: The folder.

    Raises:
        OSError: If it cannot be opened.
        filelock.Timeout: If another process holds it.
    """
    try:
        import fcntl  # systems that have no such locks have no such module
    except ImportError:
        yield
        return
    descriptor = os.open(place, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Timeout(str(place)) from error
        except OSError:  # a network file system locks what may be written to, which a folder is not
            pass
        yield
    finally:
        os.close(descriptor)


def abandoned(folder: Path, pattern: str) -> Iterator[Path]:
    """Files of locks whose processes were killed; each is removed once the caller has dealt with it.

    What other users put into the folder, which may be shared, does not show what we left.
    """
    for path in filter(_is_ours, sorted(folder.glob(pattern))):
        try:
            with FileLock(path, timeout=0):
                if path.stat().st_size:  # empty: it ended in order since we looked, and taking the lock created the file again
                    yield path
                path.unlink(missing_ok=True)
        except Timeout:
            continue  # its process is alive


def _is_ours(path: Path) -> bool:
    """Whether a file is a plain one of this user, or of the user who owns its folder; it may have gone meanwhile."""
    try:
        status, folder = path.lstat(), path.parent.stat()
    except FileNotFoundError:
        return True
    owners = {os.geteuid(), folder.st_uid} if hasattr(os, "geteuid") else {status.st_uid}
    return stat.S_ISREG(status.st_mode) and status.st_uid in owners


def is_held(path: Path) -> bool:
    """Whether a living process holds a file or a folder; to ask changes nothing, and does not make a file where there is none."""
    try:
        import fcntl  # systems that have no such locks have no such module
    except ImportError:
        return True  # there is no way to tell without taking it
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # opening a pipe must not block
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)  # released when it is closed
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


@contextmanager
def month(home: Path, name: str, waiting: Callable[[], None]) -> Iterator[None]:
    """Be the only run that works on a month of a home; other processes wait, the same process may enter again.

    Args:
        home: The home.
        name: Snapshot month.
        waiting: Called once if another process has to be waited for.

    Raises:
        BadInputError: If `name` is not a calendar month: a run's tag may say anything.
    """
    path = locks_folder(home) / f"{check_month(name)}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path, is_singleton=True, thread_local=False)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        waiting()
        lock.acquire()
    try:
        yield
    finally:
        lock.release()  # the file stays: a process waiting for it would otherwise hold a lock that no one else sees


@contextmanager
def whole(home: Path, seconds: float = -1) -> Iterator[None]:
    """Be the only process that deletes from a home, or copies all of it: a copy must not miss what its databases still refer to.

    Args:
        home: The home.
        seconds: How long to wait for another process; for ever by default.

    Raises:
        filelock.Timeout: If another process held it all that time.
    """
    path = locks_folder(home) / "whole.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path, is_singleton=True, thread_local=False).acquire(timeout=seconds):
        yield  # the file stays, as that of a month does
