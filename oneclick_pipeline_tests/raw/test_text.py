"""The text of a file in constant memory, whatever its lines are."""

import tracemalloc

import pytest

from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.raw.export import open_export
from oneclick_pipeline.raw.records import TOO_LONG

HEADER = "id;Прибыль"


@pytest.mark.parametrize("encoding", ["utf-8", "cp1251", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r"])
def test_line_of_many_megabytes_costs_constant_memory(tmp_path, encoding, end):
    path = tmp_path / "money.csv"
    with path.open("wb") as file:
        file.write(f"{HEADER}{end}1;2{end}".encode(encoding))
        for _ in range(60):
            file.write(("7" * (1 << 20)).encode(encoding)[0 if encoding != "utf-16" else 2 :])
        file.write(f"{end}3;4".encode(encoding)[0 if encoding != "utf-16" else 2 :])
    tracemalloc.start()
    export = open_export(path, "money", tmp_path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 40 << 20
    frame = export.lines().sort("line").collect()
    assert frame.select("line", "profit", "problem").rows() == [(2, "2", None), (3, None, TOO_LONG), (4, "4", None)]


def test_file_without_line_ends_is_no_export_however_large(tmp_path):
    path = tmp_path / "money.csv"
    path.write_bytes(HEADER.encode() + b";" + b"7" * (30 << 20))
    tracemalloc.start()
    with pytest.raises(BadInputError):
        open_export(path, "money", tmp_path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 40 << 20


def test_line_ends_of_an_old_mac_may_stand_beside_others_in_cells(tmp_path):
    path = tmp_path / "money.csv"
    path.write_bytes(f'{HEADER};Город\r1;2;"a\nb"\r3;4;c\r'.encode())
    export = open_export(path, "money", tmp_path)
    assert export.lines().sort("line").collect().select("line", "profit").rows() == [(2, "2"), (3, "4")]
    assert export.facts.line_end == "CR"
