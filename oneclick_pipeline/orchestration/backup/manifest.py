"""The manifest of a backup: what it holds, in a format that allows nothing else.

A backup comes from a disk to which anyone may have written. Only what `oneclick backup` itself writes is accepted: known
keys, plain names below `home/`, a SHA-256 for every file; and a folder that holds these files and no others.
"""

from __future__ import annotations

import json
import os
import re
import stat
import unicodedata
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NotRequired, TypedDict

from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.home.paths import STAGING

if TYPE_CHECKING:
    from collections.abc import Iterator

MANIFEST, DUMP, HOME = "manifest.json", "postgres.dump", "home"
LOCK = ".lock"
PASSING = (LOCK, "-wal", "-shm", "-journal")
"""Suffixes of files that only mean something to a living process."""

_MOST_BYTES = 64 << 20
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?[+-]\d\d:\d\d", re.ASCII)
_KEYS = {"made", "home", "postgres", "files"}
_MAY_KEYS = {"left_out"}
_PATH_LENGTH, _NAME_LENGTH = 4096, 255


class Manifest(TypedDict):
    """What a backup is.

    Attributes:
        made: When, ISO 8601 with its offset.
        home: Absolute path of the home.
        postgres: Whether the home's runs and models were in PostgreSQL, so that there is a dump.
        files: SHA-256 by name, `home/…` or the dump.
        left_out: Entries of the home that backups leave out: sockets, pipes, devices, and files whose names mean something
            to SQLite or as a lock, and that are neither.
    """

    made: str
    home: str
    postgres: bool
    files: dict[str, str]
    left_out: NotRequired[list[str]]


def read(folder: Path) -> tuple[Manifest, bytes]:
    """The manifest of a backup; nothing is written, and no file but the manifest is read.

    Returns:
        The manifest, and the bytes that it was read from.

    Raises:
        BadInputError: If it is not a manifest that `oneclick backup` writes, or the folder holds other files than it names.
    """
    text = _text(folder)
    manifest = checked(_parsed(text, folder), folder / MANIFEST)
    _refuse_strangers(folder, manifest)
    return manifest, text


def checked(content: object, file: Path) -> Manifest:
    """The content of a manifest, if it has the shape of ours.

    Raises:
        BadInputError: If it has not.
    """
    if not isinstance(content, dict) or not content.keys() >= _KEYS or not content.keys() <= _KEYS | _MAY_KEYS:
        raise refusal(file, f"its keys are not {', '.join(sorted(_KEYS))}")
    made, home, postgres, files = (content[key] for key in ("made", "home", "postgres", "files"))
    if not _is_time(made):
        raise refusal(file, "«made» is not a time", made)
    if not _is_path(home):
        raise refusal(file, "«home» is not an absolute path", home)
    if not isinstance(files, dict) or not isinstance(postgres, bool) or postgres != (DUMP in files):
        raise refusal(file, f"«files» is not an object, or «postgres» does not say whether there is a {DUMP}")
    _check_files(files, file)
    left_out = content.get("left_out", [])
    if not isinstance(left_out, list) or not all(isinstance(name, str) and not problem_of_path(name) for name in left_out):
        raise refusal(file, "«left_out» is not a list of names", left_out)
    return Manifest(made=made, home=home, postgres=postgres, files=files, left_out=left_out)


def problem_of(name: str) -> str:
    """What is wrong with the name of a file in a backup; empty where it is one that a backup may hold.

    >>> problem_of("home/raw/2026-10/money.csv")
    ''
    >>> problem_of("home/../.ssh/authorized_keys")
    'a name has the component «..»'
    """
    if name == DUMP:
        return ""
    if problem := problem_of_path(name):
        return problem
    parts = name.split("/")
    if parts[0] != HOME or len(parts) == 1:
        return f"a name is neither below {HOME}/ nor {DUMP}"
    if parts[1] == STAGING or name.endswith(PASSING):
        return "a name is that of a file which backups leave out"
    return ""


def refusal(file: Path, problem: str, value: object = None) -> BadInputError:
    """The error for a folder that is not one of our backups."""
    return BadInputError(
        f"it is not one of our backups: {problem}",
        file=str(file),
        value=None if value is None else ascii(value)[:200],  # no control character reaches a terminal
        remedy="give an unchanged folder made by `oneclick backup`; nothing was written",
    )


