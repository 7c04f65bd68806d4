"""How customers respond to offers: one Bayesian regression of all that became of the customers of earlier campaigns.

For a customer who was offered j, or held out, and declined (y = 1) or not, and to whom the model had given P(decline) = p:

    y - p = level + error(x) + offered · (a_j + s(x) + c_j(x)) + noise,      variance of the noise φ p (1 - p)

`level` (one of the month, one of how the customer came to be compared) and `error` are what the score had wrong, the
same for offered and controls: it is estimated from all controls of all offers, so an offer does not need many of its own. a_j is
the offer's mean effect, s what makes every offer work better or worse, c_j what this one does. All but the levels are
linear in x, a set of ramps over every feature and the score (`_Ramps`).

Coefficients are normal around 0, a_j around what the catalogue expects with the sd that the catalogue gives it, slightly
correlated, since whoever was too hopeful of one offer may have been of all (`ALIKE`); how
large those of error, s and c_j are is learned as well, by feature, from the evidence and even odds that effects differ
by it at all, so that what differs by chance alone is mostly believed to be the same. φ is at least 1 and grows where the
outcomes of one customer move together. Chance drew the arms given the month and whether the customer was explored,
chosen for an offer or neither: the regression holds these still, and x besides, which moves which offer it is. It needs
of the customers only sums (X'WX and X'Wy by arm): a million cost as little memory as a thousand.

Source: Gelman and Hill (2007), Data Analysis Using Regression and Multilevel Models, ch. 12–13 (partial pooling);
MacKay (1992), Bayesian interpolation, Neural Computation 4(3) (evidence); Hahn, Murray and Carvalho (2020), Bayesian
regression tree models for causal inference, Bayesian Analysis 15(3) (score as covariate, effect apart from error).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from oneclick_pipeline.campaigns.outcomes import FOLDS, folds
from oneclick_pipeline.contracts.customers import FEATURE_NAMES
from oneclick_pipeline.model.training_set import TEXTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt
    import pandas as pd

    Floats = npt.NDArray[np.float64]
    Flags = npt.NDArray[np.bool_]
    Ints = npt.NDArray[np.intp]

ERROR = "error of the score"
ALIKE = 0.1
"""Correlation of what the lines of a catalogue are off by: the same people wrote them all, so that they may be too hopeful
for all offers alike. Where lines are off independently, intervals that allow for it hold the truth in 97 % instead of 95."""
LEVEL_SD = 0.05
"""How wrong the score may be on all customers of a month, or of those who came to be compared in one way, alike."""
_GRID = tuple(float(sd) for sd in np.geomspace(0.0005, 0.05, 5))
"""Standard deviations of coefficients that are tried: from nothing that could be seen to more than any offer does."""
_START = _GRID[2]
_MATTERS = -float(np.log(len(_GRID) - 1))
"""Logarithm of the odds of one scale above the least to the least, before any outcome: effects differ by a feature or do
not, each as likely. Without it chance alone would make them differ by nearly half of the features."""
_ROUNDS = 3
_LEAST_VARIANCE = 0.02
"""Of an outcome, as a score of 0.98 leaves it: who is thought to be certain does not outweigh everyone else."""
_KNOTS = (0.1, 0.5, 0.9)
_KNOTS_OF_SCORE = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True)
class Response:
    """What offers do to customers, as believed.

    Attributes:
        offers: Ids of the offers, m of them.
        scales: Standard deviation of the coefficients of a ramp, in P(decline): under `ERROR` of what the score had wrong,
            under a feature's name of how it makes offers work better or worse; one that does not matter has the least.
        dispersion: φ.
        customers: Rows of outcomes that were learned from.
        offered: Of them, those who got each offer, shape (m,).
        covariance: Of the effects' coefficients: k shared, then a_j and c_j of every offer.
    """

    offers: tuple[str, ...]
    scales: Mapping[str, float]
    dispersion: float
    customers: int
    offered: Ints
    covariance: Floats
    _ramps: _Ramps
    _mean: Floats

    def customer_effects(self, customers: pd.DataFrame) -> Floats:
        """Expected change of each customer's P(decline) by each offer, shape (n, m); negative is good.

        Args:
            customers: `customer_features` with `p_decline`, n rows.
        """
        inputs = self._ramps(customers)
        k = inputs.shape[1] - 1
        own = self._mean[k:].reshape(len(self.offers), k + 1).copy()
        own[:, 1:] += self._mean[:k]
        # not `inputs @ own.T`: BLAS adds up in an order that depends on how many rows there are
        return np.stack([np.ascontiguousarray(inputs * one).sum(axis=1) for one in own], axis=1)

    def inputs(self, customers: pd.DataFrame) -> Floats:
        """What effects are linear in: 1 and k ramps of each customer, shape (n, 1 + k)."""
        return self._ramps(customers)

    def summary(self) -> dict[str, float | int | str]:
        """What was learned from how many, and which features make offers work better or worse, the strongest first."""
        matter = [name for name, sd in self.scales.items() if sd > _GRID[0] and name != ERROR]
        matter.sort(key=lambda name: -self.scales[name])
        return {
            "customers in the fit": self.customers,
            "spread of outcomes beyond chance": round(self.dispersion, 2),
            "effects differ by": ", ".join(matter) or "nothing that was seen",
        }

    def average(self, customers: pd.DataFrame, among: Flags) -> tuple[Floats, Floats]:
        """Mean effect of each offer over some customers and its standard deviation, each (m,); NaN where there are none.

        Args:
            customers: `customer_features` with `p_decline`, n rows.
            among: Over whom each offer is averaged, shape (n, m).
        """
        inputs, m = self._ramps(customers), len(self.offers)
        k, size = inputs.shape[1] - 1, among.sum(axis=0)
        middle = among.T @ inputs / np.where(size > 0, size, np.nan)[:, None]
        weights = np.zeros((m, k + m * (k + 1)))
        weights[:, :k] = middle[:, 1:]
        for j in range(m):
            begin = k + j * (k + 1)
            weights[j, begin : begin + k + 1] = middle[j]
        variance = np.einsum("ij,jk,ik->i", weights, self.covariance, weights)
        return weights @ self._mean, np.sqrt(np.maximum(variance, 0))


def learn(outcomes: pd.DataFrame, before: pd.DataFrame, priors: pd.DataFrame) -> Response | None:
    """Learn how customers respond from all campaigns whose horizon has passed.

    Args:
        outcomes: Rows of `CAMPAIGN_OUTCOMES`; those without a known `declined` are ignored, as are offers that
            are not in `priors`.
        before: Features and `p_decline` of the same customers when the campaign was held, row by row.
        priors: offer_id, mean, sd: the catalogue's expectation of the effect on P(decline), m rows.

    Returns:
        The response; None without an offered and a control customer whose class is known.
    """
    offers = tuple(priors["offer_id"].astype(str))
    number = {name: j for j, name in enumerate(offers)}
    offered = (outcomes["arm"] == "offer").to_numpy()
    arm = np.where(offered, outcomes["offer_id"].map(number).fillna(-2).to_numpy(dtype=np.intp), -1)
    y, p = (outcomes[name].to_numpy(dtype=float, na_value=np.nan) for name in ("declined", "p_decline"))
    used = np.isfinite(y) & np.isfinite(p) & (arm >= -1)
    arm = arm[used]
    if not (arm >= 0).any() or not (arm < 0).any():
        return None
    rows, known, residual = outcomes[used], before[used], (y - p)[used]
    variance = np.maximum(p * (1 - p), _LEAST_VARIANCE)[used]
    phi = _dispersion(residual, variance, arm, rows)
    ramps = _Ramps.of(known)
    sums = _Sums.of(ramps.features, _levels(rows), ramps(known), residual, 1 / (phi * variance), arm, len(offers))
    means, sds = (priors[name].to_numpy(dtype=float) for name in ("mean", "sd"))
    scales = _most_evident(sums, means, sds)
    mean, covariance = sums.posterior(means, sds, scales)
    counts = np.bincount(arm[arm >= 0], minlength=len(offers))
    return Response(offers, scales, phi, int(used.sum()), counts, covariance, ramps, mean)


def held_out(outcomes: pd.DataFrame, before: pd.DataFrame, priors: pd.DataFrame, seed: int) -> Floats:
    """Expected effects on the customers of the outcomes, from regressions that have not seen them, shape (n, m).

    Args:
        outcomes: See `learn`.
        before: See `learn`.
        priors: See `learn`.
        seed: Seed of the folds.
    """
    expected = np.tile(priors["mean"].to_numpy(dtype=float), (len(outcomes), 1))
    fold = folds(outcomes["customer_id"].to_numpy(), seed)
    for k in range(FOLDS):
        response = learn(outcomes[fold != k], before[fold != k], priors)
        if response is not None and (fold == k).any():
            expected[fold == k] = response.customer_effects(before[fold == k])
    return expected


def together(sds: Floats) -> Floats:
    """Covariance of what the lines of a catalogue are off by, of their standard deviations."""
    own: Floats = np.diag((1 - ALIKE) * sds**2)
    return own + ALIKE * np.outer(sds, sds)


def _levels(rows: pd.DataFrame) -> Floats:
    """Which month a row is of, and how its customer came to be compared: 0 or 1, a column per level.

    Whom the plan chose for an offer it chose by what they are worth too, which is not a feature.
    """
    explored, chosen = (rows["assignment"] == "exploration").to_numpy(), rows["offer_id"].notna().to_numpy()
    month = rows["campaign_month"].to_numpy(dtype=str)
    kinds = [explored, ~explored & chosen, ~explored & ~chosen]
    return np.column_stack([*(month == m for m in np.unique(month)), *kinds]).astype(float)


def _dispersion(residual: Floats, variance: Floats, arm: Ints, rows: pd.DataFrame) -> float:
    """Variance of customers' sums of standardised residuals over what it would be if all rows were independent; least 1."""
    import pandas as pd

    month, customer = (pd.factorize(rows[name])[0] for name in ("campaign_month", "customer_id"))
    cell = np.unique(month * (arm.max() + 2) + arm + 1, return_inverse=True)[1]
    mean = np.bincount(cell, residual / variance) / np.bincount(cell, 1 / variance)
    standard = (residual - mean[cell]) / np.sqrt(variance)
    sums = np.bincount(customer, standard)
    return max(1.0, float(sums @ sums) / len(standard))


