"""A manifest that is not ours is refused, whatever is wrong with it."""

from __future__ import annotations

import json
import os
from pathlib import PurePosixPath

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.orchestration.backup import manifest

SHA256 = "0" * 64
GOOD = {"made": "2026-11-22T03:00:00+00:00", "home": "/srv/oneclick", "postgres": False, "files": {"home/settings.yaml": SHA256}}
WITH_DUMP = GOOD | {"postgres": True, "files": GOOD["files"] | {manifest.DUMP: SHA256}}


@pytest.mark.parametrize("content", [GOOD, WITH_DUMP, GOOD | {"files": {}}, GOOD | {"left_out": ["home/dagster/socket"]}])
def test_what_backup_writes_is_accepted(tmp_path, content):
    assert manifest.checked(content, tmp_path) == {"left_out": []} | content


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"extra": 1}, "its keys are not"),
        ({"made": 7}, "«made» is not a time"),
        ({"made": "yesterday"}, "«made» is not a time"),
        ({"made": "2026-02-30T03:00:00+00:00"}, "«made» is not a time"),
        ({"made": "2026-11-22T03:00:00"}, "«made» is not a time"),
        ({"made": "2026-11-22\x1b03:00:00+00:00"}, "«made» is not a time"),
        ({"made": "٢٠٢٦-11-22T03:00:00+00:00"}, "«made» is not a time"),
        ({"home": "srv/oneclick"}, "«home» is not an absolute path"),
        ({"home": "/srv/\x00"}, "«home» is not an absolute path"),
        ({"home": "/srv/\ud800"}, "«home» is not an absolute path"),
        ({"home": ["/srv"]}, "«home» is not an absolute path"),
        ({"home": "/" + "a" * 5000}, "«home» is not an absolute path"),
        ({"postgres": 1}, "«files» is not an object"),
        ({"postgres": True}, "does not say whether there is a postgres.dump"),
        ({"files": {"postgres.dump": SHA256}}, "does not say whether there is a postgres.dump"),
        ({"files": []}, "«files» is not an object"),
        ({"files": {"home/a": SHA256.replace("0", "A")}}, "is not 64 hexadecimal digits"),
        ({"files": {"home/a": SHA256 + "\n"}}, "is not 64 hexadecimal digits"),
        ({"files": {"home/a": 5}}, "is not 64 hexadecimal digits"),
        ({"files": {"home/a": SHA256, "home/a/b": SHA256}}, "a file has the same name as a folder"),
        ({"left_out": "home/a"}, "«left_out» is not a list of names"),
        ({"left_out": ["../a"]}, "«left_out» is not a list of names"),
    ],
)
def test_shape_that_is_not_ours_is_refused(tmp_path, changed, problem):
    with pytest.raises(BadInputError, match=problem) as error:
        manifest.checked(GOOD | changed, tmp_path / "manifest.json")
    assert "\x1b" not in str(error.value)
    assert error.value.remedy


@pytest.mark.parametrize("content", [None, 7, [], "text", {}, {"files": {}}])
def test_what_is_no_manifest_at_all_is_refused(tmp_path, content):
    with pytest.raises(BadInputError, match="it is not one of our backups"):
        manifest.checked(content, tmp_path)


@pytest.mark.parametrize(
    "name",
    [
        "home/../out",
        "home/..",
        "..",
        "/etc/passwd",
        "home//a",
        "home/./a",
        "home/a/",
        "home/",
        "home",
        "",
        "manifest.json",
        "other/a",
        "home/a\\b",
        "home/a\x00b",
        "home/a\nb",
        "home/\x85",
        "home/\ud800",
        "home/" + "a" * 256,
        "home/" + "я" * 128,
        "home/" + "a/" * 2500 + "a",
        "home/staging/restored/x",
        "home/mlflow/mlflow.db-journal",
        "home/mlflow/mlflow.db-wal",
        "home/ledger/.lock",
        "./postgres.dump",
        "HOME/a",
    ],
)
def test_name_that_no_backup_has_is_refused(name):
    assert manifest.problem_of(name)


@given(
    st.text(max_size=40)
    | st.lists(st.sampled_from(["home", "..", ".", "", "a", "\\", "\x00", "a.lock"]), max_size=6).map("/".join)
)
@example("home/raw/2026-10/деньги.csv")
@example("home/..\u2044x")
def test_accepted_name_stays_below_the_home(name):
    if manifest.problem_of(name) or name == manifest.DUMP:
        return
    path = PurePosixPath(name)
    assert str(path) == name
    assert path.parts[0] == "home"
    assert ".." not in path.parts
    assert os.path.normpath(f"/top/{name}") == f"/top/{name}"


@pytest.fixture
def folder(tmp_path):
    """A backup of one file."""
    (tmp_path / "b" / "home").mkdir(parents=True)
    (tmp_path / "b" / "home" / "settings.yaml").write_text("{}")
    write(tmp_path / "b", json.dumps(GOOD))
    return tmp_path / "b"


def write(folder, text):
    (folder / manifest.MANIFEST).write_text(text, encoding="utf-8")


def test_read_gives_the_manifest_and_its_bytes(folder):
    content, text = manifest.read(folder)
    assert content["files"] == GOOD["files"]
    assert json.loads(text) == GOOD


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[" * 200_000,
        '{"a":' * 200_000,
        json.dumps(GOOD)[:-1],
        json.dumps(GOOD).replace('"postgres"', '"postgres": true, "postgres"'),
        json.dumps(GOOD).replace('"home/settings.yaml"', f'"home/settings.yaml": "{SHA256}", "home/settings.yaml"'),
        '{"made": ' + "9" * 5000 + "}",
    ],
    ids=["empty", "deep list", "deep object", "cut", "key twice", "name twice", "huge number"],
)
def test_text_that_is_no_manifest_is_refused(folder, text):
    write(folder, text)
    with pytest.raises(BadInputError, match="it is not a backup"):
        manifest.read(folder)


def test_manifest_that_is_larger_than_any_is_refused(folder, monkeypatch):
    monkeypatch.setattr(manifest, "_MOST_BYTES", 100)
    with pytest.raises(BadInputError, match="it is larger than"):
        manifest.read(folder)


def test_manifest_that_is_a_pipe_or_a_link_is_refused_at_once(folder):
    (folder / "manifest.json").rename(folder.parent / "elsewhere.json")
    (folder / "manifest.json").symlink_to(folder.parent / "elsewhere.json")
    with pytest.raises(BadInputError, match="it is not a backup"):
        manifest.read(folder)
    (folder / "manifest.json").unlink()
    os.mkfifo(folder / "manifest.json")
    with pytest.raises(BadInputError, match="not a plain file"):
        manifest.read(folder)


def test_opened_follows_no_link_on_the_way(folder):
    (folder / "home").rename(folder.parent / "away")
    (folder / "home").symlink_to(folder.parent / "away")
    with pytest.raises(OSError, match=r"Not a directory|Too many levels"), manifest.opened(folder, "home/settings.yaml"):
        pass
