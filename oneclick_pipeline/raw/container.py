"""What a delivered file is: plain text, gzip, or a zip archive with one file. Anything else is named, with what to do.

The content counts, not the ending of the name. The name of a file inside an archive is never used as a path. Everything is
read in pieces, so that memory does not depend on how large a file expands.
"""

from __future__ import annotations

import gzip
import struct
import zipfile
import zlib
from contextlib import contextmanager
from errno import EINVAL
from typing import IO, TYPE_CHECKING, cast

from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.machine import left

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

PLAIN, GZIP, ZIP = "plain", "gzip", "zip"

_AS_CSV = "save it as CSV (in Excel or LibreOffice: «Save as», type «CSV UTF-8») and deliver that"
_UNPACK = "unpack it and deliver the CSV, or pack the CSV as .csv.gz or as a zip archive with one file"
_EXPORT = "export it again as CSV"
_SIGNATURES = (  # how a file begins, what it is, what to do
    (b"\x1f\x8b", GZIP, ""),
    (b"PK\x03\x04", ZIP, ""),
    (b"PK\x05\x06", "an empty zip archive", "pack the CSV again"),
    (b"PK\x07\x08", "one part of a zip archive", "pack the CSV into one archive"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Excel workbook of the old format (.xls), or one with a password", _AS_CSV),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", _UNPACK),
    (b"Rar!\x1a\x07", "a RAR archive", _UNPACK),
    (b"BZh", "a bzip2 archive", _UNPACK),
    (b"\xfd7zXZ\x00", "an xz archive", _UNPACK),
    (b"\x28\xb5\x2f\xfd", "a Zstandard archive", _UNPACK),
    (b"\x04\x22\x4d\x18", "an LZ4 archive", _UNPACK),
    (b"\x1f\x9d", "a .Z archive", _UNPACK),
    (b"PAR1", "a Parquet file", _EXPORT),
    (b"ARROW1", "an Arrow file", _EXPORT),
    (b"SQLite format 3\x00", "an SQLite database", _EXPORT),
    (b"%PDF", "a PDF document", _EXPORT),
    (b"{\\rtf", "an RTF document", _EXPORT),
)
_MARKUP = (  # how a text begins, lower case, without blanks and NUL: a table that was saved as a page may be in UTF-16
    (b"<!doctype html", "an HTML page", _AS_CSV),
    (b"<html", "an HTML page", _AS_CSV),
    (b"<table", "an HTML page", _AS_CSV),
    (b"<?xml", "an XML document", _AS_CSV),
)
_DOCUMENTS = (  # a file that a zip archive of the kind holds
    ("xl/", "an Excel workbook (.xlsx)", _AS_CSV),
    ("content.xml", "an OpenDocument table (.ods)", _AS_CSV),
    ("word/", "a Word document (.docx)", _EXPORT),
    ("Index/", "a Numbers table", _AS_CSV),
)
_LITTER = ("__MACOSX/", ".DS_Store", "Thumbs.db", "desktop.ini")
_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
_TAR = 257, b"ustar"
_HEAD = 512
_CHECK_BYTES = 16 << 20
_ROOM, _SHARE = 256 << 20, 20
"""A copy leaves free: this many bytes, or one in so many of those that are free at its beginning if that is less."""


