"""A home that cannot be written, links that lead out of it, what killed steps left."""

from filelock import FileLock

from oneclick_pipeline.cli.doctor import folder
from oneclick_pipeline.machine import Left
from oneclick_pipeline_tests.orchestration.homes import MONTH


def test_folder_that_cannot_be_written(findings, home, monkeypatch):
    real = folder.os.access  # root may write everywhere
    monkeypatch.setattr(folder.os, "access", lambda path, mode: path.name != "mlflow" and real(path, mode))
    ((state, message),) = findings(home, "home")
    assert (state, message.split(" fix the permissions")[0]) == ("problem", f"not writable: {home / 'mlflow'}")


def test_link_that_leads_out(findings, home, tmp_path):
    inside, outside = home / "raw" / "inside", home / "raw" / "2026-11"
    inside.symlink_to(home / "raw" / MONTH)
    outside.symlink_to(tmp_path)
    try:
        assert findings(home, "home")[0][1].startswith("links that point outside the home: raw/2026-11 put")
    finally:
        inside.unlink()
        outside.unlink()
    assert [state for state, _ in findings(home, "home")] == ["ok"]


def test_home_on_a_read_only_file_system_is_not_put_down_to_its_rights(findings, home, monkeypatch):
    monkeypatch.setattr(folder.os, "access", lambda *_: False)
    monkeypatch.setattr(folder, "left", lambda _: Left(read_only=True, free=2**40, files=None, room=0.9, inodes=1.0))
    ((state, message),) = findings(home, "home")
    assert state == "problem"
    assert message.startswith(f"{home} is on a read-only file system find out why")


def test_leftovers_of_killed_steps(findings, tmp_path):
    for name in ("step-dead", "step-alive"):
        (tmp_path / "staging" / name).mkdir(parents=True)
        (tmp_path / "staging" / name / "part").write_bytes(bytes(3 * 2**20))
    with FileLock(tmp_path / "staging" / "step-alive.lock"):
        ((state, message),) = findings(tmp_path, "staging")
    assert (state, message.split(" nothing")[0]) == ("warning", "1 killed steps left 3 MB")
    assert (tmp_path / "staging" / "step-dead").exists()
