import narwhals as nw
import pandas as pd
import polars as pl
import pytest

from oneclick_pipeline.raw.missing import MARKERS, is_marker

TEXTS = {
    True: ["-", "–", "—", "−", "NULL", "null", "None", "NaN", "nan", "N/A", "n/a", "NA", "#N/A", "#Н/Д", "н/д", "#DIV/0!",
           "#ЗНАЧ!", "#ССЫЛКА!", "\\N", "<NA>", "NaT", "нет данных", "?"],
    False: ["0", "-1", "–5", "нет", "на", "Null Island", "Нет", "inf", "SPA", "id", "1.", "#5"],
}  # fmt: skip


@pytest.mark.parametrize("backend", [pl.DataFrame, lambda d: pd.DataFrame(d).convert_dtypes(dtype_backend="pyarrow")])
@pytest.mark.parametrize("missing", [True, False])
def test_markers_stand_for_missing_values_on_every_engine(backend, missing):
    frame = nw.from_native(backend({"text": TEXTS[missing]}))
    assert frame.select(is_marker(nw.col("text")))["text"].to_list() == [missing] * len(TEXTS[missing])


def test_markers_are_without_surrounding_blanks():
    assert all(marker == marker.strip() and marker for marker in MARKERS)
