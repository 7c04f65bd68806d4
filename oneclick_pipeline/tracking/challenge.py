"""A challenger: trained, logged, evaluated at every gate, and made champion if it passes all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from oneclick_pipeline import model
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.model import gates

if TYPE_CHECKING:
    import pandas as pd

    from oneclick_pipeline.model.results import TrainedModel
    from oneclick_pipeline.settings import Settings
    from oneclick_pipeline.tracking.home import Tracking
    from oneclick_pipeline.tracking.versions import Version


@dataclass(frozen=True)
class Challenge:
    """How a challenger did.

    Attributes:
        trained: What was trained.
        version: What was registered.
        gates: Its result at every gate.
        has_champion: Whether a champion can score in its place.
        unusable: Why the previous champion cannot; empty where there was none, or it can.
    """

    trained: TrainedModel
    version: Version
    gates: tuple[gates.Gate, ...]
    has_champion: bool
    unusable: str = ""

    @property
    def refused(self) -> str:
        """The gates that it has not passed, with their figures; empty if it passed all."""
        return "; ".join(f"{gate.name} {gate}" for gate in self.gates if not gate.passed)


def challenge(store: Tracking, training: pd.DataFrame, settings: Settings, *, month: str, tags: dict[str, str]) -> Challenge:
    """Train a challenger, log it, and evaluate it; the champion is not changed.

    Args:
        store: MLflow of the home.
        training: `contracts.model.TRAINING_SET`.
        settings: How to train, and the limits of the gates.
        month: Snapshot month.
        tags: Tags of run and version.
    """
    trained = model.train(training, settings.model)
    explained = model.explain(trained.pipeline, training, settings.model)
    version = store.log_training(trained, training, explained, month=month, tags=tags)
    try:
        standing, unusable = store.standing(trained, training, settings.model), ""
    except BadInputError as error:  # a champion whose files are gone or were changed cannot score: it counts as none
        standing, unusable = None, str(error)
    reopened = store.reopen(version, gates.edge_rows(training))
    results = gates.judge(trained, training, standing, reopened, settings.gates)
    return Challenge(trained, store.log_gates(version, results), tuple(results), standing is not None, unusable)


def settle(store: Tracking, outcome: Challenge) -> Version:
    """Make a challenger that passed every gate champion, and leave the champion in place otherwise; returns the champion.

    Raises:
        BadInputError: If it was refused and there is no champion to score instead.
    """
    if not outcome.refused:
        store.promote(outcome.version.version)
    elif not outcome.has_champion:
        raise BadInputError(
            f"the first model has not passed all gates, and there is no champion to score instead: {outcome.refused}",
            remedy=(
                "look at the labels and the data_profile; limits that are too strict for this store are in settings.yaml, "
                f"section gates; to accept it as it is: oneclick model promote {outcome.version.version} --force, then run the "
                "job refresh"
            ),
        )
    return store.require_champion()
