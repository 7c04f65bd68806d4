"""Every tag that the pipeline writes is one that the pages may not change."""

from oneclick_pipeline.tracking import Tracking, allow_list
from oneclick_pipeline_tests.orchestration import homes


def editable(key):
    try:
        allow_list._require_editable(key)
    except allow_list.RefusedError:
        return False
    return True


def test_tags_of_runs_versions_and_experiments_are_the_pipelines_own(tmp_path_factory, worker_id):
    client = Tracking(homes.finished(tmp_path_factory, worker_id).home)._client()
    experiments = client.search_experiments()
    runs = client.search_runs([experiment.experiment_id for experiment in experiments])
    versions = client.search_model_versions()
    keys = {key for one in experiments for key in one.tags} | {key for run in runs for key in run.data.tags}
    keys |= {key for version in versions for key in version.tags}
    assert {"gates", "promoted_by", "roc_auc", "mlflow.parentRunId"} <= keys
    assert {key for key in keys if editable(key)} == {"mlflow.note.content"}