@dataclass(frozen=True)
class _Sums:
    """All that the posterior needs of the customers.

    With z what is known of a row (its levels, 1, its ramps), w its weight and r its residual: the sums of w z z' and w z r
    of those who got each offer and, last, of the controls.
    """

    features: tuple[str, ...]  # of every ramp, k
    levels: int
    square: Floats  # (m + 1, levels + 1 + k, levels + 1 + k)
    product: Floats  # (m + 1, levels + 1 + k)

    @classmethod
    def of(
        cls, features: tuple[str, ...], levels: Floats, inputs: Floats, residual: Floats, weight: Floats, arm: Ints, offers: int
    ) -> _Sums:
        """Sum over the customers: their levels and ramps, arm -1 of a control."""
        rows = np.hstack([levels, inputs])
        square = np.zeros((offers + 1, rows.shape[1], rows.shape[1]))
        product = np.zeros((offers + 1, rows.shape[1]))
        for j in range(-1, offers):
            mine = rows[arm == j]
            weighted = mine * weight[arm == j, None]
            square[j], product[j] = weighted.T @ mine, weighted.T @ residual[arm == j]
        return cls(features, levels.shape[1], square, product)

    @property
    def owners(self) -> npt.NDArray[np.object_]:
        """Whose scale every coefficient has, "" where its sd is given: levels, error, shared, then a_j and c_j by offer."""
        by_ramp, m = list(self.features), len(self.square) - 1
        return np.array([""] * self.levels + [ERROR] * len(by_ramp) + by_ramp + ["", *by_ramp] * m, dtype=object)

    def normal(self) -> tuple[Floats, Floats]:
        """X'WX and X'Wr, the coefficients in the order of `owners`."""
        k, size = len(self.features), len(self.owners)
        level, ramps = np.arange(self.levels), self.levels + 1 + np.arange(k)
        common = np.concatenate([level, ramps])
        effect = np.concatenate([ramps, [self.levels], ramps])  # shared, a_j, c_j
        left, right = np.zeros((size, size)), np.zeros(size)
        for j in range(-1, len(self.square) - 1):
            place, known = np.arange(len(common)), common
            if j >= 0:
                own = len(common) + k + j * (k + 1)
                place = np.concatenate([np.arange(len(common) + k), np.arange(own, own + k + 1)])
                known = np.concatenate([common, effect])
            left[np.ix_(place, place)] += self.square[j][np.ix_(known, known)]
            right[place] += self.product[j][known]
        return left, right

    def prior(self, means: Floats, sds: Floats, scales: Mapping[str, float]) -> tuple[Floats, Floats]:
        """Mean and precision of all coefficients, in the order of `owners`."""
        owners, width = self.owners, len(self.features) + 1
        mean, sd = np.zeros(len(owners)), np.array([scales.get(owner, LEVEL_SD) for owner in owners], dtype=np.float64)
        first = len(owners) - width * len(means)
        mean[first::width] = means
        precision = np.diag(sd**-2.0)
        offers = np.arange(first, len(owners), width)
        precision[np.ix_(offers, offers)] = np.linalg.inv(together(sds))
        return mean, precision

    def posterior(self, means: Floats, sds: Floats, scales: Mapping[str, float]) -> tuple[Floats, Floats]:
        """Mean and covariance of the effects' coefficients: shared, then by offer."""
        left, right = self.normal()
        middle, precision = self.prior(means, sds, scales)
        covariance: Floats = np.asarray(np.linalg.inv(left + precision), dtype=np.float64)
        mean: Floats = covariance @ (right + precision @ middle)
        begin = self.levels + len(self.features)
        return mean[begin:], covariance[begin:, begin:]


