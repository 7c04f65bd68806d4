"""Child processes that end with this one: all of them, within ten seconds, whatever ends it and whenever.

    with Group() as group:
        group.end_on_signals()
        process = group.start(["-m", "module"], environment)

Every child joins one process group. A small process, `keeper`, ends that group when it is asked to, when a signal comes, and
when we are gone, so that there is one way in which children end: Ctrl-C, a closed terminal and `kill -9` differ in nothing.
"""

from __future__ import annotations

import gc
import os
import signal
import subprocess  # our own programs, no shell
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, TYPE_CHECKING, Any, ClassVar, Self, cast

from oneclick_pipeline import terminal
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.processes import keeper

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
SAFE_PATH = "PYTHONSAFEPATH"
"""Python's variable for `-P`: nothing is imported from the current folder, by no child and by none of its children."""

_OURS = "ONECLICK_"
_ENCODING = "PYTHONIOENCODING"
_AGAIN_SECONDS = 1.0
_LOOK_SECONDS = 0.5
_EXIT_SECONDS = 3.0
"""Seconds in which the interpreter must have ended after its children; with theirs it makes less than ten."""


def variables_of(variables: Mapping[str, str], *ours: str) -> dict[str, str]:
    """The variables of a child: what is not ours, and of ours those that it needs.

    >>> variables_of({"PATH": "/bin", "ONECLICK_WEBHOOK": "https://...", "ONECLICK_HOME": "/data"}, "ONECLICK_HOME")
    {'PATH': '/bin', 'ONECLICK_HOME': '/data'}
    """
    return {name: value for name, value in variables.items() if not name.startswith(_OURS) or name in ours}


def leave() -> None:
    """Let nothing block the interpreter's exit once all is done: a library's thread that does not end is cut off."""
    gc.freeze()  # the interpreter would look through all that Dagster imports once more: two seconds
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, _EXIT_SECONDS)


def _interrupt(*_: object) -> None:
    """Raise `KeyboardInterrupt` now, and once more every second: a callback of the interpreter may swallow it.

    Raises:
        KeyboardInterrupt: Always.
    """
    signal.setitimer(signal.ITIMER_REAL, _AGAIN_SECONDS)
    raise KeyboardInterrupt


class Group:
    """Child processes of this one. To be used as a context: its end is theirs.

    Attributes:
        folder: A folder that only we may enter, which is gone with the context; the current folder of all children.
        ended: Whether a group of this process that ends on signals has ended: the process is to follow, see `leave`.
    """

    folder: Path
    ended: ClassVar[bool] = False

    def __init__(self) -> None:
        self._children: list[subprocess.Popen[bytes]] = []
        self._callers: list[subprocess.Popen[bytes]] = []
        self._on_signals = False
        self._usual: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        """Start the keeper."""
        self._temporary = TemporaryDirectory(prefix="oneclick-")
        self.folder = Path(self._temporary.name)
        command = [sys.executable, "-I", "-S", keeper.__file__, str(self.folder)]
        # In a group of its own: Ctrl-C reaches the terminal's foreground group, which is ours.
        self._keeper = subprocess.Popen(  # noqa: S603
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=self.folder, process_group=0
        )
        self._orders = cast("IO[bytes]", self._keeper.stdin)
        with cast("IO[bytes]", self._keeper.stdout) as answer:
            self._number = int(answer.readline())
        return self

    def end_on_signals(self) -> None:
        """Have signals that ask us to end raise `KeyboardInterrupt`, and end the children even if we do not come to it.

        To be called in the main thread of a program that has nothing else to do than to keep its children.
        """
        os.set_blocking(self._orders.fileno(), False)
        signal.set_wakeup_fd(self._orders.fileno(), warn_on_full_buffer=False)  # written by the signal's own handler, in C
        # A shell that starts us in the background has us ignore Ctrl-C.
        for number in (*SIGNALS, signal.SIGALRM):
            self._usual[number] = signal.signal(number, _interrupt)
        self._usual[signal.SIGTTOU] = signal.signal(signal.SIGTTOU, signal.SIG_IGN)  # children write from the background
        self._on_signals = True

    def start(
        self, arguments: Sequence[str], environment: Mapping[str, str], *, calls_others: bool = False
    ) -> subprocess.Popen[bytes]:
        """Start a Python program.

        Args:
            arguments: Those of the interpreter: a module and its arguments.
            environment: All its variables.
            calls_others: Whether it is a client of the others, and so ends first: its errors would be spurious.

        Raises:
            KeyboardInterrupt: If the children were ended meanwhile.
        """
        encoding, _, _ = environment.get(_ENCODING, "").partition(":")
        try:
            process = subprocess.Popen(  # noqa: S603
                [sys.executable, "-P", *arguments],
                env={**environment, SAFE_PATH: "1", _ENCODING: f"{encoding}:backslashreplace"},
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                process_group=self._number,
            )
        except (PermissionError, ProcessLookupError) as error:  # the group no longer exists
            raise KeyboardInterrupt from error
        # What it says may hold values of the data, which must not command our terminal.
        for pipe, stream in ((process.stdout, sys.stdout), (process.stderr, sys.stderr)):
            threading.Thread(target=terminal.relay, args=(pipe, stream), daemon=True).start()
        self._children.append(process)
        if calls_others:
            self._callers.append(process)
        return process

    def wait(self) -> None:
        """Wait until one of the children has ended, which none should do by itself.

        Raises:
            BadInputError: When it has.
        """
        while True:
            for process in self._children:
                if (code := process.poll()) is not None:
                    program = " ".join(map(str, cast("list[str]", process.args)[3:5]))
                    raise BadInputError(
                        f"the server {program} ended with code {code}", remedy="see its messages above; then restart"
                    )
            time.sleep(_LOOK_SECONDS)

    def __exit__(self, *_: object) -> None:
        """End all children; when it returns none is left."""
        if self._on_signals:
            for number in (signal.SIGALRM, *SIGNALS):  # from now on a signal only has the keeper hurry
                signal.signal(number, lambda *_: None)
            signal.setitimer(signal.ITIMER_REAL, 0)
        try:
            self._end_callers()
            with suppress(BrokenPipeError):  # the keeper was killed, and its group with it
                os.write(self._orders.fileno(), b"\0")
            for process in (*self._children, self._keeper):
                process.wait()  # not for long, see `keeper.STEPS`
        finally:
            if self._on_signals:
                Group.ended = True
                signal.set_wakeup_fd(-1)
                for known, handler in self._usual.items():
                    signal.signal(known, handler)
            self._orders.close()
            self._temporary.cleanup()

    def _end_callers(self) -> None:
        """Ask those that call the others to end; any that has not done so in time is ended with the others."""
        for process in self._callers:
            process.send_signal(signal.SIGINT)
        until = time.monotonic() + keeper.PARENT_SECONDS
        for process in self._callers:
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(0, until - time.monotonic()))
