"""The results of a training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from oneclick_pipeline.contracts.scores import FORECAST, RECOGNITION

if TYPE_CHECKING:
    import pandas as pd

    from oneclick_pipeline.model.band_errors import BandErrors
    from oneclick_pipeline.stats import Interval


@dataclass(frozen=True)
class FamilyResult:
    """How the best model of one family performed.

    Attributes:
        name: Family, as in `candidates.FAMILIES`.
        label: Its name for people.
        parameters: What the search on all rows chose for it: encoder, scaler, calibrated, estimator's parameters.
        metrics: Nested estimate and 95 % interval by name, see `metrics.METRICS`.
        fold_scores: One row per outer fold: repeat, fold, metrics.
        predictions: Out-of-fold, one row per customer and repeat: repeat, fold, declined, p_decline, p_raw, p_calibrated.
        trials: The search on all rows (`cv_results`): one row per candidate, best first.
        rows: Most rows that a fit of this family learns from; fewer than the training set above its limit.
        draws: How many draws were tried before further ones stopped helping; out of how many.
    """

    name: str
    label: str
    parameters: dict[str, Any]
    metrics: dict[str, Interval]
    fold_scores: pd.DataFrame
    predictions: pd.DataFrame
    trials: pd.DataFrame
    rows: int
    draws: str


@dataclass(frozen=True)
class TrainedModel:
    """A fitted model and everything known about its quality.

    Attributes:
        pipeline: Fitted scikit-learn `Pipeline`; takes `training_set.inputs`, gives P(stable), P(declined).
        family: Family of the model.
        parameters: Its encoder, scaler, calibration and parameters.
        metrics: Nested estimate and 95 % interval of the whole procedure, choice of the family included.
        fold_scores: The same, fold by fold.
        predictions: Out-of-fold predictions of the whole procedure, columns as in `FamilyResult`.
        slices: The same metrics by kind of customer, see `slices.slices`.
        out_of_time: Evaluated on months later than its training data, see `out_of_time.out_of_time`; empty where there
            are too few months.
        out_of_fold: Every customer trained on: feature_month, customer_id, p_decline by models that did not see
            the customer or a copy, averaged over the repeats.
        band_errors: How far its mean probability may be off by band of p_decline, see `band_errors`.
        families: Result of every family, best log loss first.
        rule: How the model was chosen, in words.
        feature_months: Snapshot months of the features.
        label_months: Snapshot months of the labels.
        label_sources: How many labels the store delivered, and how many were marked by which rule.
        digest: Fingerprint of the training set.
        rows: Customers trained on.
        rows_available: Labelled customers there were; more than `rows` where training took a sample.
        left_out: Customers who are not among them because an offer may have influenced their label; None where the
            training set does not say.
        largest_weight: The most customers that one of the rows represents.
        equal_rows: How many rows of equal weight hold as much information. Source: Kish (1965), Survey sampling.
    """

    pipeline: Any
    family: str
    parameters: dict[str, Any]
    metrics: dict[str, Interval]
    fold_scores: pd.DataFrame
    predictions: pd.DataFrame
    slices: pd.DataFrame
    out_of_time: pd.DataFrame
    out_of_fold: pd.DataFrame
    band_errors: BandErrors
    families: tuple[FamilyResult, ...]
    rule: str
    feature_months: tuple[str, ...]
    label_months: tuple[str, ...]
    label_sources: dict[str, int]
    digest: str
    rows: int
    rows_available: int
    left_out: int | None = None
    largest_weight: float = 1.0
    equal_rows: float = 0.0

    @property
    def meaning(self) -> str:
        """What its probabilities are about, see `contracts.scores.MEANING`."""
        return RECOGNITION if self.feature_months == self.label_months else FORECAST

    @property
    def best(self) -> FamilyResult:
        """Result of the model's family."""
        return next(f for f in self.families if f.name == self.family)
