"""A champion that does not predict, and versions that are not as their records say."""

import numpy as np

from oneclick_pipeline import model
from oneclick_pipeline.tracking import Tracking
from oneclick_pipeline_tests.cli.doctor.conftest import execute_sql
from oneclick_pipeline_tests.tracking.trainings import model_file


def test_champion_that_was_changed_is_gone_or_is_nobody(findings, home, broken):
    store = Tracking(home)
    path = model_file(store, store.require_champion())
    broken(path, path.read_bytes() + b" ")
    assert "is not the one that was registered" in findings(home, "champion")[0][1]
    path.unlink()
    assert "a file of model version 1 is missing" in findings(home, "champion")[0][1]
    database = home / "mlflow" / "mlflow.db"
    broken(database, database.read_bytes())
    execute_sql(database, "DELETE FROM registered_model_aliases")
    ((state, message),) = findings(home, "champion")
    assert state == "problem"
    assert "no champion model yet" in message


def test_versions_are_checked_against_their_records(findings, home, broken):
    store = Tracking(home)
    champion = store.require_champion()
    assert findings(home, "models") == [("ok", "1 of 1 as they were registered")]
    folder = store.folder / champion.folder
    for name in champion.files:
        broken(folder / name, (folder / name).read_bytes() + b" ")
        ((state, message),) = findings(home, "models")
        assert state == "problem"
        assert f"champion: {folder / name}: the file of model version 1 is not the one that was registered" in message
        assert "find out who changed it" in message
        (folder / name).write_bytes((folder / name).read_bytes()[:-1])
    broken(folder / "evil.py", b"")
    assert "evil.py: this was not registered with model version 1" in findings(home, "models")[0][1]
    (folder / "evil.py").unlink()
    broken(store.folder / "registered" / "1" / "record.json", None)
    ((state, message),) = findings(home, "models")
    assert state == "problem"
    assert "model version 1 has no record in this home" in message
    assert "oneclick model accept 1" in message


def test_champion_that_predicts_nonsense(findings, home, monkeypatch):
    monkeypatch.setattr(model, "predict", lambda _, rows: np.full(len(rows), 1.5))
    ((state, message),) = findings(home, "champion")
    assert state == "problem"
    assert "for unusual customers go back to the previous one: oneclick model rollback" in message