@contextmanager
def opened(path: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """The content of a delivered file, at its beginning, and what held it: `plain`, `gzip` or `zip`.

    Raises:
        BadInputError: If the file is of another kind, an archive without exactly one file, encrypted, or damaged.
    """
    with path.open("rb") as file:
        kind = _kind(file.read(_HEAD), path)
        file.seek(0)
        try:
            if kind == GZIP:
                with gzip.GzipFile(fileobj=file) as content:
                    yield kind, _checked(cast("IO[bytes]", content), path, "the gzip file")
            elif kind == ZIP:
                with _file_of_zip(file, path) as content:
                    yield kind, _checked(content, path, "the zip archive")
            else:
                yield kind, file
        except (zlib.error, gzip.BadGzipFile, zipfile.BadZipFile, EOFError) as error:
            raise _damaged(path, error) from error


def _file_of_zip(file: IO[bytes], path: Path) -> IO[bytes]:
    """The content of the one file of a zip archive."""
    try:
        archive = zipfile.ZipFile(file)  # it closes nothing that was opened here
        return archive.open(_only_file(archive, path))
    except (OSError, ValueError, LookupError, RuntimeError, struct.error) as error:  # the list of files is damaged
        if isinstance(error, OSError) and error.errno != EINVAL:  # a place before the beginning
            raise
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> BadInputError:
    return BadInputError("the archive is damaged or incomplete", file=str(path), value=str(error), remedy="deliver it again")


def _kind(head: bytes, path: Path, inside: str = "") -> str:
    """What a file is by its beginning; an error that names what cannot be read."""
    text = next((head.removeprefix(mark) for mark in _MARKS if head.startswith(mark)), head)
    text = text.replace(b"\0", b"").lstrip().lower()
    kind, remedy = next(((kind, remedy) for start, kind, remedy in _SIGNATURES if head.startswith(start)), (PLAIN, ""))
    if kind == PLAIN:
        kind, remedy = next(((kind, remedy) for start, kind, remedy in _MARKUP if text.startswith(start)), (PLAIN, ""))
    if kind == PLAIN and head[_TAR[0] :].startswith(_TAR[1]):
        kind, remedy = "a tar archive", _UNPACK
    if kind == PLAIN or (not inside and not remedy):
        return kind
    name = {GZIP: "another gzip file", ZIP: "another zip archive, or an Excel workbook"}.get(kind, kind)
    raise BadInputError(
        f"{inside} holds {name}, not a CSV file" if inside else f"this is {name}, not a CSV file",
        file=str(path),
        remedy=remedy or _UNPACK,
    )


def _checked(content: IO[bytes], path: Path, inside: str) -> IO[bytes]:
    """The content of an archive, if it is a text."""
    _kind(content.read(_HEAD), path, inside)
    content.seek(0)
    return content


def _only_file(archive: zipfile.ZipFile, path: Path) -> zipfile.ZipInfo:
    """The one file of a zip archive; folders, and what systems add by themselves, do not count."""
    names = archive.namelist()
    for member, kind, remedy in _DOCUMENTS:
        if any(name.startswith(member) for name in names):
            raise BadInputError(f"this is {kind}, not a CSV file", file=str(path), remedy=remedy)
    found = [m for m in archive.infolist() if not m.is_dir() and not _is_litter(m.filename)]
    if len(found) != 1:
        raise BadInputError(
            f"the zip archive holds {len(found) or 'no'} files; one was expected",
            file=str(path),
            value=", ".join(m.filename for m in found[:5]) or None,
            remedy="pack each export into an archive of its own",
        )
    if found[0].flag_bits & 1:
        raise BadInputError("the zip archive is encrypted", file=str(path), remedy="pack the CSV without a password")
    if found[0].compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise BadInputError(
            "the zip archive is compressed by a method other than Deflate", file=str(path), remedy="pack the CSV with Deflate"
        )
    return found[0]


def _is_litter(name: str) -> bool:
    return name.startswith(_LITTER[0]) or (last := name.rsplit("/", 1)[-1]) in _LITTER or last.startswith("._")


def write(chunks: Iterable[bytes], target: Path, path: Path) -> None:
    """Write the content of the file at `path` to `target`, unless it would fill the disk.

    Raises:
        BadInputError: If too little space is left: what is small as an archive may be endless once expanded.
    """
    written = unchecked = 0
    before = left(target.parent)
    reserve = min(_ROOM, before.free // _SHARE) if before else 0
    with target.open("wb") as out:
        for chunk in chunks:
            unchecked += len(chunk)
            if unchecked >= _CHECK_BYTES:
                written, unchecked = written + unchecked, 0
                if (now := left(target.parent)) and now.free < reserve + _CHECK_BYTES:
                    raise BadInputError(
                        f"its content fills the disk: {written >> 20} MB so far",
                        file=str(path),
                        remedy="free some space; if the file cannot be that large, it is not an export: deliver the right one",
                    )
            out.write(chunk)
