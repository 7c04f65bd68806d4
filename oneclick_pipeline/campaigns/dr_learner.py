"""Effects customer by customer beyond what is believed: a cross-fitted DR-learner, shrunken by what it really predicts.

What is believed (`campaigns.response`) is linear in ramps of the features and trusts the score and its correction.
This learner trusts chance alone and finds any shape, at the price of much more noise; so it starts from enough
customers on, and adds to the beliefs only what it can predict of customers it has not seen.

Chance alone says who was compared with whom, and its odds are known: see `comparisons.pairs`.

For a row that is compared, with outcome y, arm w, odds as probability π and outcomes μ1, μ0 expected with and without the offer

    ψ = μ1 - μ0 + (w - π) / (π (1 - π)) · (y - μ_w)

has the effect as its mean given the features, whatever μ is, since π is known. A second regression of ψ on the
features is the effect of a customer. Source: Kennedy (2023), Towards optimal doubly robust estimation of
heterogeneous causal effects, Electronic Journal of Statistics 17(2). All months of a customer are in one fold, and
both regressions speak of customers from whom they have not learned.

What boosting finds in noise must not drive the offers, so it is shrunken. With τ the effect that is believed of the
customer, from a regression that has not seen them, and d the second regression's prediction of ψ - τ for a customer
who was held out of it, each offer's mean taken away: the slope s of ψ - τ on d is 1 if the differences are real and 0
if they are noise. It is itself uncertain, with t = s / standard error, so it is taken times max(0, 1 - 1 / t²)
(positive-part James and Stein, 1961), and at most as 1: effect = τ + s d.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from threadpoolctl import threadpool_limits

from oneclick_pipeline.campaigns.comparisons import Pairs, pairs
from oneclick_pipeline.campaigns.outcomes import FOLDS, folds
from oneclick_pipeline.model.training_set import TEXTS, inputs

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from oneclick_pipeline.settings import Settings

_TREES = {
    "max_iter": 50,
    "learning_rate": 0.1,
    "max_leaf_nodes": 8,
    "max_bins": 63,
    "l2_regularization": 10.0,
    "early_stopping": False,
}


@dataclass(frozen=True)
class Slope:
    """How much of the differences between customers is real.

    Attributes:
        measured: Slope of what happened on what was predicted for customers who were held out.
        standard_error: Its standard error, clustered by customer.
        used: What the predicted differences are multiplied by, 0 to 1.
        variance: Of the true multiplier around it, as believed: what is left of the measurement's after shrinking.
    """

    measured: float
    standard_error: float
    used: float
    variance: float


@dataclass(frozen=True)
class Learner:
    """The effects of offers on a customer's probability of decline.

    Attributes:
        offers: The offers, in the order of the columns.
        means: Mean of ψ - τ of every offer over the customers on whom it was measured; NaN if it was measured on too few.
        standard_errors: Their standard errors, clustered by customer.
        slope: How much of the differences between customers is real.
        customers: Rows of outcomes that it was learned from.
        held_out: Effects on the customers of the outcomes, row by row (n, m), from regressions that have not seen the
            customer: on these rows a policy made from them can be judged honestly.
    """

    offers: tuple[str, ...]
    means: NDArray[np.float64]
    standard_errors: NDArray[np.float64]
    slope: Slope
    customers: int
    held_out: NDArray[np.float64]
    _coder: _Coder
    _models: tuple[Any, ...]

    def customer_effects(self, customers: pd.DataFrame, expected: NDArray[np.float64]) -> NDArray[np.float64]:
        """Effect of every offer on every customer's probability of decline; negative is good.

        Args:
            customers: `customer_features` with `p_decline`, n rows.
            expected: Effects that are believed for them, shape (n, m).

        Returns:
            `expected` and what the learner adds, shape (n, m).
        """
        if self.slope.used == 0 or not len(customers):
            return expected
        return np.asarray(expected + self.slope.used * self.differences(customers))

    def differences(self, customers: pd.DataFrame) -> NDArray[np.float64]:
        """What the learner sees of every offer and customer beyond what is believed, shape (n, m)."""
        inputs = self._coder(customers)
        return np.asarray(np.mean([_differences(m, inputs, self.means) for m in self._models], axis=0))


def learn(
    outcomes: pd.DataFrame, before: pd.DataFrame, expected: NDArray[np.float64], offers: Sequence[str], settings: Settings
) -> Learner | None:
    """Learn the effects customer by customer, if there are enough randomised customers.

    Args:
        outcomes: Rows of `contracts.campaigns.CAMPAIGN_OUTCOMES` with the probabilities of their draw, n of them; those without
            a known `declined` are ignored.
        before: What was known about the customers before, see `outcomes.known_before`.
        expected: Effects that are believed for them, from regressions that have not seen them; shape (n, m).
        offers: Ids of the offers, m of them: the columns of all effects.
        settings: `campaigns.heterogeneous_from` and `min_group`; the seed of folds and trees.

    Returns:
        The learner; None with fewer than `heterogeneous_from` rows that any comparison uses.
    """
    seed = settings.model.seed
    known = np.flatnonzero(outcomes["declined"].notna().to_numpy())
    rows = outcomes.iloc[known]
    compared = _large_enough(pairs(rows, offers), len(offers), settings.campaigns.min_group)
    used = np.unique(compared.row)
    if len(used) < settings.campaigns.heterogeneous_from:
        return None
    coder = _Coder.of(before.iloc[known[used]])
    everybody = coder(before)
    inputs, fold = everybody[known], folds(outcomes["customer_id"].to_numpy(), seed)
    y, customer = rows["declined"].to_numpy(dtype=float), rows["customer_id"].to_numpy()
    with threadpool_limits(limits=1):  # small trees: threads would spend more time waiting than working
        psi = _pseudo_outcomes(compared, inputs, y, fold[known], seed) - expected[known[compared.row], compared.offer]
        means, errors = _means(psi, compared, customer, len(offers))
        centred = psi - means[compared.offer]
        models = tuple(_second_stage(centred, compared, inputs, fold[known] != k, seed) for k in range(FOLDS))
        differences = np.empty((len(outcomes), len(offers)))
        for k, model in enumerate(models):
            differences[fold == k] = _differences(model, everybody[fold == k], means)
    slope = _slope(psi, differences[known[compared.row], compared.offer], compared, customer)
    held_out = expected + slope.used * differences
    return Learner(tuple(offers), means, errors, slope, len(used), held_out, coder, models)


def _large_enough(pairs: Pairs, offers: int, min_group: int) -> Pairs:
    """The comparisons of offers with so many customers in either arm."""
    sizes = [np.bincount(pairs.offer[pairs.offered == arm], minlength=offers) for arm in (True, False)]
    return pairs.where(np.minimum(*sizes)[pairs.offer] >= min_group)


@dataclass(frozen=True)
class _Coder:
    """Features and score as numbers; a text by its place in the alphabet, NaN if it was never seen."""

    texts: dict[str, dict[str, int]]

    @classmethod
    def of(cls, customers: pd.DataFrame) -> _Coder:
        """Learn the texts."""
        return cls({name: {text: k for k, text in enumerate(sorted(customers[name].dropna().unique()))} for name in TEXTS})

    def __call__(self, customers: pd.DataFrame) -> NDArray[np.float32]:
        """The numbers, one row per customer, in 32 bits: trees need no more."""
        numbers = inputs(customers).assign(**{name: customers[name].map(codes) for name, codes in self.texts.items()})
        return numbers.assign(p_decline=customers["p_decline"]).to_numpy(dtype=np.float32, na_value=np.nan)


def _with_arm(inputs: NDArray[np.float32], arm: NDArray[np.intp] | int) -> NDArray[np.float32]:
    return np.column_stack([inputs, np.broadcast_to(np.asarray(arm, dtype=np.float32), len(inputs))])


def _pseudo_outcomes(
    pairs: Pairs, inputs: NDArray[np.float32], y: NDArray[np.float64], fold: NDArray[np.intp], seed: int
) -> NDArray[np.float64]:
    """ψ of every comparison, from outcome models that have not seen the customer."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    rows, first = np.unique(pairs.row, return_index=True)
    arm = np.where(pairs.offered, pairs.offer + 1, 0)  # a customer has one arm, in however many comparisons
    mu = np.empty((2, len(pairs.row)))
    for k in range(FOLDS):
        fitted, asked = fold[rows] != k, fold[pairs.row] == k
        model = HistGradientBoostingClassifier(
            **_TREES, min_samples_leaf=50, categorical_features=[inputs.shape[1]], random_state=seed
        ).fit(_with_arm(inputs[rows[fitted]], arm[first[fitted]]), y[rows[fitted]])
        for w, given in enumerate((0, pairs.offer[asked] + 1)):
            mu[w, asked] = model.predict_proba(_with_arm(inputs[pairs.row[asked]], given))[:, 1]
    own = np.where(pairs.offered, mu[1], mu[0])
    return np.asarray(mu[1] - mu[0] + (pairs.offered - pairs.odds) / _precision(pairs) * (y[pairs.row] - own))


