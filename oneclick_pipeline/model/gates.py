"""What a challenger must pass to become champion.

Every gate uses figures that were measured on customers the model in question had not seen. A gate that
compares does so with today's champion on today's customers, as if it had never seen them (`standing`): its score on its own
customers a year ago says little about which is better now.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from oneclick_pipeline.model import metrics
from oneclick_pipeline.model.metric_intervals import corrected_interval
from oneclick_pipeline.model.training import predict
from oneclick_pipeline.model.training_set import NUMBERS, TEXTS, inputs, weights_of

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from oneclick_pipeline.model.results import TrainedModel
    from oneclick_pipeline.model.standing import Standing
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
        *paired(champion, settings),
        no_drop(trained.metrics["roc_auc"].estimate, champion, settings.max_drop),
        calibrated(trained.predictions, trained.metrics["ece"].estimate, settings.max_ece),
        slices_hold(trained.slices, trained.metrics["roc_auc"].estimate, settings.slice_margin),
        sane_on_edges(here, usual, list(edges.index)),
        only_trusted_types(reopened),
        loads_in_fresh_process(reopened, here),
    )


def better_than_chance(roc_auc: Interval) -> Gate:
    """Whether the challenger ranks significantly better than chance."""
    figures: dict[str, float | str] = {"roc_auc": roc_auc.estimate, "low": roc_auc.low}
    return Gate("better_than_chance", roc_auc.low > _CHANCE, figures, f"ROC-AUC {roc_auc}, chance is {_CHANCE}")


def paired(champion: Standing | None, settings: Gates) -> tuple[Gate, ...]:
    """Compare with the champion, fold by fold, on customers whom neither has seen; see `standing`.

    The mean difference must lie within the margin. Its whole interval need not: at a thousand customers that is
    wider than any margin worth having, so no challenger would ever pass.
    """
    if champion is None:
        return tuple(Gate(f"{name}_not_worse", passed=True, figures={}, text="no champion yet") for name in _PAIRED)
    if champion.rows.empty:
        text = f"not enough data to compare with version {champion.version}: {champion.basis}"
        return tuple(Gate(f"{name}_not_worse", passed=True, figures={}, text=text) for name in _PAIRED)
    return (
        _compared("roc_auc", champion, settings.roc_auc_margin, sign=-1),
        _compared("log_loss", champion, settings.log_loss_margin, sign=1),
    )


def _compared(name: str, champion: Standing, margin: float, *, sign: int) -> Gate:
    """Challenger and champion by one metric; a difference of this sign speaks against the challenger."""
    import numpy as np

    score, scores = metrics.BY_FOLD[name], []
    for _, part in champion.rows.groupby("fold"):
        declined, weight = part["declined"].to_numpy(), part["weight"].to_numpy()
        scores.append([score(declined, part[who].to_numpy(), weight) for who in ("challenger", "champion")])
    challenger, champions = np.array(scores).T
    difference = corrected_interval(challenger - champions, folds=len(scores), bounds=(-float("inf"), float("inf")))
    text = (
        f"{_NAMES[name]} {challenger.mean():.3f} against {champions.mean():.3f} of version {champion.version} on the same "
        f"{len(scores)} folds; {champion.basis}; "
        f"difference {difference.estimate:+.4f} ({difference.low:+.4f} to {difference.high:+.4f}), margin {margin}"
    )
    figures: dict[str, float | str] = {
        "challenger": float(challenger.mean()),
        "champion": float(champions.mean()),
        "difference": difference.estimate,
        "difference_low": difference.low,
        "difference_high": difference.high,
        "margin": margin,
        "customers": len(champion.rows),
    }
    return Gate(f"{name}_not_worse", sign * difference.estimate <= margin, figures, text)


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
    chance = chance_ece(one["p_decline"].to_numpy(), weights_of(one))
    text = f"ECE {ece:.3f}, limit {max_ece}; perfect probabilities for {len(one)} customers would show {chance:.3f} by chance"
    return Gate("calibrated", ece <= max_ece, {"ece": ece, "by_chance": chance, "limit": max_ece}, text)


def chance_ece(p: NDArray[np.float64], weight: NDArray[np.float64]) -> float:
    """The ECE that is expected of perfect probabilities: the remaining noise in the bins.

    In a bin the weighted number of decliners has variance Σ w² p(1 − p), and a normal deviation has mean size √(2/π) · sd.

    >>> import numpy as np
    >>> [round(chance_ece(np.full(n, 0.5), np.ones(n)), 4) for n in (100, 10_000)]
    [0.0399, 0.004]
    """
    import numpy as np

    place = np.minimum((p * metrics.BINS).astype(int), metrics.BINS - 1)
    variance = np.bincount(place, weights=weight**2 * p * (1 - p), minlength=metrics.BINS)
    return float(np.sqrt(2 / np.pi * variance).sum() / weight.sum())


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
