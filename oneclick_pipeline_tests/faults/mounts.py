"""File systems that tests mount, to fill them or to take the right to write away; they are gone afterwards, whatever happens."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Self

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

KB = 1 << 10


def _mount(*arguments: str) -> None:
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")


def _unmount(place: Path) -> None:
    subprocess.run(["umount", "--lazy", place], check=True)


@contextmanager
def small_disk(megabytes: int, *, inodes: int = 0) -> Iterator[Path]:
    """A file system in memory of so many megabytes, and, if given, of so many inodes."""
    with tempfile.TemporaryDirectory(prefix="oneclick-disk-") as place:
        _mount("-t", "tmpfs", "-o", f"size={megabytes}m,nr_inodes={inodes}", "tmpfs", place)
        try:
            yield Path(place)
        finally:
            _unmount(Path(place))


class ReadOnly:
    """A folder that turns read-only while programs have files of it open, as a disk with errors does.

    `mount -o remount,ro` refuses that, and the locks of a run are always open. So the folder is mounted over itself, read-only:
    whatever is opened, made, renamed or removed by its path from then on fails with EROFS.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._stack = folder, ExitStack()

    def begin(self) -> None:
        """Nothing can be written from now on."""
        _mount("--bind", str(self._folder), str(self._folder))
        self._stack.callback(_unmount, self._folder)
        _mount("-o", "remount,bind,ro", str(self._folder))

    def end(self) -> None:
        """All is as it was."""
        self._stack.close()

    def __enter__(self) -> Self:
        """It begins later, or has begun: see `begin`."""
        return self

    def __exit__(self, *_: object) -> None:
        """See `end`."""
        self.end()


def fill(disk: Path, leave: int) -> None:
    """Fill the disk but for so many bytes."""
    free = shutil.disk_usage(disk).free - leave
    with (disk / "filler").open("ab") as file:
        while free > 0:
            file.write(bytes(min(free, KB * KB)))
            file.flush()
            os.fsync(file.fileno())
            free = shutil.disk_usage(disk).free - leave


def use_inodes(disk: Path, leave: int) -> None:
    """Use the inodes of the disk up, but for so many."""
    folder = disk / "fillers"
    folder.mkdir(exist_ok=True)
    for number in range(os.statvfs(disk).f_favail - leave):
        (folder / str(number)).touch()


def give_inodes_back(disk: Path) -> None:
    """Undo `use_inodes`."""
    shutil.rmtree(disk / "fillers")
