"""What a challenger must pass to become champion.

Every gate uses figures that were measured on customers the model in question had not seen. A gate that
compares does so with today's champion on today's customers: its score on its own customers a year
ago says little about which is better now.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from oneclick_pipeline.model import metrics
from oneclick_pipeline.model.metric_intervals import corrected_interval
from oneclick_pipeline.model.training import predict
from oneclick_pipeline.model.training_set import NUMBERS, TEXTS, inputs

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from oneclick_pipeline.model.results import TrainedModel
    from oneclick_pipeline.settings import Gates
    from oneclick_pipeline.stats import Interval

GATES = {
    "better_than_chance": (
        "The lower end of the challenger's ROC-AUC interval is above 0.5",
        "The lower end of the challenger's ROC-AUC interval is not above 0.5",
    ),
    "roc_auc_not_worse": (
        "On the same folds the challenger's ROC-AUC is not worse than the champion's",
        "On the same folds the challenger's ROC-AUC is worse than the champion's",
    ),
    "log_loss_not_worse": (
        "On the same folds the challenger's log loss is not worse than the champion's",
        "On the same folds the challenger's log loss is worse than the champion's",
    ),
    "no_drop": (
        "The challenger's ROC-AUC is close to what the champion had when it was trained, or above",
        "The challenger's ROC-AUC is far below what the champion had when it was trained",
    ),
    "calibrated": (
        "The challenger's expected calibration error is within the limit",
        "The challenger's expected calibration error is above the limit",
    ),
    "slices_hold": ("No slice of the customers falls far behind all customers", "A slice of the customers falls far behind all"),
    "sane_on_edges": (
        "Unusual rows get probabilities, and customers do not all get the same one",
        "Unusual rows get no probability, or all customers get the same one",
    ),
    "only_trusted_types": (
        "The challenger's file holds only types that we trust",
        "The challenger's file holds types that we do not trust",
    ),
    "loads_in_fresh_process": (
        "A fresh process loads the challenger from the registry and predicts the same",
        "A fresh process cannot load the challenger from the registry, or predicts something else",
    ),
}
"""The sentences of every gate for when it is passed and when it is not, by name, in order."""

SAME = 1e-9
"""By how much the same model's probability of the same row may differ between two processes."""

_CHANCE = 0.5
_HUGE = 1e9
_TYPICAL_ROWS = 200
_PAIRED = ("roc_auc", "log_loss")
_NAMES = {"roc_auc": "ROC-AUC", "log_loss": "log loss"}


@dataclass(frozen=True)
class Gate:
    """How a challenger did at one gate.

    Attributes:
        name: Gate, one of `GATES`.
        passed: Whether it passed.
        figures: The figures on which the decision is based.
        text: The figures in words.
    """

    name: str
    passed: bool
    figures: dict[str, float | str]
    text: str

    def __str__(self) -> str:
        """What a tag holds.

        >>> print(Gate("calibrated", True, {"ece": 0.031}, "ECE 0.031, limit 0.06"))
        passed: ECE 0.031, limit 0.06
        """
        return f"{'passed' if self.passed else 'failed'}: {self.text}"


@dataclass(frozen=True)
class Standing:
    """The champion's performance on the customers that a challenger was trained on.

    Attributes:
        version: Number of its version.
        roc_auc: Nested ROC-AUC that it had when it was trained.
        p_decline: Its honest probability of every row of the challenger's `out_of_fold`, in that order.
        unseen: How many of the rows it was not trained on.
    """

    version: int
    roc_auc: float
    p_decline: NDArray[np.float64]
    unseen: int


@dataclass(frozen=True)
class Reopened:
    """The result of opening the challenger from the registry in a fresh process.

    Attributes:
        foreign: Types in the file that are not trusted.
        p_decline: Its probabilities of the rows that it was given; None where it gave none.
        error: Why it gave none.
    """

    foreign: tuple[str, ...] = ()
    p_decline: NDArray[np.float64] | None = None
    error: str = ""


