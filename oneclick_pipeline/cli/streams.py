"""Standard output and error that cannot end a command: a terminal that lacks a character, or that has been closed."""

from __future__ import annotations

import codecs
import errno
import io
import os
import sys
from typing import IO, TextIO, cast

_HANDLER = "oneclick"
_IN_ASCII = {
    "✓": "+", "✗": "x", "…": "...", "–": "-", "—": "-", "«": '"', "»": '"', "·": "-", "×": "x", "→": "->", "±": "+-", "−": "-",
    "≤": "<=", "≥": ">=", "≈": "~", "\N{NO-BREAK SPACE}": " ",
}  # fmt: skip
"""What our messages use beside letters, and how it is shown where there is nothing but ASCII."""
_LAST_STANDARD = 2
_NOBODY_READS = (errno.EPIPE, errno.EIO)


def in_ascii(error: UnicodeError) -> tuple[str, int]:
    r"""The replacement of characters that an encoding lacks; a handler of errors for `codecs`.

    >>> "✓ 5 ≥ 3 ☂".encode("ascii", "oneclick").decode()
    '+ 5 >= 3 \\u2602'
    """
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    shown = "".join(_IN_ASCII.get(c) or c.encode("ascii", "backslashreplace").decode("ascii") for c in lacking)
    return shown, error.end


codecs.register_error(_HANDLER, in_ascii)


class _Output(io.FileIO):
    """A descriptor that discards output once its reader has gone: `| head` has seen enough, the terminal is closed.

    The command continues. A run is worth more than its output, and closing a pipe is not meant to
    abort a month; the exit code says how it ended.
    """

    def write(self, data: bytes) -> int:  # type: ignore[override] # any buffer, in truth
        """Write, or pretend to."""
        try:
            return cast("int", super().write(data))
        except OSError as error:
            if error.errno not in _NOBODY_READS:
                raise
            return memoryview(data).nbytes


def tolerant(stream: TextIO | None) -> TextIO:
    """A standard stream to which any text can be written, even once its reader has gone."""
    if stream is None:  # it was closed before we were started
        return open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123 - as long as the process lives
    buffer = getattr(stream, "buffer", None)
    raw = getattr(buffer, "raw", buffer)  # there is no buffer between them under PYTHONUNBUFFERED
    if not (isinstance(stream, io.TextIOWrapper) and isinstance(raw, io.FileIO)):  # the output is captured in memory
        return stream
    stream.flush()
    output = _Output(stream.fileno(), "wb", closefd=False)
    lasting = output if stream.write_through else io.BufferedWriter(cast("io.RawIOBase", output))
    return io.TextIOWrapper(
        cast("IO[bytes]", lasting),
        encoding=stream.encoding,
        errors=_HANDLER,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


def _occupy() -> None:
    """Open the standard descriptors that were closed before we were started, lest the next files get their numbers.

    Whatever a library or a child then writes to its standard error would land in a lock or a table of the home.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= _LAST_STANDARD:
        os.set_inheritable(descriptor, True)  # noqa: FBT003 - by children; the parameter has no name
    os.close(descriptor)


def install() -> None:
    """Make both standard streams of this process tolerant."""
    _occupy()
    sys.stdout, sys.stderr = tolerant(sys.stdout), tolerant(sys.stderr)
