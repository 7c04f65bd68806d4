"""Experiments of the pipeline in MLflow."""

from oneclick_pipeline.tracking import Tracking, runs


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