def _most_evident(sums: _Sums, means: Floats, sds: Floats) -> dict[str, float]:
    """The likeliest scales, given the outcomes: one after the other on a grid until none moves."""
    left, right = sums.normal()
    owners, scales = sums.owners, dict.fromkeys([ERROR, *sums.features], _START)
    middle, precision = sums.prior(means, sds, scales)
    covariance: Floats = np.asarray(np.linalg.inv(left + precision), dtype=np.float64)
    gap = right - left @ middle
    for _ in range(_ROUNDS):
        before = dict(scales)
        for name, now in before.items():
            mine = np.flatnonzero(owners == name)
            part, mean = covariance[np.ix_(mine, mine)], covariance[mine] @ gap
            gains = [_evidence(part, mean, now, sd) + (_MATTERS if name != ERROR and sd > _GRID[0] else 0) for sd in _GRID]
            scales[name] = best = _GRID[int(np.argmax(gains))]
            if best != now:
                change = best**-2.0 - now**-2.0
                inner = np.eye(len(mine)) + change * part
                covariance -= covariance[:, mine] @ np.linalg.solve(inner, change * covariance[mine])
        if scales == before:
            break
    return scales


def _evidence(covariance: Floats, mean: Floats, now: float, sd: float) -> float:
    """How much likelier the outcomes are, as a logarithm, if some coefficients have another sd than now.

    With A the prior's precision of all coefficients, G = X'WX, h = X'W(r - Xμ), the logarithm of the probability of the
    outcomes is ½ (h'(G + A)⁻¹h + log|A| - log|G + A|) and what does not depend on A. Where only d coefficients change,
    from precision a to a + δ, with M their part of (G + A)⁻¹ and u that of (G + A)⁻¹h, both quadratic form and
    determinant change by d x d matrices: ½ (d log((a + δ) / a) - log|1 + δM| - δu'(1 + δM)⁻¹u).

    Args:
        covariance: M, their covariance given the outcomes, shape (d, d).
        mean: u, their mean given the outcomes, less that of the prior; shape (d,).
        now: Their sd now.
        sd: The other.
    """
    change = sd**-2.0 - now**-2.0
    inner = np.eye(len(mean)) + change * covariance
    fit = change * mean @ np.linalg.solve(inner, mean)
    return float(2 * len(mean) * np.log(now / sd) - np.linalg.slogdet(inner)[1] - fit) / 2


