"""Commands killed at random moments, and at every change that they make.

What they change is as before or new, never between, and the same command again succeeds.
"""

import json
import shutil
from functools import partial

import pandas as pd
import pytest
import sqlalchemy as sa

from oneclick_pipeline.campaigns import ledger
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.home.paths import ledger_file, table_file
from oneclick_pipeline.model import pictures, train
from oneclick_pipeline.offers import database
from oneclick_pipeline.orchestration.backup import copies, home_backup
from oneclick_pipeline.orchestration.backup.manifest import MANIFEST
from oneclick_pipeline.tracking import CHAMPION, PREVIOUS, Tracking, aliases
from oneclick_pipeline_tests import servers
from oneclick_pipeline_tests.faults.killing import changes, kills, oneclick, oneclick_until, run
from oneclick_pipeline_tests.model.conftest import QUICK, make_training
from oneclick_pipeline_tests.orchestration.homes import MONTH, digests, environment_kept, files
from oneclick_pipeline_tests.tracking.trainings import PASSED, log

GONE = 10**9
TIMES = [pytest.param(0, id="changes"), pytest.param(50, id="moments", marks=pytest.mark.soak)]


def command(*arguments, when=None):
    """The command in a process of its own, killed after a time or at a change of that number; if it is not, it succeeds."""
    end = run(oneclick_until, when, *arguments) if isinstance(when, int) else run(oneclick, *arguments, kill_after=when)
    assert end.killed or end.code == 0, end.output
    return end


def killed(times, lasts, attempt):
    """Kill it so many times at random moments, or once at every change that it makes."""
    return kills(times, lasts, attempt) if times else changes(attempt)


class Store:
    """The store's database, and what an earlier publication may have left in it."""

    def __init__(self, url, home):
        self.url = url
        self.sent = ledger.handed_over(home, MONTH)
        self.segments = pd.read_parquet(table_file(home, "customer_segments", MONTH))
        made = sa.make_url(url)
        made = made.set(drivername="postgresql+psycopg") if made.get_backend_name() == "postgresql" else made
        self._engine = sa.create_engine(made, poolclass=sa.NullPool, isolation_level="SERIALIZABLE")

    def rows(self):
        """All rows of both tables as one reader sees them; no table, no rows."""
        with self._engine.connect() as connection:
            there = set(sa.inspect(connection).get_table_names()).intersection(database.NAMES)
            select = "SELECT * FROM {} ORDER BY month, customer_id"
            return {name: connection.execute(sa.text(select.format(name))).all() for name in sorted(there)}

    def empty(self):
        """Without tables."""
        with self._engine.begin() as connection:
            for name in database.NAMES:
                connection.execute(sa.text(f"DROP TABLE IF EXISTS {name}"))

    def older(self):
        """Half of the customers, all of them controls, one who is in it no longer, and another month."""
        self.empty()
        database.publish(self.url, "2026-09", self.sent, self.segments)
        sent, segments = (pd.concat([t.iloc[::2], t.iloc[:1].assign(customer_id=GONE)]) for t in (self.sent, self.segments))
        database.publish(self.url, MONTH, sent.assign(arm="control", offer_id=None), segments)


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request, home, tmp_path):
    if request.param == "sqlite":
        yield Store(f"sqlite:///{tmp_path / 'store.db'}", home)
    else:
        with servers.postgresql() as server:
            yield Store(server.new("store"), home)


