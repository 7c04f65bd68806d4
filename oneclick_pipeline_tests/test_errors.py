import copy
import errno
import pickle
import sqlite3
from pathlib import Path

import pytest

from oneclick_pipeline import errors
from oneclick_pipeline.errors import BadInputError, of_the_machine
from oneclick_pipeline.machine import Left


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "it is broken"),
        ({"remedy": "fix it"}, "it is broken. What to do: fix it"),
        ({"file": "money.csv"}, "money.csv: it is broken"),
        ({"file": "money.csv", "line": 0}, "money.csv, line 0: it is broken"),
        ({"file": "money.csv", "column": "Прибыль"}, "money.csv, column «Прибыль»: it is broken"),
        ({"value": ""}, "value '': it is broken"),
        ({"value": "a\nb"}, r"value 'a\nb': it is broken"),
        ({"value": "x" * 300}, f"value '{'x' * 200}': it is broken"),
    ],
)
def test_message_names_what_is_known(fields, message):
    assert str(BadInputError("it is broken", **fields)) == message


@pytest.mark.parametrize("through", [copy.copy, copy.deepcopy, lambda e: pickle.loads(pickle.dumps(e))])  # noqa: S301
def test_error_travels_between_processes_with_its_fields(through):
    error = BadInputError("it is broken", "money.csv", 7, "Прибыль", "abc", "fix it")
    arrived = through(error)
    assert (arrived, str(arrived)) == (error, str(error))
    assert isinstance(arrived, BadInputError)


READ_ONLY = "the file system is read-only. What to do: find out why"
MEMORY = "the memory available to the process is not enough. What to do: give it more"
NO_INODES = "the file system has no inodes left, so no more files can be created there, although there is space"


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(errno.EROFS, "Read-only file system", "HOME/part"), f"HOME/part: {READ_ONLY}"),
        (RuntimeError("Read-only file system (os error 30)"), f"HOME: {READ_ONLY}"),
        (OSError(errno.EDQUOT, "Disk quota exceeded", "HOME/part"), "HOME/part: the disk quota is used up. What to do: delete"),
        (
            OSError(errno.ENOSPC, "No space left on device", "HOME/part"),
            "HOME/part: the disk is full. What to do: free some space",
        ),
        (RuntimeError("IO error: No space left on device (os error 28)"), "HOME: the disk is full. What to do: free some space"),
        (MemoryError(), MEMORY),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), MEMORY),
        (ImportError("libx.so: failed to map segment from shared object: Cannot allocate memory"), MEMORY),
        (RuntimeError("can't start new thread"), "no more threads can be started. What to do: raise the limit of processes"),
        (
            OSError(errno.EMFILE, "Too many open files", "HOME/part"),
            "HOME/part: the process has reached its limit of open files.",
        ),
        (OSError(errno.ENFILE, "Too many open files in system"), "HOME: the system has reached its limit of open files."),
        (OSError(errno.EFBIG, "File too large", "HOME/part"), "HOME/part: the file would exceed the maximum file size."),
        (OSError(errno.EUCLEAN, "Structure needs cleaning", "HOME/part"), "HOME/part: its disk is failing: Structure needs"),
        (
            OSError(errno.EIO, "Input/output error"),
            "HOME: its disk is failing: Input/output error. What to do: check that the disk",
        ),
        (OSError(errno.ESTALE, "Stale file handle", "HOME/part"), "HOME/part: its disk is failing: Stale file handle."),
        (
            FileNotFoundError(errno.ENOENT, "No such file or directory", "HOME/part"),
            "HOME/part: it cannot be read or written: No",
        ),
        (PermissionError(errno.EACCES, "Permission denied", "x"), "x: it may not be read or written: Permission denied. What to"),
    ],
)
def test_what_the_machine_did_is_said_in_plain_words_with_a_remedy(monkeypatch, error, message):
    monkeypatch.setattr(errors, "left", lambda _: Left(read_only=False, free=0, files=100, room=0.0, inodes=0.5))
    assert str(of_the_machine(error, Path("HOME"))).startswith(message)
    wrapped = RuntimeError("a library's own words")
    wrapped.__cause__ = error
    assert str(of_the_machine(wrapped, Path("HOME"))).startswith(message)


@pytest.mark.parametrize(
    ("left", "error", "message"),
    [
        (Left(read_only=False, free=1 << 30, files=3, room=0.9, inodes=0.0), OSError(errno.ENOSPC, "", "HOME/part"), NO_INODES),
        (
            Left(read_only=False, free=1 << 30, files=3, room=0.9, inodes=0.0),
            sqlite3.OperationalError("unable to open"),
            NO_INODES,
        ),
        (Left(read_only=True, free=1 << 30, files=9, room=0.9, inodes=0.5), sqlite3.OperationalError("readonly"), READ_ONLY),
        (
            Left(read_only=False, free=9, files=999, room=0.0, inodes=0.5),
            sqlite3.OperationalError("disk I/O error"),
            "the disk is full",
        ),
        (
            Left(read_only=False, free=1 << 30, files=999, room=0.9, inodes=0.5),
            sqlite3.OperationalError("locked"),
            "another program",
        ),
    ],
)
def test_what_the_file_system_has_left_says_why_nothing_can_be_written(monkeypatch, left, error, message):
    monkeypatch.setattr(errors, "left", lambda _: left)
    assert message in str(of_the_machine(error, Path("HOME")))


def test_database_that_gets_no_memory_is_not_called_a_broken_disk(monkeypatch):
    monkeypatch.setattr(errors, "is_short_of_memory", lambda: True)
    assert str(of_the_machine(sqlite3.OperationalError("disk I/O error"))).startswith(MEMORY)
    assert str(of_the_machine(RuntimeError("can't start new thread"))).startswith(MEMORY)


@pytest.mark.parametrize("text", ["No space left on device", "Read-only file system", "Cannot allocate memory"])
def test_what_an_export_says_is_not_what_the_system_said(text):
    error = BadInputError("the header has no column «Прибыль»", file="money.csv", line=1, value=text)
    assert of_the_machine(error, Path("HOME")) is None
    error.__cause__ = OSError(errno.EROFS, "Read-only file system", "HOME/part")
    assert READ_ONLY in str(of_the_machine(error, Path("HOME")))


@pytest.mark.parametrize(
    "error", [KeyError("x"), FileNotFoundError(errno.ENOENT, "No such file", "ELSEWHERE/x"), TimeoutError("x")]
)
def test_mistake_of_ours_is_not_put_down_to_the_machine(error):
    assert of_the_machine(error, Path("HOME")) is None
