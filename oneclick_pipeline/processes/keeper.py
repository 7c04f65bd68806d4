"""Ends the servers of `oneclick ui`, however `oneclick ui` itself ends.

    python -I -S keeper.py FOLDER

is started by `processes.Group` before any server. It makes a process group, which every server joins, and waits for a byte
on its standard input: a signal that reached the parent (the interpreter writes it there at once, whatever its main thread
is doing), or zero for an orderly end. End of file means that the parent is dead. A parent that a signal has reached may
first end by itself those servers that call the others; then the whole group is ended: politely, by SIGTERM, by SIGKILL. A
further signal takes the next step at once. A parent that a signal should have ended, and that does not come to it, is
killed at the deadline. The folder of a parent that was killed is removed.

Only the standard library, and as little of it as will do: it is up in a few hundredths of a second.
"""

import contextlib
import os
import select
import signal
import sys
import time

PARENT_SECONDS = 2.0
"""Seconds that a parent which a signal has reached has for itself."""

STEPS = ((signal.SIGINT, 2.5), (signal.SIGTERM, 1.5), (signal.SIGKILL, 0.5))
"""What the group is sent, and the seconds that it has before the next step."""

DEADLINE_SECONDS = 8.0
"""Seconds after the first signal at which a parent that has not asked for an orderly end is killed."""

_AGAIN = bytes([signal.SIGALRM])  # by which the parent reminds itself
_LOOK_SECONDS = 0.05
_SAME_SECONDS = 0.5
"""Signals that come closer together count as one: `make ui` hands on the Ctrl-C that the terminal has sent us already."""


def _anchor(held: int) -> None:
    """Be the leader of the group: keep its number taken, and kill it if the keeper is killed."""
    for ended_by in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ended_by, signal.SIG_DFL)
    while os.read(held, 1):  # end of file: only the keeper has the other end
        pass
    os.killpg(0, signal.SIGKILL)


def _make_group() -> int:
    """A new process group with one member that does nothing; returns its number."""
    held, kept = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(kept)
        os.close(0)  # or the keeper would not be the only one to see the end of the parent
        os.setpgid(0, 0)
        _anchor(held)
        os._exit(0)
    os.close(held)
    os.setpgid(pid, pid)  # here as well: it must be done before any process joins
    return pid


class _Orders:
    """Messages of the parent: signals that reached it, that it wants an orderly end, and that it is gone.

    Attributes:
        orderly: Whether the parent ends by itself.
        gone: Whether it has ended.
    """

    def __init__(self) -> None:
        self.orderly = self.gone = False

    def wait(self, seconds: float | None) -> bool:
        """Wait for some seconds, or until a message; returns whether it was a signal."""
        if self.gone:
            time.sleep(seconds or 0)
            return False
        if not select.select([0], [], [], seconds)[0]:
            return False
        message = os.read(0, 1)
        self.gone = not message
        self.orderly = self.orderly or message == b"\0"
        return message not in (b"", b"\0", _AGAIN)


def _is_gone(group: int) -> bool:
    """Whether no process of the group is left; the anchor is reaped."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(group, os.WNOHANG)
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    return False


def _leave_to_parent(orders: _Orders, until: float) -> None:
    """Wait for the parent to say that the group may be ended; a second signal does so, too."""
    begin = time.monotonic()
    while not (orders.orderly or orders.gone) and (left := until - time.monotonic()) > 0:
        if orders.wait(left) and time.monotonic() - begin > _SAME_SECONDS:
            return


def _end(group: int, orders: _Orders) -> None:
    """End the group."""
    for step, patience in STEPS:
        try:
            os.killpg(group, step)
        except ProcessLookupError:
            return
        begin = time.monotonic()
        while (passed := time.monotonic() - begin) < patience:
            if _is_gone(group):
                return
            if orders.wait(min(patience - passed, _LOOK_SECONDS)) and passed > _SAME_SECONDS:
                break  # asked once more


def main() -> None:
    """Keep a group until the parent is gone or has had it ended."""
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    parent, orders = os.getppid(), _Orders()
    group = _make_group()
    with contextlib.suppress(BrokenPipeError):  # the parent is gone already, which the first look at its orders will show
        os.write(1, f"{group}\n".encode())
    orders.wait(None)
    begin = time.monotonic()
    _leave_to_parent(orders, begin + PARENT_SECONDS)
    _end(group, orders)
    deadline = begin + DEADLINE_SECONDS
    while not (orders.orderly or orders.gone) and (left := deadline - time.monotonic()) > 0:
        orders.wait(left)
    if not (orders.orderly or orders.gone) and os.getppid() == parent:
        os.kill(parent, signal.SIGKILL)
    if not orders.orderly:  # the parent cannot do it any more
        _remove(sys.argv[1])


def _remove(folder: str) -> None:
    """Remove a folder as far as possible: `shutil` would take longer to import than all the rest, 13 ms."""
    for place, folders, files in os.walk(folder, topdown=False):
        for name in (*files, *folders):  # folders that are left are links
            with contextlib.suppress(OSError):
                os.unlink(f"{place}/{name}")  # noqa: PTH108 - pathlib would take as long
        with contextlib.suppress(OSError):
            os.rmdir(place)  # noqa: PTH106


if __name__ == "__main__":
    main()
