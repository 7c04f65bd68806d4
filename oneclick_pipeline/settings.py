"""Every setting of the pipeline: typed, with its default and its unit.

A home may hold `settings.yaml` with any part of these; what it leaves out keeps its default. Unknown or
illegal entries are refused with file, line, column and field.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from oneclick_pipeline import yaml
from oneclick_pipeline.formats import Formats
from oneclick_pipeline.home.months import is_month
from oneclick_pipeline.home.paths import SETTINGS, settings_file
from oneclick_pipeline.settings_yaml import refused, sections

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FILE = SETTINGS
_ADDRESS = r"^https?://[A-Za-z0-9._~!$&'()*+,;=:@%/?\[\]-]*[A-Za-z0-9._~!$&'()*+,;=:@%?\[\]-]$"
_LEAST_ROWS, _MOST_ROWS, _LONGEST, _MOST_UNITS = 100, 100_000_000, 2048, 1e9
_LAST_SEED = 2**32 - 1  # scikit-learn takes none beyond


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _number_as_a_number(cls, value: Any, info: ValidationInfo) -> Any:  # noqa: ANN401 - whatever a file holds
        """Refuse `yes` and `"4"` where a number is expected: pydantic would take them for 1 and 4."""
        numbers = value.values() if isinstance(value, dict) else [value]
        is_number = cls.model_fields[str(info.field_name)].annotation in (int, float, float | None, dict[str, int])
        if is_number and any(isinstance(number, bool | str) for number in numbers):
            raise ValueError("Input should be a number without quotes")
        return value


class Cleaning(_Section):
    """How many errors in the input are tolerated before a run stops."""

    max_rejected_share: float = Field(
        0.05, ge=0, le=1, description="Share of a file's rows that may be rejected before the run stops"
    )
    outlier_limit: float = Field(
        10.0,
        gt=3,
        le=100,
        description="Robust standard deviations (log scale) beyond which a revenue is an error; its period's median replaces it",
    )
    accept_scale: tuple[str, ...] = Field(
        (), description='Months, as `["2024-05"]`, whose amounts may be of another scale than those of the month before'
    )

    @field_validator("accept_scale")
    @classmethod
    def _months(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if wrong := [month for month in value if not is_month(month)]:
            raise ValueError(f"{wrong[0]!r} is not a month; write it as YYYY-MM")
        return value


class Value(_Section):
    """What a customer is worth."""

    profit_unit_roubles: float | None = Field(
        None,
        ge=0.01,
        le=_MOST_UNITS,
        description="Roubles in one unit of the profit column; offer costs use the same unit. Without it money is shown in units",
    )
    horizon_months: int = Field(3, ge=1, le=12, description="Months ahead for which the decline is predicted")
    worth_months: int = Field(
        6, ge=3, le=60, description="Months after a snapshot whose profit is the worth of a kept customer, in whole quarters"
    )


class Exploration(_Section):
    """How the data is explored."""

    normality_level: float = Field(0.05, gt=0, lt=1, description="Level of the normality tests")
    phik_bins: int = Field(10, ge=3, le=100, description="Bins of a continuous column in the phik matrix")
    collinearity_threshold: float = Field(0.8, gt=0, le=1, description="phik from which two features count as collinear")
    max_rows: int = Field(
        50_000, ge=1000, le=_MOST_ROWS, description="Customers above which exploration works on a random sample"
    )


class Labels(_Section):
    """What counts as a decline, and what a training set may not hold."""

    history_months: int = Field(12, ge=1, le=60, description="Age in months of the oldest feature month of a training set")
    decline_limit: float = Field(
        0.1,
        gt=0,
        lt=1,
        description="Where the class is empty: fall of the mean monthly revenue, from the three months before to the three "
        "after, from which it counts as declined",
    )
    vanished_declined: bool = Field(
        default=True, description="Whether a regular customer who is in no file of the label month counts as declined"
    )
    max_single_auc: float = Field(
        0.97, gt=0.5, le=1, description="ROC-AUC from which one feature alone counts as the label in disguise, and training stops"
    )
    max_future_share: float = Field(
        0.5, gt=0, le=1, description="Share of customers with a later month's value from which a column counts as taken from it"
    )


class Gates(_Section):
    """What a challenger must pass to become champion."""

    roc_auc_margin: float = Field(
        0.005, ge=0, lt=0.5, description="How far its ROC-AUC may be below the champion's on the same folds"
    )
    log_loss_margin: float = Field(
        0.01, ge=0, le=10, description="How far its log loss may be above the champion's on the same folds, nats"
    )
    max_drop: float = Field(0.05, ge=0, lt=0.5, description="How far its ROC-AUC may be below the champion's at its training")
    max_ece: float = Field(0.06, gt=0, le=1, description="Largest expected calibration error")
    slice_margin: float = Field(
        0.1,
        ge=0,
        lt=0.5,
        description="How far a slice's ROC-AUC, at the upper end of its interval, may be below that of all customers",
    )


class Model(_Section):
    """How the model is searched and evaluated."""

    seed: int = Field(20261, ge=0, le=_LAST_SEED, description="Seed of folds and draws")
    folds: int = Field(5, ge=2, le=20, description="Outer folds, grouped by identical customers")
    repeats: int = Field(2, ge=1, le=20, description="Repetitions of the outer folds with different shuffles")
    inner_folds: int = Field(3, ge=2, le=20, description="Folds inside each search")
    families: tuple[str, ...] = Field(
        ("knn", "decision_tree", "logistic_regression", "svc", "extra_trees", "hist_gradient_boosting"),
        min_length=1,
        max_length=6,
        description="Families of models that compete, see model/candidates.py; two or more also compete as a soft vote",
    )
    family_max_rows: dict[str, int] = Field(
        {"knn": 5000, "svc": 2000},
        description="Rows above which a family learns from a stratified sample, by family: its cost grows faster than the "
        "number of rows",
    )
    draws: int = Field(
        18, ge=1, le=500, description="Random draws of the search that chooses the model, allotted to the families in turn"
    )
    nested_draws: int = Field(
        6, ge=1, le=500, description="How many of the draws are tried by the searches inside the nested evaluation"
    )
    patience: int = Field(2, ge=1, le=100, description="Consecutive draws without improvement after which a family is dropped")
    out_of_time_months: int = Field(
        2, ge=0, le=24, description="Newest labelled months that are also evaluated out of time, by a search on earlier data"
    )
    max_rows: int = Field(
        20_000, ge=_LEAST_ROWS, le=_MOST_ROWS, description="Labelled customers above which training uses a stratified sample"
    )

    @field_validator("families", "family_max_rows")
    @classmethod
    def _known_families(cls, value: Any) -> Any:  # noqa: ANN401 - a tuple or a dict
        known = cls.model_fields["families"].default
        if unknown := [name for name in value if name not in known]:
            raise ValueError(f"unknown family {unknown[0]}; the families are {', '.join(known)}")
        if len(set(value)) < len(value):
            raise ValueError("a family appears twice")
        if isinstance(value, dict) and not all(_LEAST_ROWS <= rows <= _MOST_ROWS for rows in value.values()):
            raise ValueError(f"rows of a family must be from {_LEAST_ROWS} to {_MOST_ROWS}")
        return value


class Segments(_Section):
    """Where segments begin."""

    high_risk: float = Field(0.6, gt=0, lt=1, description="p_decline from which the risk is high")
    middle_risk: float = Field(0.3, gt=0, lt=1, description="p_decline from which the risk is middle")
    high_profit: float = Field(
        0.5, gt=0, lt=1, description="Quantile of the regular customers' profit from which the profit is high"
    )


class Offers(_Section):
    """What may be offered, to how many, and how much is left to chance so that the effect can be measured."""

    budget: float | None = Field(
        None,
        ge=0,
        le=_MOST_UNITS,
        description="Total that the offers of a month may cost, in units of the profit column; without it `budget_per_customer` "
        "times the customers of the month",
    )
    budget_per_customer: float = Field(
        0.03, ge=0, le=_MOST_UNITS, description="The same per customer of the month; an offer for about every second customer"
    )
    lost_share: float = Field(
        0.2,
        gt=0,
        le=1,
        description="Share of a customer's profit over the horizon that a decline takes away; an assumption until the "
        "history is long enough to estimate the worth of a kept customer",
    )
    contact_cap: int = Field(8, ge=0, le=1_000_000, description="Contacts in the month from which a customer gets no offer")
    control_share: float = Field(0.1, ge=0, lt=1, description="Share of customers who are held out permanently, in every month")
    exploration_share: float = Field(0.1, ge=0.1, lt=1, description="Share of the others whose arm is drawn at random")
    offer_control_share: float = Field(
        0.02, ge=0, lt=1, description="Share of those chosen for an offer who are held out of it for this month"
    )
    salt: str = Field(
        "oneclick", min_length=1, max_length=200, description="Seed of all draws; a different salt gives a different hold-out"
    )

    def budget_of(self, customers: int) -> float:
        """The budget of a month with so many customers, finance units.

        >>> Offers().budget_of(1000), Offers(budget=50).budget_of(1000)
        (30.0, 50.0)
        """
        return self.budget_per_customer * customers if self.budget is None else self.budget


class Campaigns(_Section):
    """How the effects of offers are measured."""

    history_months: int = Field(12, ge=1, le=60, description="Age in months of the oldest campaign that is still learned from")
    significance: float = Field(0.05, gt=0, lt=0.5, description="Level of tests and of smallest detectable effects")
    power: float = Field(0.8, gt=0.5, lt=1, description="Power of smallest detectable effects")
    min_group: int = Field(
        50, ge=2, le=_MOST_ROWS, description="Customers per arm below which a comparison does not have enough data"
    )
    sample_ratio_level: float = Field(
        0.001, gt=0, lt=0.5, description="p-value of the sample-ratio check below which nothing is concluded"
    )
    max_rows: int = Field(
        500_000, ge=1000, le=_MOST_ROWS, description="Customers of campaigns above which responses are learned from a sample"
    )
    heterogeneous_from: int = Field(
        20_000, ge=100, le=_MOST_ROWS, description="Customers with a known outcome from which effects are estimated per customer"
    )


class Monitoring(_Section):
    """When data or scores count as changed: from `*_moderate` on a check warns, from `*_shifted` on it fails."""

    bins: int = Field(10, ge=2, le=100, description="Quantile bins of a number in the population stability index (PSI)")
    psi_moderate: float = Field(0.1, gt=0, le=100, description="PSI of a feature or the score from which its check warns")
    psi_shifted: float = Field(0.25, gt=0, le=100, description="PSI from which it fails, and a retrain is due")
    min_customers: int = Field(200, ge=2, le=_MOST_ROWS, description="Customers per month below which nothing is compared")
    quarantine_moderate: float = Field(0.01, ge=0, le=1, description="Share of all rows quarantined from which the check warns")
    quarantine_shifted: float = Field(0.03, ge=0, le=1, description="Share of all rows quarantined from which it fails")
    incomplete_moderate: float = Field(
        0.01, ge=0, le=1, description="Share of customers who are missing from a file from which the check warns"
    )
    incomplete_shifted: float = Field(0.05, ge=0, le=1, description="The same share from which it fails")
    customers_moderate: float = Field(
        0.2, gt=0, le=1000, description="Relative change of the number of customers since the reference month from which it warns"
    )
    customers_shifted: float = Field(0.5, gt=0, le=1000, description="The same change from which it fails")
    consent_moderate: float = Field(
        0.05, gt=0, le=1, description="Change of the share of customers with consent from which the check warns"
    )
    consent_shifted: float = Field(0.15, gt=0, le=1, description="The same change from which it fails")
    category_shifted: float = Field(
        0.05,
        gt=0,
        le=1,
        description="Share of customers with a new category from which the check fails; any new category is a warning",
    )
    history_months: int = Field(12, ge=1, le=60, description="Months back whose scores are checked against outcomes")
    max_rows: int = Field(200_000, ge=1000, le=_MOST_ROWS, description="Customers of a month above which a random sample is used")
    min_class: int = Field(
        50, ge=2, le=_MOST_ROWS, description="Customers per class (effective size) below which scores are not evaluated"
    )
    ece_moderate: float = Field(0.05, gt=0, le=1, description="Calibration error of matured scores from which the check warns")
    ece_shifted: float = Field(0.1, gt=0, le=1, description="The same error from which it fails, and a retrain is due")
    auc_moderate: float = Field(
        0.03, gt=0, lt=0.5, description="Fall of the ROC-AUC of matured scores since training from which the check warns"
    )
    auc_shifted: float = Field(0.07, gt=0, lt=0.5, description="The same fall from which it fails, and a retrain is due")
    retrain_months: int = Field(
        6, ge=1, le=60, description="Months after its training from which the champion is old, and a retrain is due"
    )


class Report(_Section):
    """How the monthly report is written, and where the pages that it belongs to are."""

    language: Literal["ru", "en"] = Field("ru", description="Language of the page")
    mlflow_url: str = Field(
        "http://127.0.0.1:5000",
        pattern=_ADDRESS,
        max_length=_LONGEST,
        description="Address of MLflow's pages, without a trailing slash, for links",
    )


class Alerts(_Section):
    """When an alert is sent, and which pages it leads to."""

    snapshot_day: int = Field(
        5,
        ge=1,
        le=28,
        description="Day of the month by which the exports of the previous month are due; after it they count as missing",
    )
    dagster_url: str = Field(
        "http://127.0.0.1:3000",
        pattern=_ADDRESS,
        max_length=_LONGEST,
        description="Address of Dagster's pages, without a trailing slash, for links",
    )


class Keep(_Section):
    """How much of the past a home keeps; a successful run deletes what is older. Tables, reports and ledgers all stay."""

    runs_months: int = Field(
        36,
        ge=1,
        le=1200,
        description="Newest snapshot months whose runs are kept, with their events and logs, and in MLflow their reports and "
        "the trainings that registered no model. Three years: every season three times. Of older months the last run is kept, "
        "as are the runs that made the current tables, and all runs of the months of the champion and the previous "
        "champion, and of "
        "months whose ledger is still learned from",
    )
    model_versions: int = Field(
        24,
        ge=2,
        le=10_000,
        description="Newest model versions that are kept, with their runs and files in MLflow. Two years of monthly trainings. "
        "Older ones are kept if they have an alias or are champion or previous champion, if a table, a ledger or another "
        "version in "
        "MLflow depends on them, or if they have no record",
    )


class Settings(_Section):
    """All settings of a home."""

    cleaning: Cleaning = Cleaning()
    formats: Formats = Formats()
    value: Value = Value()
    exploration: Exploration = Exploration()
    labels: Labels = Labels()
    model: Model = Model()
    gates: Gates = Gates()
    segments: Segments = Segments()
    offers: Offers = Offers()
    campaigns: Campaigns = Campaigns()
    monitoring: Monitoring = Monitoring()
    report: Report = Report()
    alerts: Alerts = Alerts()
    keep: Keep = Keep()

    @classmethod
    def load(cls, home: Path, changes: Mapping[str, Mapping[str, Any]] | None = None) -> Settings:
        """Read `settings.yaml` of a home; defaults where there is none.

        Args:
            home: Folder of the home.
            changes: Settings by section that a run has of its own.

        Raises:
            BadInputError: If the file cannot be read or is not YAML, or it or the run names an unknown field or an illegal value.
        """
        path = settings_file(home)
        root = yaml.read(path)
        settings = cls() if root is None else cls._of_file(root, str(path))
        if not changes:
            return settings
        whole = settings.model_dump()
        try:
            return cls.model_validate({name: whole[name] | changes.get(name, {}) for name in whole})
        except ValidationError as error:
            raise refused(error, "the run's own settings") from error

    @classmethod
    def _of_file(cls, root: yaml.Node, file: str) -> Settings:
        try:
            return cls.model_validate(sections(root, file))
        except ValidationError as error:
            raise refused(error, file, root) from error