def judge(
    trained: TrainedModel, training: pd.DataFrame, champion: Standing | None, reopened: Reopened, settings: Gates
) -> tuple[Gate, ...]:
    """Evaluate a challenger at every gate.

    Args:
        trained: The challenger.
        training: The training set that it was given.
        champion: The champion on the challenger's rows; None where there is no champion yet.
        reopened: What a fresh process found, given `edge_rows(training)`.
        settings: Margins and limits.

    Returns:
        The gates in the order of `GATES`.
    """
    edges = edge_rows(training)
    here = _tried(trained.pipeline, edges)
    usual = predict(trained.pipeline, training.head(_TYPICAL_ROWS))
    return (
        better_than_chance(trained.metrics["roc_auc"]),
        *paired(trained, champion, settings),
        no_drop(trained.metrics["roc_auc"].estimate, champion, settings.max_drop),
        calibrated(trained.predictions, trained.metrics["ece"].estimate, settings.max_ece),
        slices_hold(trained.slices, trained.metrics["roc_auc"].estimate, settings.slice_margin),
        sane_on_edges(here, usual, list(edges.index)),
        only_trusted_types(reopened),
        loads_in_fresh_process(reopened, here),
    )


def standing(
    rows: pd.DataFrame,
    training: pd.DataFrame,
    held_out: pd.DataFrame,
    predicted: Callable[[pd.DataFrame], NDArray[np.float64]],
    *,
    version: int,
    roc_auc: float,
) -> Standing:
    """The champion's honest prediction of every row that a challenger was trained on.

    A row that the champion was trained on as well has its out-of-fold probability; for any other, the champion's current
    prediction is used, since it has never seen the row.

    Args:
        rows: feature_month and customer_id of the challenger's rows.
        training: The challenger's training set, in any order, with all of these rows.
        held_out: feature_month, customer_id and p_decline of the customers the champion was trained on.
        predicted: The champion's P(declined) of rows with features; called for rows it has not seen, if there are any.
        version: The champion's version.
        roc_auc: Nested ROC-AUC that it had when it was trained.
    """
    import numpy as np

    key = ["feature_month", "customer_id"]
    merged = rows[key].merge(held_out[[*key, "p_decline"]], on=key, how="left", validate="one_to_one")
    p = merged["p_decline"].to_numpy(dtype=float, copy=True)
    unseen = np.isnan(p)
    if unseen.any():
        p[unseen] = predicted(rows.loc[unseen, key].merge(training, on=key, how="left", validate="one_to_one"))
    return Standing(version, roc_auc, p, int(unseen.sum()))


def better_than_chance(roc_auc: Interval) -> Gate:
    """Whether the challenger ranks significantly better than chance."""
    figures: dict[str, float | str] = {"roc_auc": roc_auc.estimate, "low": roc_auc.low}
    return Gate("better_than_chance", roc_auc.low > _CHANCE, figures, f"ROC-AUC {roc_auc}, chance is {_CHANCE}")


def paired(trained: TrainedModel, champion: Standing | None, settings: Gates) -> tuple[Gate, ...]:
    """Compare with the champion, fold by fold on the challenger's outer folds.

    The mean difference must lie within the margin. Its whole interval need not: at a thousand customers that is
    wider than any margin worth having, so no challenger would ever pass.
    """
    import numpy as np

    if champion is None:
        return tuple(Gate(f"{name}_not_worse", passed=True, figures={}, text="no champion yet") for name in _PAIRED)
    own = trained.out_of_fold["p_decline"].to_numpy(dtype=float)
    declined = np.empty(len(own), dtype=int)
    declined[trained.predictions.index] = trained.predictions["declined"]
    folds = [part.index.to_numpy() for _, part in trained.predictions.groupby(["repeat", "fold"])]
    number = int(trained.predictions["fold"].nunique())
    gates = []
    for name, margin, sign in (("roc_auc", settings.roc_auc_margin, -1), ("log_loss", settings.log_loss_margin, 1)):
        score = metrics.BY_FOLD[name]
        scores = np.array([[score(declined[f], p[f]) for p in (own, champion.p_decline)] for f in folds])
        challenger, standing_champion = (float(m) for m in scores.mean(axis=0))
        difference = corrected_interval(scores[:, 0] - scores[:, 1], folds=number, bounds=(-float("inf"), float("inf")))
        text = (
            f"{_NAMES[name]} {challenger:.3f} against {standing_champion:.3f} of version {champion.version} on the same "
            f"{len(folds)} folds ({champion.unseen} of {len(own)} customers it had not seen); "
            f"difference {difference.estimate:+.4f} ({difference.low:+.4f} to {difference.high:+.4f}), margin {margin}"
        )
        figures: dict[str, float | str] = {
            "challenger": challenger,
            "champion": standing_champion,
            "difference": difference.estimate,
            "difference_low": difference.low,
            "difference_high": difference.high,
            "margin": margin,
        }
        gates.append(Gate(f"{name}_not_worse", sign * difference.estimate <= margin, figures, text))
    return tuple(gates)


