"""Who may read a home: its owner alone, or a group as well that `ONECLICK_GROUP` names.

What only the owner may ever read (records of versions, backups, a new database) is made so where it is written. Every process
of ours begins with `restrict`: from then on only the owner can read new files, whatever the shell or the service manager set.
`prepare` closes the home itself to others, so that exports that arrived with other permissions are out of reach, too.
"""

from __future__ import annotations

import os
import shlex
import stat
from collections import deque
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.home.paths import PARTS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

GROUP = "ONECLICK_GROUP"
"""Variable with the group, by name or number, whose members may read a home: it is needed before the first file is created."""

_AT_ONCE = 20_000
"""Entries that `prepare` checks: a run does not walk through a home of millions of files."""

_O_PATH = getattr(os, "O_PATH", 0) if os.path.isdir("/proc/self/fd") else 0  # noqa: PTH112 - of the system, not of a home
_HOLD = _O_PATH or os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)
"""How an entry is held; opening a pipe does not block."""


@dataclass(frozen=True)
class Access:
    """Who may read new files.

    Attributes:
        group: Number of the group; None for the owner alone.
    """

    group: int | None = None

    @property
    def umask(self) -> int:
        """The umask of our processes."""
        return 0o077 if self.group is None else 0o027

    def mode(self, mode: int) -> int:
        """The mode that an entry should have in place of this one; the owner's permissions are kept.

        >>> oct(Access().mode(0o100666)), oct(Access(7).mode(0o40777))
        ('0o600', '0o2750')
        """
        own = mode & stat.S_IRWXU
        if self.group is None:
            return own
        shared = (own & (stat.S_IRUSR | stat.S_IXUSR)) >> 3
        return own | shared | (stat.S_ISGID if stat.S_ISDIR(mode) else 0)  # what is made in a folder inherits its group

    def fits(self, status: os.stat_result) -> bool:
        """Whether an entry has the permissions that it should have."""
        return stat.S_IMODE(status.st_mode) == self.mode(status.st_mode) and self.group in (None, status.st_gid)

    def open(self, status: os.stat_result) -> bool:
        """Whether anyone may read, write or enter an entry who should not."""
        allowed = self.mode(status.st_mode) if self.group == status.st_gid else 0
        return bool(status.st_mode & (stat.S_IRWXG | stat.S_IRWXO) & ~allowed)

    def remedy(self, home: Path) -> str:
        """The command that closes a home to others."""
        place = shlex.quote(str(home))
        if self.group is None:
            return f"chmod -R go-rwx {place}"
        return f"chgrp -R {self.group} {place} && chmod -R u=rwX,g=rX,o= {place} && find {place} -type d -exec chmod g+s {{}} +"


def access() -> Access:
    """Who may read new files, according to `ONECLICK_GROUP`.

    Raises:
        BadInputError: If there is no such group, or the user is not in it.
    """
    name = os.environ.get(GROUP, "")
    if not name:
        return Access()
    remedy = f"name a group that the user is in (see: id), or unset {GROUP}: then only their owner can read the files"
    try:
        import grp  # systems that have no groups have no such module
    except ImportError:
        raise BadInputError(f"{GROUP} is set, but files on this system have no groups", value=name, remedy=remedy) from None
    try:
        group = int(name) if name.isascii() and name.isdigit() else grp.getgrnam(name).gr_gid
    except (KeyError, ValueError):
        raise BadInputError(f"the group named by {GROUP} does not exist", value=name, remedy=remedy) from None
    if group not in {os.getegid(), *os.getgroups()}:
        raise BadInputError(f"the user is not in the group named by {GROUP}", value=name, remedy=remedy)
    return Access(group)


def restrict() -> None:
    """Make all files that this process and its children create readable only by their owner, and by the group if there is one.

    Raises:
        BadInputError: See `access`.
    """
    os.umask(access().umask)


def prepare(home: Path) -> None:
    """Create a home, and close it and its content to others, as far as it belongs to us.

    A folder that holds no part of a home, or one for everyone (such as /tmp), is left open: `oneclick doctor` reports it. So is
    what belongs to someone else.

    Raises:
        BadInputError: See `access`.
        OSError: If the home cannot be made.
    """
    restrict()
    home.mkdir(parents=True, exist_ok=True)
    if _is_home(home) and os.name == "posix":
        with suppress(OSError), _entry(home, ()) as place:
            _shut(place)
        for part in PARTS:
            shut(home / part)


def _is_home(folder: Path) -> bool:
    """Whether a folder is a home, or becomes one; never the root of the system, or a folder for everyone."""
    if folder.resolve().parent == folder.resolve() or folder.stat().st_mode & stat.S_ISVTX:
        return False
    return any((folder / part).exists() for part in PARTS) or next(folder.iterdir(), None) is None