@pytest.mark.parametrize("times", TIMES)
def test_offers_publish_killed_at_any_moment_leaves_the_store_as_it_was_or_published(home, store, times):
    publish = ("offers", "publish", "--month", MONTH, "--home", home, "--database", store.url)
    states = []
    for make in (store.empty, store.older):
        make()
        before = store.rows()
        lasts = command(*publish).seconds
        states.append((make, before, store.rows()))
    assert [len({row[:2] for row in rows}) for rows in states[0][2].values()] == [len(store.segments), len(store.sent)]
    kept = ledger_file(home, MONTH).read_bytes()

    def attempt(when, make):
        make()
        return command(*publish, when=when)

    for make, before, after in states:
        for _ in killed(times // len(states), lasts, partial(attempt, make=make)):
            assert store.rows() in (before, after)
            command(*publish)
            assert store.rows() == after
            assert ledger_file(home, MONTH).read_bytes() == kept


def assert_whole(folder):
    """Every file of a backup is the one that its manifest names."""
    made = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    assert {name: copies.sha256_of(folder / name) for name in made["files"]} == made["files"]
    assert set(files(folder)) == {*made["files"], MANIFEST}
    return set(made["files"])


@pytest.mark.parametrize("times", TIMES)
def test_backup_killed_at_any_moment_is_there_whole_or_not_at_all(home, tmp_path, times):
    disk = tmp_path / "disk"
    lasts = command("backup", disk / "whole", "--home", home).seconds
    expected, folder = assert_whole(disk / "whole"), disk / "daily"
    shutil.rmtree(disk)
    for _ in killed(times, lasts, lambda when: command("backup", folder, "--home", home, when=when)):
        if not folder.exists():
            command("backup", folder, "--home", home)
        assert assert_whole(folder) == expected
        shutil.rmtree(folder)
        assert files(disk) in ([], [".daily.backup.lock"])  # of one that was killed after all was done


def restored(home):
    """Everything in a home but scratch and locks."""
    return [name for name in files(home) if not name.startswith("staging/") and not name.endswith(".lock")]


@pytest.mark.parametrize("times", TIMES)
def test_restore_killed_at_any_moment_brings_the_whole_home_or_nothing(finished, tmp_path, times):
    folder, home = tmp_path / "backup", tmp_path / "homes" / "new"
    with environment_kept():
        home_backup.backup(finished.home, folder)
    command("restore", folder, "--home", home)
    lasts, everything, tables = command("restore", folder, "--home", tmp_path / "other").seconds, restored(home), digests(home)

    def attempt(when, mounted):
        shutil.rmtree(home.parent)
        if mounted:  # a home with its configuration is filled in its place
            (home / "dagster").mkdir(parents=True)
            shutil.copy(folder / "home" / "dagster" / "dagster.yaml", home / "dagster")
        return command("restore", folder, "--home", home, when=when)

    for mounted in (False, True):
        for _ in killed(times // 2, lasts, partial(attempt, mounted=mounted)):
            if (home / "staging" / "restored").exists():
                with pytest.raises(BadInputError, match="a restore of this home was interrupted"), environment_kept():
                    home_backup.backup(home, tmp_path / "no")
            else:
                assert restored(home) in ([], ["dagster/dagster.yaml"], everything)
            if restored(home) != everything or (home / "staging" / "restored").exists():
                command("restore", folder, "--home", home)
            assert restored(home) == everything
            assert digests(home) == tables
            beside = [path for path in home.parent.iterdir() if path.suffix != ".lock" and path != home]
            assert [path for folder in beside for path in folder.rglob("*")] == []  # killed after the rename: an empty folder
            assert Tracking(home).require_champion().version == 1
    Tracking(home).load(Tracking(home).require_champion())


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    """A home with two versions that passed all gates, the first of which is champion."""
    store, training = Tracking(tmp_path_factory.mktemp("registry") / "home"), make_training()
    trained = train(training, QUICK.model_copy(update={"families": ("logistic_regression",)}))
    with pytest.MonkeyPatch.context() as patch:
        for name in ("curves", "comparison", "png"):  # nobody looks at them here
            patch.setattr(pictures, name, lambda *_: b"")
        for month in ("2026-10", "2026-11"):
            store.log_gates(log(store, trained, training, month), PASSED)
    store.promote(1)
    return store


@pytest.mark.parametrize("times", TIMES)
def test_model_promote_killed_at_any_moment_leaves_one_champion_the_old_or_the_new(registry, times):
    store, (new, old) = registry, (2, 1)
    command("model", "promote", old, "--home", store.home)

    def attempt(when):
        return command("model", "promote", new, "--home", store.home, when=when)

    lasts = attempt(None).seconds
    new, old = old, new
    for _ in killed(times, lasts, attempt):
        champion = store.require_champion()  # the alias, and what the home's own records say of it, agree
        assert champion.version in (old, new)
        store.load(champion)
        attempt(None)
        assert store.require_champion().version == new
        assert store.aliases() == {CHAMPION: new, PREVIOUS: old}
        assert aliases.read(store.folder) == {CHAMPION: [new], PREVIOUS: [old]}
        assert [version.version for version in store.versions()] == [2, 1]
        assert not [name for name in files(store.folder) if name.endswith((".new", ".part"))]
        new, old = old, new
