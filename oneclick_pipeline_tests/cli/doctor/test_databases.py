"""Tables of another version, and variables and databases that are not used."""

from oneclick_pipeline.tracking import Tracking
from oneclick_pipeline_tests.cli.doctor.conftest import execute_sql


def test_tables_of_another_version(findings, home, broken):
    runs = home / "dagster" / "history" / "runs.db"
    models = home / "mlflow" / "mlflow.db"
    for database in (runs, models):
        broken(database, database.read_bytes())
        execute_sql(database, "UPDATE alembic_version SET version_num = 'aaaaaaaaaaaa'")
    ((state, message),) = findings(home, "dagster")
    assert (state, message.split(" make")[0]) == ("problem", "the tables of runs are from another version of Dagster")
    ((state, message),) = findings(home, "mlflow")
    assert state == "problem"
    assert message.startswith("MLflow's tables are at version aaaaaaaaaaaa, but ")


def test_variable_that_leads_mlflow_elsewhere_is_warned_of_without_its_value(findings, home, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://me:SECRET@mlflow.example.org")
    state, message = findings(home, "mlflow")[0]
    assert state == "warning"
    assert message.startswith("MLFLOW_TRACKING_URI is set, and ignored")
    assert "SECRET" not in message


def test_models_that_are_not_used_since_postgresql_is(findings, monkeypatch, tmp_path):
    store = Tracking(tmp_path)
    (tmp_path / "mlflow").mkdir()
    (tmp_path / "mlflow" / "mlflow.db").write_text("")
    monkeypatch.setenv("ONECLICK_POSTGRES", "postgresql://u:p@h/n")
    monkeypatch.setattr(Tracking, "exists", lambda _: True)
    monkeypatch.setattr(Tracking, "schema", lambda _: ("a", "a"))
    assert findings(tmp_path, "mlflow")[1][1].startswith(f"{store.folder / 'mlflow.db'} holds models that are not used")
