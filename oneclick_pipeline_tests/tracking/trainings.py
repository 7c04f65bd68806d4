"""What tests log as a training, and the registries that they begin with."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

import pandas as pd
import pytest
import skops.io
from sklearn.preprocessing import FunctionTransformer

from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.model import pictures
from oneclick_pipeline.model.attribution import Explained
from oneclick_pipeline.model.gates import GATES, Gate
from oneclick_pipeline.tracking import Tracking, versions

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from oneclick_pipeline.model.results import TrainedModel
    from oneclick_pipeline.tracking import Version


TAGS = {"dagster_run": "0123", "code_version": "abc"}


class KnownContributions:
    """Contributions that say one thing, so that tests need not compute any."""

    def to_json(self):
        return '{"method": "by hand, «руками»"}'


EXPLAINED = Explained(contributions=KnownContributions(), sample=pd.DataFrame({"feature": ["profit"], "shapley": [0.5]}))
PASSED = [Gate(name, passed=True, figures={"low": 0.8, "why": "because"}, text="well above") for name in GATES]
FAILED = [*PASSED[:-1], Gate("loads_in_fresh_process", passed=False, figures={}, text="no predictions")]


def log(tracking, trained, training, month="2026-10"):
    return tracking.log_training(trained, training, EXPLAINED, month=month, tags=TAGS)


def registry(store: Tracking, trained: TrainedModel, training: pd.DataFrame, months: Sequence[str]) -> Tracking:
    """A version for each month, all gates passed, the first one champion; without pictures, at which nobody looks here."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("curves", "comparison", "png"):
            patch.setattr(pictures, name, lambda *_: b"")
        for month in months:
            store.log_gates(log(store, trained, training, month), PASSED)
    store.promote(1)
    return store


def copy_of(store: Tracking, home: Path) -> Tracking:
    """The same registry in another home, to write in."""
    shutil.copytree(store.folder, home / "mlflow")
    copy = Tracking(home)
    copy.moved(store.home)
    return copy


def model_file(store: Tracking, version: Version) -> Path:
    """Where the model of a version stands."""
    return store.folder / version.folder / versions.MODEL_FILE


def unusable(store: Tracking) -> list[int]:
    """Registered versions that cannot be used."""
    return [number for number, version in store.registered().items() if isinstance(version, BadInputError)]


def forged(tracking, version):
    """A file of foreign types, and a record that says it was registered so."""
    content = skops.io.dumps(FunctionTransformer(shutil.rmtree))
    model_file(tracking, version).write_bytes(content)
    changed = {**version.files, versions.MODEL_FILE: versions.Content.of(content)}
    versions.write(tracking.folder, version.model_copy(update={"files": changed}))
    return tracking.version(version.version)


def assert_no_customer(store, training):
    artifacts = [path for path in (store.folder / "artifacts").rglob("*") if path.is_file()]
    assert {path.suffix for path in artifacts} == {"", ".json", ".md", ".png", ".skops", ".txt", ".yaml"}
    texts = {path: path.read_text(encoding="utf-8") for path in artifacts if path.suffix not in (".png", ".skops")}
    spent = {str(value) for value in training[["revenue_m0", "revenue_m1", "revenue_m2"]].to_numpy().ravel()}
    assert len(spent) > len(training)
    assert [path.name for path, text in texts.items() if spent & set(re.split(r"[^0-9.]+", text))] == []
