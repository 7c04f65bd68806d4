"""How a restored home is put in place: as a whole, in one rename, or not at all.

    .NAME.restoring/           beside a home that does not exist or is an empty folder: its `home/` is renamed to the home
    HOME/staging/restoring/    in a home that cannot be renamed over: a mount point, one that holds its configuration
    HOME/staging/restored/     the same once it is complete: its entries are being moved into the home

The second way has more than one rename. A restore that is killed among them is finished by the next one, and until then
nothing else works on the home (`home.unfinished`).
"""

from __future__ import annotations

import os
import shutil
import stat
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.home import locks, permissions
from oneclick_pipeline.home.paths import STAGING, dagster_config
from oneclick_pipeline.home.unfinished import RESTORED
from oneclick_pipeline.orchestration.backup import copies
from oneclick_pipeline.orchestration.backup.manifest import HOME, MANIFEST

if TYPE_CHECKING:
    from collections.abc import Iterator

KEPT = dagster_config(Path())
"""The one file that may be in a home that is restored into: containers mount theirs. It stays as it is."""

_RESTORING = "restoring"
_MOUNTS = Path("/proc/self/mountinfo")
_MOUNT_POINT = 4


@dataclass(frozen=True)
class Place:
    """Where a home is restored to.

    Attributes:
        home: The home, links resolved.
        stage: The staging folder, on the same disk.
        inside: Whether that is in the home itself.
    """

    home: Path
    stage: Path
    inside: bool

    @classmethod
    def of(cls, home: Path) -> Place:
        """Where a home is restored to; nothing is written.

        Raises:
            BadInputError: If there is anything but an empty folder.
        """
        home = home.resolve()
        refuse_occupied(home)
        if home.exists() and (_is_mount(home) or any(home.iterdir()) or not os.access(home.parent, os.W_OK)):
            return cls(home, home / STAGING / _RESTORING, inside=True)
        return cls(home, home.with_name(f".{home.name}.{_RESTORING}"), inside=False)

    @property
    def ready(self) -> Path:
        """The complete folder whose entries are moved one by one."""
        return self.stage.with_name(RESTORED)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Be the only process that restores this home, with an empty scratch folder for staging.

        What is left of it is removed at the end, and by the next one if we are killed.
        """
        if self.inside:
            permissions.prepare(self.home)  # a link that someone puts there meanwhile would redirect the restored files
        self.stage.parent.mkdir(parents=True, exist_ok=True)
        try:
            with locks.held(self.stage.with_name(self.stage.name + ".lock")):
                refuse_occupied(self.home)  # another one may have been first
                try:
                    _remove(self.stage)
                    yield
                finally:
                    _remove(self.stage)
        finally:
            if self.inside and not any(self.stage.parent.iterdir()):
                self.stage.parent.rmdir()

    def settle(self) -> None:
        """Move the staged home, which is on disk, into its place."""
        if self.inside:
            self.stage.rename(self.ready)
            copies.settle_folder(self.ready.parent)
            self.finish()
        else:
            for path in self.stage.iterdir():
                if path.name != HOME:  # a dump holds customers: killed after the rename, we leave an empty folder at most
                    path.unlink()
            (self.stage / HOME).rename(self.home)
            copies.settle_folder(self.home.parent)

    def finish(self) -> None:
        """Move what is left of a complete folder into the home; a killed move is continued where it ended."""
        _merge(self.ready / HOME, self.home, self.home / KEPT)
        copies.settle(self.home)
        self.ready.rename(self.stage)  # scratch from here on: what is half removed must not look unfinished

    def unfinished(self, manifest: bytes) -> bool:
        """Whether a restore of the same backup was killed while it moved its files.

        Raises:
            BadInputError: If it was another backup.
        """
        if not self.inside or not self.ready.exists():
            return False
        if (self.ready / MANIFEST).read_bytes() != manifest:
            raise BadInputError(
                "a restore of another backup was interrupted here", file=str(self.home), remedy="restore that backup again"
            )
        return True


def refuse_occupied(home: Path) -> None:
    """Refuse a home that holds anything but real folders, locks, scratch and its configuration.

    A link would redirect the restored files, and SQLite would replay a left-over journal into a database. Another
    user's folder would be that user's to change afterwards.

    Raises:
        BadInputError: If it does.
    """
    if not home.exists():
        return
    if not home.is_dir():
        raise BadInputError("the home is a file", file=str(home), remedy="choose another --home")
    if (home / STAGING / RESTORED).is_dir() and not (home / STAGING).is_symlink():
        return  # interrupted: what is there has come from the backup
    waiting, owners = [home], {0, os.geteuid(), home.stat().st_uid}
    while waiting:
        for path in sorted(waiting.pop().iterdir()):
            status = path.lstat()
            mode = status.st_mode
            if status.st_uid not in owners:
                remedy = "find out who put it there, and remove it, or choose another --home"
                raise BadInputError(f"this belongs to another user, {status.st_uid}", file=str(path), remedy=remedy)
            if stat.S_ISDIR(mode):
                if path != home / STAGING:
                    waiting.append(path)
            elif not stat.S_ISREG(mode) or (path != home / KEPT and path.suffix != ".lock"):
                remedy = "restore into an empty home: move what is there aside, or choose another --home"
                raise BadInputError("the home is not empty", file=str(path), remedy=remedy)


def _merge(source: Path, target: Path, kept: Path) -> None:
    """Move the entries of a folder into another one; what both have is a folder, or the configuration, which stays.

    Raises:
        BadInputError: If something else is there, such as a link that appeared meanwhile.
    """
    for path in sorted(source.iterdir()):
        there = target / path.name
        if not os.path.lexists(there):
            path.rename(there)
        elif stat.S_ISDIR(there.lstat().st_mode) and stat.S_ISDIR(path.lstat().st_mode):
            _merge(path, there, kept)
        elif there != kept:
            remedy = "find out who put it there, and remove it; then restore again: it continues from there"
            raise BadInputError("this appeared in the home while it was restored", file=str(there), remedy=remedy)


def _remove(folder: Path) -> None:
    """Remove a folder of ours, if it is there."""
    if folder.exists():
        shutil.rmtree(folder)


def _is_mount(home: Path) -> bool:
    """Whether a folder is a mount point; `ismount` does not see one of the same file system, as containers bind them."""
    if os.path.ismount(home):
        return True
    escaped = str(home).replace("\\", "\\134").replace(" ", "\\040").replace("\t", "\\011").replace("\n", "\\012")
    lines = _MOUNTS.read_text(encoding="utf-8", errors="surrogateescape").splitlines() if _MOUNTS.exists() else []
    return any(line.split(" ")[_MOUNT_POINT] == escaped for line in lines)
