"""A model opened by a process independent of the one that made it."""

import numpy as np

from oneclick_pipeline.model import predict
from oneclick_pipeline.model.gates import edge_rows
from oneclick_pipeline.tracking import isolated
from oneclick_pipeline_tests.tracking.trainings import forged, log, model_file


def test_fresh_process_predicts_the_same_as_the_model_it_came_from(logged, two_families, training):
    tracking, version = logged
    rows = edge_rows(training)
    found = tracking.reopen(version, rows)
    assert (found.foreign, found.error) == ((), "")
    np.testing.assert_array_equal(found.p_decline, predict(two_families.pipeline, rows))


def test_fresh_process_tells_why_it_gives_no_probabilities(tracking, trained, training, monkeypatch):
    version = log(tracking, trained, training)
    path = model_file(tracking, version)
    content = path.read_bytes()
    path.write_bytes(content + b" ")
    found = tracking.reopen(version, edge_rows(training))
    assert (found.p_decline, found.foreign) == (None, ())
    assert "is not the one that was registered" in found.error
    path.write_bytes(content)
    assert "features are missing: service_level" in tracking.reopen(version, edge_rows(training).iloc[:, 1:]).error
    monkeypatch.setattr(isolated, "_PATIENCE", 0.01)
    assert tracking.reopen(version, edge_rows(training)).error == "the process did not answer within 0.01 s"


def test_fresh_process_names_foreign_types(tracking, trained, training):
    version = forged(tracking, log(tracking, trained, training))
    assert tracking.reopen(version, edge_rows(training)).foreign == ("shutil.rmtree",)