def no_drop(roc_auc: float, champion: Standing | None, max_drop: float) -> Gate:
    """Whether it ranks about as well as the champion did at its training.

    Under spoilt labels champion and challenger fail alike, and a comparison on the same folds sees nothing.
    """
    if champion is None:
        return Gate("no_drop", passed=True, figures={"challenger": roc_auc}, text="no champion yet")
    drop = champion.roc_auc - roc_auc
    text = f"ROC-AUC {roc_auc:.3f}, version {champion.version} had {champion.roc_auc:.3f} when trained; may drop {max_drop}"
    return Gate("no_drop", drop <= max_drop, {"challenger": roc_auc, "champion_then": champion.roc_auc, "drop": drop}, text)


def calibrated(predictions: pd.DataFrame, ece: float, max_ece: float) -> Gate:
    """Whether probabilities are calibrated, with what chance alone would give, so that a limit can be chosen."""
    one = predictions[predictions["repeat"] == predictions["repeat"].min()]
    chance = chance_ece(one["p_decline"].to_numpy())
    text = f"ECE {ece:.3f}, limit {max_ece}; perfect probabilities for {len(one)} customers would show {chance:.3f} by chance"
    return Gate("calibrated", ece <= max_ece, {"ece": ece, "by_chance": chance, "limit": max_ece}, text)


def chance_ece(p: NDArray[np.float64]) -> float:
    """The ECE that is expected of perfect probabilities: the remaining noise in the bins.

    In a bin the number of decliners has variance Σ p(1 − p), and a normal deviation has mean size √(2/π) · sd.

    >>> import numpy as np
    >>> round(chance_ece(np.full(100, 0.5)), 4), round(chance_ece(np.full(10_000, 0.5)), 4)
    (0.0399, 0.004)
    """
    import numpy as np

    place = np.minimum((p * metrics.BINS).astype(int), metrics.BINS - 1)
    variance = np.bincount(place, weights=p * (1 - p), minlength=metrics.BINS)
    return float(np.sqrt(2 / np.pi * variance).sum() / len(p))


def slices_hold(slices: pd.DataFrame, roc_auc: float, margin: float) -> Gate:
    """Whether the model ranks in every slice; a slice fails where even the upper end of its interval is far below.

    Args:
        slices: feature, value, customers, roc_auc, roc_auc_high; NaN where a slice has too few customers.
        roc_auc: ROC-AUC of all customers.
        margin: How far the upper end may be below it.
    """
    known = slices[slices["roc_auc_high"].notna()]
    if known.empty:
        return Gate("slices_hold", passed=True, figures={"slices": 0}, text="no slice has enough customers")
    worst = known.sort_values("roc_auc_high", kind="stable").iloc[0]
    failed = int((known["roc_auc_high"] < roc_auc - margin).sum())
    name = f"{worst['feature']} = {worst['value']}"
    text = (
        f"worst of {len(known)} slices is {name} ({int(worst['customers'])} customers): ROC-AUC {worst['roc_auc']:.3f}, at most "
        f"{worst['roc_auc_high']:.3f}; all customers {roc_auc:.3f}, margin {margin}" + (f"; {failed} fail" if failed else "")
    )
    figures: dict[str, float | str] = {
        "slices": len(known),
        "failed": failed,
        "worst": name,
        "worst_roc_auc": float(worst["roc_auc"]),
        "worst_roc_auc_high": float(worst["roc_auc_high"]),
    }
    return Gate("slices_hold", failed == 0, figures, text)


