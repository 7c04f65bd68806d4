"""The candidates of the search, all in this one place: families, ranges, encoders, scalers.

To try another family, add it to `FAMILIES` and to the setting `model.families`, and the types that it fits to
`tracking.TRUSTED_TYPES`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from oneclick_pipeline.model.training_set import NUMBERS, TEXTS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np

    from oneclick_pipeline.settings import Model

ENCODERS = ("one_hot", "ordinal")
SCALERS = ("standard", "robust")


@dataclass(frozen=True)
class LogUniform:
    """A range to draw from so that every factor is as likely as every other; whole numbers if asked."""

    low: float
    high: float
    whole: bool = False

    def draw(self, rng: np.random.Generator) -> float | int:
        """Draw a value, rounded to three digits: no search can resolve more."""
        import numpy as np

        value = float(np.exp(rng.uniform(np.log(self.low), np.log(self.high))))
        return round(value) if self.whole else float(f"{value:.3g}")


@dataclass(frozen=True)
class OneOf:
    """Values to draw from, each as likely."""

    values: tuple[Any, ...]

    def draw(self, rng: np.random.Generator) -> Any:  # noqa: ANN401 - a parameter of an estimator may be anything
        """Draw a value."""
        return self.values[rng.integers(len(self.values))]


@dataclass(frozen=True)
class Family:
    """A family of models.

    Attributes:
        name: Identifier.
        label: Name for people.
        build: Makes the unfitted estimator from its parameters, the rows that it will learn from, and a seed.
        parameters: Where each parameter is drawn from.
        probabilistic: Whether it gives probabilities by itself; if not, it is always calibrated.
        alone: Whether only one may run at a time. scikit-learn's forests change Python's warning filters for every
            tree and put them back; all threads share the filters, so two forests would leave them in disorder.
    """

    name: str
    label: str
    build: Callable[[dict[str, Any], int, int], Any]
    parameters: Mapping[str, LogUniform | OneOf] = field(default_factory=dict)
    probabilistic: bool = True
    alone: bool = False


@dataclass(frozen=True)
class Candidate:
    """One draw: a family with its parameters, an encoder and a scaler.

    Attributes:
        family: The family.
        encoder: One of `ENCODERS`.
        scaler: One of `SCALERS`.
        parameters: Of the estimator.
        max_rows: Rows above which it learns from a stratified sample of so many.
    """

    family: Family
    encoder: str
    scaler: str
    parameters: dict[str, Any]
    max_rows: int

    def estimator(self, rows: int, seed: int) -> Any:  # noqa: ANN401 - scikit-learn has no types
        """The unfitted estimator for `rows` rows."""
        return self.family.build(self.parameters, rows, seed)


def _nearest_neighbours(parameters: dict[str, Any], rows: int, seed: int) -> Any:  # noqa: ANN401, ARG001 - no chance in it
    from sklearn.neighbors import KNeighborsClassifier

    # a tiny training set may hold fewer customers than the neighbours that were drawn
    return KNeighborsClassifier(**parameters | {"n_neighbors": max(1, min(parameters["n_neighbors"], rows // 3))})


def _decision_tree(parameters: dict[str, Any], rows: int, seed: int) -> Any:  # noqa: ANN401, ARG001
    from sklearn.tree import DecisionTreeClassifier

    return DecisionTreeClassifier(criterion="log_loss", random_state=seed, **parameters)


def _logistic_regression(parameters: dict[str, Any], rows: int, seed: int) -> Any:  # noqa: ANN401, ARG001
    from sklearn.linear_model import LogisticRegression

    # newton-cholesky: few columns, so it converges in a handful of steps, and exactly
    return LogisticRegression(solver="newton-cholesky", **parameters)


def _support_vectors(parameters: dict[str, Any], rows: int, seed: int) -> Any:  # noqa: ANN401, ARG001
    from sklearn.svm import SVC

    # no `probability=True`: it is deprecated, costs five more fits, and would not know the groups of copies
    return SVC(kernel="rbf", random_state=seed, **parameters)


def _extra_trees(parameters: dict[str, Any], rows: int, seed: int) -> Any:  # noqa: ANN401, ARG001
    from sklearn.ensemble import ExtraTreesClassifier

    return ExtraTreesClassifier(n_estimators=25, criterion="log_loss", random_state=seed, **parameters)


def _hist_gradient_boosting(parameters: dict[str, Any], rows: int, seed: int) -> Any:  # noqa: ANN401
    from sklearn.ensemble import HistGradientBoostingClassifier

    # no early stopping: it would hold out rows without knowing which are copies; more rows bear more trees
    trees = round(parameters["max_iter"] * max(1.0, (rows / 1000) ** 0.5))
    return HistGradientBoostingClassifier(early_stopping=False, random_state=seed, **parameters | {"max_iter": trees})


FAMILIES = (
    Family(
        "knn",
        "Nearest neighbours",
        _nearest_neighbours,
        # all neighbours count alike: weighted by distance it repeats its training labels, and nothing can explain that
        {"n_neighbors": LogUniform(15, 80, whole=True)},
    ),
    Family(
        "decision_tree",
        "Decision tree",
        _decision_tree,
        {"max_depth": OneOf((3, 4, 5, 6)), "min_samples_leaf": LogUniform(8, 40, whole=True)},
    ),
    Family("logistic_regression", "Logistic regression", _logistic_regression, {"C": LogUniform(0.03, 3)}),
    Family(
        "svc",
        "Support vectors",
        _support_vectors,
        {"C": LogUniform(0.3, 3), "gamma": LogUniform(0.015, 0.12)},
        probabilistic=False,
    ),
    Family(
        "extra_trees",
        "Extra trees",
        _extra_trees,
        {"min_samples_leaf": LogUniform(2, 12, whole=True), "max_features": OneOf((0.3, 0.5, 0.8))},
        alone=True,
    ),
    Family(
        "hist_gradient_boosting",
        "Gradient boosting",
        _hist_gradient_boosting,
        {
            "max_iter": OneOf((30, 50)),
            "learning_rate": LogUniform(0.05, 0.2),
            "max_leaf_nodes": OneOf((4, 6, 8)),
            "min_samples_leaf": LogUniform(10, 40, whole=True),
            "l2_regularization": LogUniform(0.1, 10),
        },
    ),
)


def draw(settings: Model) -> list[Candidate]:
    """Draw the candidates of a search, dealt to the families of the settings in turn; every family gets at least one.

    The same seed gives the same candidates, and more draws begin with the same ones.

    >>> from oneclick_pipeline.settings import Model
    >>> [c.family.name for c in draw(Model(families=("svc", "knn"), draws=3))]
    ['knn', 'svc', 'knn']
    """
    import numpy as np

    families = [family for family in FAMILIES if family.name in settings.families]
    rng = np.random.default_rng([settings.seed, 1])
    candidates = []
    for i in range(max(settings.draws, len(families))):
        family = families[i % len(families)]
        candidates.append(
            Candidate(
                family,
                encoder=ENCODERS[rng.integers(len(ENCODERS))],
                scaler=SCALERS[rng.integers(len(SCALERS))],
                parameters={name: source.draw(rng) for name, source in family.parameters.items()},
                max_rows=settings.family_max_rows.get(family.name, settings.max_rows),
            )
        )
    return candidates


def preprocessor(encoder: str, scaler: str) -> Any:  # noqa: ANN401 - scikit-learn has no types
    """The unfitted `ColumnTransformer`: picks the features by name and drops everything else.

    Its columns are `number_part(scaler)` of the numbers, then `text_part(encoder)` of the texts.
    """
    from sklearn.compose import ColumnTransformer

    parts = [("number", number_part(scaler), list(NUMBERS)), ("text", text_part(encoder), list(TEXTS))]
    return ColumnTransformer(parts, remainder="drop")


def number_part(scaler: str) -> Any:  # noqa: ANN401
    """Fill missing numbers with the median, then scale."""
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import RobustScaler, StandardScaler

    scale = {"standard": StandardScaler, "robust": RobustScaler}[scaler]()
    return Pipeline([("fill", SimpleImputer(strategy="median", keep_empty_features=True)), ("scale", scale)])


def text_part(encoder: str) -> Any:  # noqa: ANN401
    """Fill missing texts with the most frequent one, then encode.

    A category that was never seen becomes "infrequent" (one-hot) or −1 (ordinal).
    """
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder

    encode = {
        # the store may add categories: the rarest share a column once there are more than twenty
        "one_hot": OneHotEncoder(handle_unknown="infrequent_if_exist", max_categories=20, sparse_output=False),
        "ordinal": OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
    }[encoder]
    return Pipeline([("fill", SimpleImputer(strategy="most_frequent", keep_empty_features=True)), ("encode", encode)])