@dataclass(frozen=True)
class _Ramps:
    """Features and score as numbers from 0 to 1, minus their means: the inputs in which effects are linear.

    A number becomes a ramp between each two neighbouring quantiles (0 below, 1 above, straight between); a text one
    column a value. What is unknown, or a text that was not there, counts as the mean.
    """

    knots: Mapping[str, tuple[float, ...]]
    texts: Mapping[str, tuple[str, ...]]
    means: Floats

    @classmethod
    def of(cls, customers: pd.DataFrame) -> _Ramps:
        """Learn quantiles, texts and means."""
        knots = {}
        for name in [n for n in FEATURE_NAMES if n not in TEXTS] + ["p_decline"]:
            values = customers[name].to_numpy(dtype=float, na_value=np.nan)
            values = values[np.isfinite(values)]
            places = _KNOTS_OF_SCORE if name == "p_decline" else _KNOTS
            edges = np.unique(np.quantile(values, places)) if len(values) else np.zeros(0)
            if len(edges) == 1 and values.min() < values.max():  # nearly all the same: a step
                edges = np.unique([values.min(), edges[0], values.max()])
            knots[name] = tuple(edges.tolist())
        texts = {name: tuple(sorted(customers[name].dropna().unique())) for name in TEXTS}
        raw = cls(knots, texts, np.zeros(1)).columns(customers)
        with np.errstate(invalid="ignore"):
            seen = np.isfinite(raw)
            means = np.where(seen, raw, 0).sum(axis=0) / np.maximum(seen.sum(axis=0), 1)
        return cls(knots, texts, means)

    def __call__(self, customers: pd.DataFrame) -> Floats:
        """The numbers, one row per customer, 1 first."""
        centred = self.columns(customers) - self.means
        return np.column_stack([np.ones(len(customers)), np.where(np.isfinite(centred), centred, 0.0)])

    @property
    def features(self) -> tuple[str, ...]:
        """The feature behind every ramp."""
        numbers = [name for name, knots in self.knots.items() for _ in knots[1:]]
        return (*numbers, *(name for name, known in self.texts.items() for _ in known))

    def columns(self, customers: pd.DataFrame) -> Floats:
        """The numbers from 0 to 1, NaN where a value is unknown."""
        columns = []
        for name, knots in self.knots.items():
            values = customers[name].to_numpy(dtype=float, na_value=np.nan)
            columns += [np.clip((values - low) / (high - low), 0, 1) for low, high in pairwise(knots)]
        for name, known in self.texts.items():
            number = customers[name].map({text: j for j, text in enumerate(known)}).to_numpy(dtype=float, na_value=np.nan)
            columns += [np.where(np.isnan(number), np.nan, number == j) for j in range(len(known))]
        return np.column_stack(columns) if columns else np.empty((len(customers), 0))
