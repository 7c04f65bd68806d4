"""What an export is packed in; other kinds of file are named."""

import gzip
import io
import tracemalloc
import zipfile

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.machine import Left
from oneclick_pipeline.raw import container
from oneclick_pipeline.raw.export import open_export, read

CSV = "id;Прибыль\n1;2\n3;4\n".encode()


def packed(*members, method=zipfile.ZIP_DEFLATED):
    """A zip archive of files (name, content)."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return out.getvalue()


LITTER = [("money/", b""), ("__MACOSX/._money.csv", b"x"), ("money/.DS_Store", b"x")]


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (CSV, "plain"),
        (gzip.compress(CSV), "gzip"),
        (gzip.compress(CSV[:20]) + gzip.compress(CSV[20:]), "gzip"),
        (packed(("money.csv", CSV)), "zip"),
        (packed(("../../etc/passwd", CSV), method=zipfile.ZIP_STORED), "zip"),
        (packed(*LITTER, ("money/Прибыль.txt", CSV)), "zip"),
        (packed(("m", "id;Прибыль\n1;2\n3;4\n".encode("utf-16"))), "zip"),
    ],
    ids=["plain", "gzip", "members", "zip", "stored", "litter", "utf-16"],
)
def test_packed_export_is_read_whatever_its_name(tmp_path, content, kind):
    path = tmp_path / "money.csv"
    path.write_bytes(content)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    frame, facts = read(path, "money", scratch)
    assert frame.sort("line").collect().select("line", "customer_id", "profit").rows() == [(2, "1", "2"), (3, "3", "4")]
    assert facts.container == kind
    assert facts.size == len(content)
    assert {one.name for one in tmp_path.iterdir()} == {"money.csv", "scratch"}


def test_verify_is_about_the_delivered_file(tmp_path):
    path = tmp_path / "money.csv.gz"
    path.write_bytes(gzip.compress(CSV))
    export = open_export(path, "money", tmp_path)
    export.verify()
    path.write_bytes(gzip.compress(CSV.replace(b"4", b"5")))
    with pytest.raises(BadInputError, match="not the one that was read"):
        export.verify()


def encrypted():
    content = bytearray(packed(("money.csv", CSV)))
    content[6] |= 1
    content[content.rfind(b"PK\x01\x02") + 8] |= 1
    return bytes(content)


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (packed(("[Content_Types].xml", b""), ("xl/workbook.xml", b"")), "an Excel workbook (.xlsx)"),
        (packed(("mimetype", b""), ("content.xml", b"")), "an OpenDocument table"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "an Excel workbook of the old format"),
        (packed(("a.csv", CSV), ("b.csv", CSV)), "the zip archive holds 2 files"),
        (packed(("a/", b"")), "the zip archive holds no files"),
        (packed(), "an empty zip archive"),
        (encrypted(), "encrypted"),
        (packed(("a.csv", CSV), method=zipfile.ZIP_BZIP2), "other than Deflate"),
        (packed(("a.zip", packed(("a.csv", CSV)))), "holds another zip archive"),
        (gzip.compress(gzip.compress(CSV)), "holds another gzip file"),
        (gzip.compress(b"a" * 257 + b"ustar" + bytes(300)), "a tar archive"),
        (gzip.compress(CSV * 100)[:-9], "damaged or incomplete"),
        (packed(("a.csv", CSV * 100))[:-40], "damaged or incomplete"),
        (b"7z\xbc\xaf\x27\x1c" + CSV, "a 7z archive"),
        (b"Rar!\x1a\x07\x01\x00" + CSV, "a RAR archive"),
        (b"BZh9" + CSV, "a bzip2 archive"),
        (b"\xfd7zXZ\x00" + CSV, "an xz archive"),
        (b"\x28\xb5\x2f\xfd" + CSV, "a Zstandard archive"),
        (b"PAR1" + CSV, "a Parquet file"),
        (b"%PDF-1.7\n", "a PDF document"),
        (b"\xef\xbb\xbf\r\n <!DOCTYPE html><table>", "an HTML page"),
        ("<html><table>".encode("utf-16"), "an HTML page"),
        (b"<?xml version='1.0'?><Workbook>", "an XML document"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_other_kinds_of_file_are_named(tmp_path, content, named):
    path = tmp_path / "money.csv"
    path.write_bytes(content)
    with pytest.raises(BadInputError) as error:
        open_export(path, "money", tmp_path)
    assert named in str(error.value)
    assert "money.csv" in str(error.value)
    assert "What to do:" in str(error.value)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(place=st.integers(-200, 200), byte=st.integers(0, 255), cut=st.integers(0, 30))
@example(place=-3, byte=255, cut=0)  # the list of files begins before the archive
@example(place=-71, byte=127, cut=0)  # a version that is not known
def test_damaged_zip_archive_is_read_rightly_or_refused(tmp_path, place, byte, cut):
    content = bytearray(packed(("money.csv", CSV)))
    content[place % len(content)] = byte
    path = tmp_path / "money.csv"
    path.write_bytes(content[: len(content) - cut])
    try:
        export = open_export(path, "money", tmp_path)
    except BadInputError as error:
        assert "What to do:" in str(error)  # noqa: PT017 - either is right
        return
    assert export.lines().sort("line").collect().select("customer_id", "profit").rows() == [("1", "2"), ("3", "4")]


@pytest.mark.parametrize("pack", [gzip.compress, lambda content: packed(("money.csv", content))], ids=["gzip", "zip"])
def test_bomb_is_expanded_in_constant_memory_until_the_disk_would_fill(tmp_path, monkeypatch, pack):
    path = tmp_path / "money.csv"
    path.write_bytes(pack(CSV + b"0" * (200 << 20)))
    free = iter([1 << 40, *[1 << 40] * 3, 1 << 20])
    monkeypatch.setattr(container, "left", lambda _: Left(read_only=False, free=next(free), files=None, room=1, inodes=1))
    tracemalloc.start()
    with pytest.raises(BadInputError, match="its content fills the disk"):
        open_export(path, "money", tmp_path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 50 << 20
