"""What the pictures of monitoring show."""

import numpy as np
import pandas as pd

from oneclick_pipeline.monitoring.pictures import drift_map, kept_promises
from oneclick_pipeline.pictures import DECLINED, png
from oneclick_pipeline.settings import Monitoring
from oneclick_pipeline_tests.report.months import drift, health


def texts(picture):
    return [text.get_text() for axes in picture.axes for text in axes.texts]


def test_map_has_a_cell_a_month_and_a_frame_where_something_moved():
    tables = {
        "2026-09": drift().assign(psi=np.nan, status="not_enough_data"),
        "2026-10": drift(tenure_days="shifted", p_decline="moderate"),
    }
    picture = drift_map(tables, Monitoring())
    (axes,) = picture.axes
    assert [t.get_text() for t in axes.get_yticklabels()] == ["tenure_days", "p_decline", "pages_per_visit", "favourite_category"]
    assert [t.get_text() for t in axes.get_xticklabels()] == ["2026-09\n2026-07", "2026-10\n2026-07"]
    assert sorted(texts(picture)) == ["0.02", "0.06", "0.15", "0.31", "·", "·", "·", "·"]
    assert [round(frame.get_linewidth(), 1) for frame in axes.patches] == [2.2, 1.0]
    assert png(picture)[:4] == b"\x89PNG"


def test_map_of_a_month_without_a_reference_is_drawn():
    table = drift(None).assign(psi=np.nan, status="no_reference")
    assert set(texts(drift_map({"2026-10": table}, Monitoring()))) == {"·"}


def test_promises_are_drawn_by_month_and_not_at_all_where_none_is_known():
    picture = kept_promises(health())
    upper, lower = picture.axes
    assert [t.get_text() for t in lower.get_xticklabels()] == ["2026-07\nversion 2"]
    points = {line.get_label(): (line.get_ydata().tolist(), line.get_color()) for line in upper.lines}
    assert points["promised"][0] == [40.0]
    assert points["observed"] == ([41.0], DECLINED)
    assert png(picture)[:4] == b"\x89PNG"
    assert kept_promises(health().head(1)) is None
    assert kept_promises(pd.DataFrame(columns=health().columns)) is None