@contextmanager
def opened(folder: Path, name: str) -> Iterator[int]:
    """A file of a backup, opened for reading; no link on the way to it is followed, and only a plain file is opened.

    Yields:
        Its descriptor.

    Raises:
        OSError: If it cannot be opened, or it or a folder on the way is a link.
        BadInputError: If it is not a plain file.
    """
    *above, last = name.split("/")
    here = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for part in above:
            below = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=here)
            os.close(here)
            here = below
        file = os.open(last, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=here)  # opening a pipe must not block
    finally:
        os.close(here)
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise refusal(folder / name, "it is not a plain file")
        yield file
    finally:
        os.close(file)


def _text(folder: Path) -> bytes:
    """The bytes of the manifest."""
    try:
        with opened(folder, MANIFEST) as file, os.fdopen(os.dup(file), "rb") as content:
            text = content.read(_MOST_BYTES + 1)
    except OSError as error:
        raise _no_backup(folder, error) from error
    if len(text) > _MOST_BYTES:
        raise refusal(folder / MANIFEST, f"it is larger than {_MOST_BYTES >> 20} MB")
    return text


def _parsed(text: bytes, folder: Path) -> object:
    """The JSON of the manifest."""
    try:
        return json.loads(text.decode("utf-8"), object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise _no_backup(folder, error) from error


def _no_backup(folder: Path, error: Exception) -> BadInputError:
    """The error for a folder without a manifest."""
    remedy = "give a folder made by `oneclick backup`"
    return BadInputError("it is not a backup", file=str(folder), value=ascii(str(error))[:200], remedy=remedy)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; a key that appears twice would hide a value from a reader of the other one."""
    content = dict(pairs)
    if len(content) != len(pairs):
        raise ValueError("a key appears twice")
    return content


def _refuse_strangers(folder: Path, manifest: Manifest) -> None:
    """Refuse a folder that holds a link, a pipe, a device, or a file that the manifest does not name."""
    names, waiting = {MANIFEST, *manifest["files"]}, [folder]
    try:
        while waiting:
            for path in list(waiting.pop().iterdir()):
                mode = path.lstat().st_mode
                if stat.S_ISDIR(mode):
                    waiting.append(path)
                elif not stat.S_ISREG(mode):
                    raise refusal(folder, "it holds a link, a pipe, a socket or a device", str(path.relative_to(folder)))
                elif str(path.relative_to(folder)) not in names:
                    raise refusal(folder, "it holds a file that the manifest does not name", str(path.relative_to(folder)))
    except OSError as error:
        raise refusal(folder, f"it cannot be read: {error.strerror}", error.filename) from error


def problem_of_path(name: str) -> str:
    """What is wrong with a relative path of plain components."""
    try:
        encoded = os.fsencode(name)
    except UnicodeEncodeError:
        return "a name is not a possible file name"
    if len(encoded) > _PATH_LENGTH or any(len(part) > _NAME_LENGTH for part in encoded.split(b"/")):
        return "a name is too long"
    if "\\" in name or _has_control(name):
        return "a name has a backslash or a control character"
    return next((f"a name has the component «{part}»" for part in name.split("/") if part in ("", ".", "..")), "")


def _check_files(files: dict[str, object], file: Path) -> None:
    """Refuse names that a backup does not hold, and anything that is not a SHA-256."""
    for name, sha256 in files.items():
        if problem := problem_of(name):
            raise refusal(file, problem, name)
        if not isinstance(sha256, str) or not _SHA256.fullmatch(sha256):
            raise refusal(file, f"the SHA-256 of {name} is not 64 hexadecimal digits", sha256)
    folders = {parent.as_posix() for name in files for parent in Path(name).parents}
    if both := sorted(folders & files.keys()):
        raise refusal(file, "a file has the same name as a folder", both[0])


def _has_control(text: str) -> bool:
    """Whether a text has a control character."""
    return any(unicodedata.category(character) == "Cc" for character in text)


def _is_time(text: object) -> bool:
    """Whether it is a time with its offset, as `datetime.isoformat` writes it."""
    if not isinstance(text, str) or not _TIME.fullmatch(text):
        return False
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def _is_path(text: object) -> bool:
    """Whether it is an absolute path of the kind that a home may have."""
    if not isinstance(text, str) or _has_control(text):
        return False
    try:
        return len(os.fsencode(text)) <= _PATH_LENGTH and Path(text).is_absolute()
    except UnicodeEncodeError:
        return False
