"""Experiments of the pipeline in MLflow, and what its pages can show of customers."""

import pandas as pd

from oneclick_pipeline.contracts.customers import FEATURES
from oneclick_pipeline.model.example import invented_customers
from oneclick_pipeline.model.training_set import inputs
from oneclick_pipeline.tracking import Tracking, runs
from oneclick_pipeline_tests.tracking.trainings import assert_no_customer


def test_experiment_that_somebody_deleted_in_the_pages_comes_back(tmp_path):
    store = Tracking(tmp_path)
    store.prepare()
    client = store._client()
    made = runs.experiment(client, runs.EXPERIMENT, (store.folder / "artifacts").as_uri())
    client.create_run(made, run_name="earlier")
    client.delete_experiment(made)
    assert runs.experiment(client, runs.EXPERIMENT, (store.folder / "artifacts").as_uri()) == made
    client.create_run(made, run_name="retrain 2026-10")
    assert {run.info.run_name for run in client.search_runs([made])} == {"earlier", "retrain 2026-10"}


def test_logged_example_is_nobody(registered, training):
    folder = registered.folder / registered.version(1).folder
    example = pd.read_json(folder / "input_example.json", orient="split")
    known = inputs(training)
    pd.testing.assert_frame_equal(example.astype(object), invented_customers().astype(object), check_dtype=False)
    same = example.merge(known, on=list(known.columns))
    assert same.empty
    numbers = [c.name for c in FEATURES if c.kind == "float"]
    for name in numbers:  # not even one of its measured values is anybody's
        assert not set(example[name]) & set(known[name]), name


def test_example_keeps_to_the_contract():
    for row in invented_customers().to_dict("records"):
        for column in FEATURES:
            value = row[column.name]
            if column.kind == "str":
                assert value in (set(column.values.values()) or set(column.known))
            else:
                assert (column.minimum or 0) <= value <= (column.maximum or value)


def test_mlflow_shows_no_row_of_a_customer(registered, training):
    """What its pages can show: no table of customers, and in no text what a customer spent."""
    assert_no_customer(registered, training)