def _precision(pairs: Pairs) -> NDArray[np.float64]:
    """Weight of every comparison: the variance of ψ is about that of the outcome over π (1 - π)."""
    return pairs.odds * (1 - pairs.odds)


def _means(
    psi: NDArray[np.float64], pairs: Pairs, customer: NDArray, offers: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weighted mean of ψ of every offer and its standard error, clustered by customer; NaN without comparisons."""
    weight = _precision(pairs)
    total = np.bincount(pairs.offer, weights=weight, minlength=offers)
    measured = np.where(total > 0, total, np.nan)
    means = np.bincount(pairs.offer, weights=weight * psi, minlength=offers) / measured
    ids, code = np.unique(customer[pairs.row], return_inverse=True)
    cluster = np.bincount(pairs.offer * len(ids) + code, weights=weight * (psi - means[pairs.offer]), minlength=offers * len(ids))
    return means, np.sqrt((cluster.reshape(offers, -1) ** 2).sum(axis=1)) / measured


def _second_stage(
    centred: NDArray[np.float64], pairs: Pairs, inputs: NDArray[np.float32], rows: NDArray[np.bool_], seed: int
) -> Any:  # noqa: ANN401 - scikit-learn has no types
    """The regression of ψ, less its offer's mean, on features and offer: offers share what moves all of them."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    own = pairs.where(rows[pairs.row])
    # a leaf must hold so many that its mean is not mostly noise; few large leaves also keep the shrinkage mild
    model = HistGradientBoostingRegressor(
        **_TREES, min_samples_leaf=max(100, len(own.row) // 100), categorical_features=[inputs.shape[1]], random_state=seed
    )
    return model.fit(_with_arm(inputs[own.row], own.offer), centred[rows[pairs.row]], sample_weight=_precision(own))


def _differences(model: Any, inputs: NDArray[np.float32], means: NDArray[np.float64]) -> NDArray[np.float64]:  # noqa: ANN401
    """Predicted effects less the offers' means, (n, m); 0 for offers that were not measured."""
    columns = [
        model.predict(_with_arm(inputs, j)) if np.isfinite(mean) else np.zeros(len(inputs)) for j, mean in enumerate(means)
    ]
    return np.column_stack(columns)


def _slope(psi: NDArray[np.float64], predicted: NDArray[np.float64], pairs: Pairs, customer: NDArray) -> Slope:
    """How much of the predicted differences is real: weighted regression within the offers, see above."""
    weight = _precision(pairs)
    total = np.bincount(pairs.offer, weights=weight)

    def within(values: NDArray[np.float64]) -> NDArray[np.float64]:
        sums = np.bincount(pairs.offer, weights=weight * values)
        return values - np.divide(sums, total, out=np.zeros_like(total), where=total > 0)[pairs.offer]

    x, y = within(predicted), within(psi)
    spread = float((weight * x * x).sum())
    if spread == 0:
        return Slope(0.0, float("inf"), 0.0, 0.0)
    slope = float((weight * x * y).sum()) / spread
    _, code = np.unique(customer[pairs.row], return_inverse=True)
    error = float(np.sqrt((np.bincount(code, weights=weight * x * (y - slope * x)) ** 2).sum())) / spread
    shrunken = max(0.0, 1 - (error / slope) ** 2) if slope > 0 else 0.0
    return Slope(slope, error, min(1.0, max(0.0, slope) * shrunken), shrunken * error**2)