def edge_rows(training: pd.DataFrame) -> pd.DataFrame:
    """Rows such as bad input may contain, and a typical one; the index says what is unusual about them.

    >>> import pandas as pd
    >>> row = dict.fromkeys(NUMBERS, 2.0) | dict.fromkeys(TEXTS, "x")
    >>> edge_rows(pd.DataFrame([row])).iloc[:, 0].tolist()
    ['x', nan, 'x', 'x', 'x', 'never seen before']
    """
    import numpy as np
    import pandas as pd

    known = inputs(training)
    typical: dict[str, Any] = {name: known[name].median() for name in NUMBERS}
    typical |= {name: next(iter(known[name].mode()), np.nan) for name in TEXTS}  # a column may be empty
    rows = {
        "a typical customer": typical,
        "nothing known": dict.fromkeys(typical, np.nan),
        "all numbers zero": typical | dict.fromkeys(NUMBERS, 0.0),
        "all numbers huge": typical | dict.fromkeys(NUMBERS, _HUGE),
        "all numbers negative": typical | dict.fromkeys(NUMBERS, -_HUGE),
        "unseen categories": typical | dict.fromkeys(TEXTS, "never seen before"),
    }
    return inputs(pd.DataFrame.from_dict(rows, orient="index"))


def sane_on_edges(edges: NDArray[np.float64] | str, usual: NDArray[np.float64], names: list[str]) -> Gate:
    """Whether unusual rows get probabilities, and usual customers different ones.

    Args:
        edges: Probabilities of `edge_rows`, or why there are none.
        usual: Probabilities of usual customers.
        names: What is unusual about each edge row.
    """
    import numpy as np

    if isinstance(edges, str):
        return Gate("sane_on_edges", passed=False, figures={"error": edges}, text=f"unusual rows cannot be predicted: {edges}")
    wrong = [name for name, p in zip(names, edges, strict=True) if not 0 <= p <= 1]  # so that NaN is wrong
    spread = float(np.ptp(usual))
    edge = ", ".join(f"{name} {p:.3f}" for name, p in zip(names, edges, strict=True))
    text = f"{edge}; usual customers from {usual.min():.3f} to {usual.max():.3f}"
    if wrong:
        text += f"; no probability: {', '.join(wrong)}"
    figures: dict[str, float | str] = {"wrong": len(wrong), "spread": spread}
    return Gate("sane_on_edges", not wrong and spread > SAME, figures, text)


def only_trusted_types(reopened: Reopened) -> Gate:
    """Whether the file can be read without creating objects of unknown types."""
    if reopened.foreign:
        text = f"types that are not trusted: {', '.join(reopened.foreign)}"
    else:
        text = "the file could not be read" if reopened.p_decline is None else "the file holds only trusted types"
    passed = not reopened.foreign and reopened.p_decline is not None
    return Gate("only_trusted_types", passed, {"foreign": len(reopened.foreign)}, text)


def loads_in_fresh_process(reopened: Reopened, here: NDArray[np.float64] | str) -> Gate:
    """Whether another process gets the same model from the registry."""
    import numpy as np

    if reopened.p_decline is None or isinstance(here, str):
        error = reopened.error or (here if isinstance(here, str) else "types that are not trusted")
        return Gate("loads_in_fresh_process", passed=False, figures={"error": error}, text=f"no predictions: {error}")
    apart = float(np.abs(reopened.p_decline - here).max())
    text = f"{len(here)} rows predicted, at most {apart:.1g} apart"
    return Gate("loads_in_fresh_process", apart <= SAME, {"rows": len(here), "largest_difference": apart}, text)


def _tried(pipeline: Any, rows: pd.DataFrame) -> NDArray[np.float64] | str:  # noqa: ANN401 - scikit-learn has no types
    """Probabilities, or why the model refuses the rows: scikit-learn raises `ValueError`."""
    try:
        return predict(pipeline, rows)
    except ValueError as error:
        return str(error)