def shut(place: Path) -> None:
    """Close a file or a folder with its content to others, breadth first and up to a limit; links are not followed.

    Not even one that someone puts in place of a file or folder meanwhile: as long as a home is open, others can.
    """
    waiting: deque[tuple[str, ...]] = deque([(place.name,)] if os.name == "posix" else [])
    for _ in range(_AT_ONCE):
        if not waiting:
            return
        parts = waiting.popleft()
        with suppress(OSError), _entry(place.parent, parts) as entry:  # it has disappeared, or it cannot be listed
            _shut(entry)
            if stat.S_ISDIR(os.stat(entry).st_mode):  # noqa: PTH116 - what is held, not a path
                waiting.extend((*parts, name) for name in sorted(os.listdir(entry)))  # noqa: PTH208 - the same


@contextmanager
def _entry(top: Path, parts: tuple[str, ...]) -> Iterator[str | int]:
    """An entry below a folder, opened so that it stays the same whatever is renamed meanwhile; no link below it is followed.

    Yields:
        What identifies it in system calls: on Linux a name, for files are held that may not be read.

    Raises:
        OSError: If it does not exist, or a link is on the way.
    """
    held = os.open(top, _HOLD)
    try:
        for part in parts:
            below = os.open(part, _HOLD | os.O_NOFOLLOW, dir_fd=held)
            os.close(held)
            held = below
        yield f"/proc/self/fd/{held}" if _HOLD & _O_PATH else held
    finally:
        os.close(held)


def _shut(entry: str | int) -> None:
    """Give an entry of ours the permissions that it should have.

    A file that has other names as well, outside of the home it may be, is its owner's alone: a group gets no permission for it.
    """
    status = os.stat(entry)  # noqa: PTH116 - what is held, not a path
    own = Access() if status.st_nlink > 1 and not stat.S_ISDIR(status.st_mode) else access()
    if stat.S_ISLNK(status.st_mode) or own.fits(status) or status.st_uid != _user():
        return
    with suppress(OSError):  # on a file system that is read-only or has no permissions: the doctor reports it
        if own.group is not None and status.st_gid != own.group:
            os.chown(entry, -1, own.group)
        os.chmod(entry, own.mode(status.st_mode))  # noqa: PTH101 - the same


def _user() -> int:
    """Number of the user; none of a file's owner where the system has no such numbers."""
    return os.geteuid() if hasattr(os, "geteuid") else -1


def _entries(place: Path) -> Iterator[Path]:
    """An entry and everything below it, breadth first; links are not followed, and what cannot be listed is left out."""
    waiting = deque([place])
    while waiting:
        path = waiting.popleft()
        yield path
        with suppress(OSError):
            if path.is_dir() and not path.is_symlink():
                waiting.extend(sorted(path.iterdir()))


@dataclass(frozen=True)
class Exposed:
    """What others may do with a home.

    Attributes:
        open: Entries that others may read, write or enter, the first ones; `opened` how many there are.
        foreign: Entries that belong to another user than the home, the first ones; `foreigners` how many there are.
        parents: Folders above the home in which everyone may rename or delete.
        owner: Number of the user who owns the home.
        shut: Whether the home itself keeps others out, so that no entry can be reached.
    """

    open: tuple[str, ...]
    opened: int
    foreign: tuple[str, ...]
    foreigners: int
    parents: tuple[Path, ...]
    owner: int
    shut: bool


def exposed(home: Path, listed: int = 10) -> Exposed:
    """Look for what others may read or change; nothing is changed, and nothing is opened.

    Args:
        home: The home.
        listed: How many entries are named.
    """
    own, top = access(), home.stat()
    opened: list[str] = []
    foreign: list[str] = []
    counts = [0, 0]
    for path in _entries(home):
        with suppress(OSError):  # it has disappeared
            status = path.stat(follow_symlinks=path == home)
            if not stat.S_ISLNK(status.st_mode) and own.open(status):
                counts[0] += 1
                opened += [f"{path} ({stat.filemode(status.st_mode)})"] if len(opened) < listed else []
            if status.st_uid != top.st_uid:
                counts[1] += 1
                foreign += [f"{path} (user {status.st_uid})"] if len(foreign) < listed else []
    everybody = (stat.S_IWOTH, stat.S_IWOTH | stat.S_ISVTX)
    parents = tuple(path for path in home.resolve().parents if path.stat().st_mode & everybody[1] == everybody[0])
    return Exposed(tuple(opened), counts[0], tuple(foreign), counts[1], parents, top.st_uid, not own.open(top))
