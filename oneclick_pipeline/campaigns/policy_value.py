"""What a policy would have earned on the customers of earlier campaigns: doubly robust, with an interval.

The value of a policy is relative to treating no one, per eligible customer and month: Σ (-effect × value - cost) over the
customers whom it gives an offer, over all. So "treat no one" is 0 by definition, and the rest comes from the offers that chance
gave in the past. Three kinds of rows enter, each with the probability q of its draw that was stored with the plan:

- everyone explored or held out: with q = P(held out) + P(explores) they are a random sample of all eligible customers,
  whatever the plan of the month was. On them an outcome model speaks: Σ (-(μ_j - μ_0) × value - cost), weighted by 1 / q as
  well, so that months count by their customers, not by how many of them were left to chance.
- customers who got the offer that the policy gives them, with q the propensity that was stored: what the model of μ_j missed.
- explored and held-out controls whom the policy gives an offer, with q = `p_control`: what the model of μ_0 missed.

The corrections are weighted by 1 / q, clipped, and divided by the sum of their weights (self-normalised; within every offer,
so that an offer whose exploration was cut short stays right). The model is linear in the score within every offer, fitted
on other customers (cross-fitting); where it is wrong the corrections are right. Sources: Dudík, Langford, Li (2011),
Doubly robust policy evaluation and learning; Swaminathan, Joachims (2015), The self-normalized estimator. The interval is
normal, from the sum of the linearised contributions of every customer over all months (clustered by customer).

A policy that was learned from these rows looks too good on them: choose by `Learner.held_out`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.experiment.chances import chances
from oneclick_pipeline.stats import normal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from numpy.typing import NDArray

NOBODY = "nobody"
_FOLDS = 2
_RIDGE = 1.0


@dataclass(frozen=True)
class PolicyValue:
    """What a policy earns compared with treating no one.

    Attributes:
        policy: Its name.
        value: Expected profit of the declines avoided less cost, per eligible customer and month, finance units.
        low: Lower end of the 95 % interval.
        high: Upper end.
        treated: Share of the customers whom it gives an offer.
        rows: Customers of campaigns on which it was judged.
        matched: Of them those who really got the offer that the policy gives them.
        clip: Largest weight that was allowed.
        clipped: Share of the weights that were cut to it.
        unsupported: Share of the treated whom chance could not give the offer, or for whom it gave the offer to no one: there
            the model speaks, corrected by what it missed of others.
    """

    policy: str
    value: float
    low: float
    high: float
    treated: float
    rows: int
    matched: int
    clip: float
    clipped: float
    unsupported: float


def policy_value(
    outcomes: pd.DataFrame,
    chosen: Mapping[str, Sequence[str | None]],
    costs: Mapping[str, float],
    *,
    clip: float = 200.0,
    seed: int = 0,
) -> list[PolicyValue]:
    """Evaluate policies on earlier campaigns.

    Args:
        outcomes: Rows of `contracts.campaigns.CAMPAIGN_OUTCOMES` with the probabilities of their draw, see
            `outcomes.with_probabilities`; those without a known `declined` are left out.
        chosen: By name of the policy the offer it gives to each row of `outcomes`, None for nothing.
        costs: Cost by offer, finance units; an offer that is in it may be chosen.
        clip: Largest weight; the default is just below that of one of eighteen offers in an exploration of a tenth.
        seed: Seed of the folds.

    Returns:
        `NOBODY`, which is 0 by definition, then the policies in their order.

    Raises:
        BadInputError: If a policy chooses an unknown offer, does not cover every row, or no explored or held-out
            row has a known class.
    """
    offers = list(costs)
    known = outcomes["declined"].notna().to_numpy()
    rows = outcomes[known]
    log = _Log.of(rows, offers, clip)
    if not log.sample.any():
        raise BadInputError(
            "no explored or held-out customer of an earlier campaign has a known class",
            remedy="wait until the horizon of a campaign has passed",
        )
    mu = _outcome_model(rows, log, len(offers), seed)
    prices = np.array([costs[offer] for offer in offers], dtype=float)
    nobody = [PolicyValue(NOBODY, 0.0, 0.0, 0.0, 0.0, len(rows), 0, clip, 0.0, 0.0)]
    return nobody + [_judged(name, _numbers(name, given, offers, known), log, mu, prices) for name, given in chosen.items()]


@dataclass(frozen=True)
class _Log:
    """The rows as arrays: who is in the sample, who got what, with which weights."""

    y: NDArray[np.float64]
    value: NDArray[np.float64]
    customer: NDArray[np.intp]
    given: NDArray[np.intp]
    """Number of the offer that a customer got, -1 for nothing."""
    possible: NDArray[np.bool_]
    """Offers that exploration or the plan could give, (n, m)."""
    sample: NDArray[np.bool_]
    """Whether the row is explored or held out."""
    part: NDArray[np.float64]
    """The share of all eligible customers that the row represents, by 1 / q of being in the sample: sums to 1, 0 outside it."""
    weight: NDArray[np.float64]
    """1 / q of what the customer got, as it came; 1 for controls who are not in the sample and weigh nothing."""
    clip: float

    @classmethod
    def of(cls, rows: pd.DataFrame, offers: Sequence[str], clip: float) -> _Log:
        h, explore, control = (rows[name].to_numpy(dtype=float) for name in ("control_share", "p_explore", "p_control"))
        offered = (rows["arm"] == "offer").to_numpy()
        number = rows["offer_id"].map({offer: j for j, offer in enumerate(offers)}).fillna(-1).to_numpy(dtype=np.intp)
        sample = rows["assignment"].isin(["exploration", "hold_out"]).to_numpy()
        part = _inverse(np.where(sample, h + explore, 0.0))
        return cls(
            y=rows["declined"].to_numpy(dtype=float),
            value=rows["value"].to_numpy(dtype=float),
            customer=np.unique(rows["customer_id"], return_inverse=True)[1],
            given=np.where(offered, number, -1),
            possible=(chances(rows, offers) > 0) | (number[:, None] == np.arange(len(offers))),
            sample=sample,
            part=part / max(part.sum(), 1e-300),
            weight=_inverse(np.select([offered, sample], [rows["propensity"].to_numpy(dtype=float), control], 1.0)),
            clip=clip,
        )


def _inverse(probability: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 / probability; 0 where there is none: such a row represents no one."""
    return np.divide(1.0, probability, out=np.zeros_like(probability), where=probability > 0)


def _numbers(name: str, given: Sequence[str | None], offers: Sequence[str], known: NDArray[np.bool_]) -> NDArray[np.intp]:
    """The offers of a policy as numbers, -1 for nothing, on the rows whose class is known."""
    import pandas as pd

    if len(given) != len(known):
        raise BadInputError(f"the policy {name} covers {len(given)} customers, the outcomes cover {len(known)}")
    ids = pd.Series(list(given), dtype=object)
    nothing = ids.isna() | (ids == "")
    numbers = ids.map({offer: j for j, offer in enumerate(offers)})
    unknown = ids[numbers.isna() & ~nothing]
    if len(unknown):
        raise BadInputError(
            f"the policy {name} gives an offer without a cost", value=str(unknown.iloc[0]), remedy="add its cost, or leave it out"
        )
    return np.asarray(numbers.fillna(-1).to_numpy(dtype=np.intp)[known], dtype=np.intp)


def _outcome_model(rows: pd.DataFrame, log: _Log, offers: int, seed: int) -> NDArray[np.float64]:
    """Expected outcome of every row with nothing (column 0) and every offer (1…m), from other customers.

    Controls: linear in score and value. An offer: what it adds to that, linear in the score, with a small ridge.
    """
    score = rows["p_decline"].to_numpy(dtype=float)
    base = np.column_stack([np.ones(len(score)), score, score**2, log.value / max(log.value.mean(), 1e-12)])
    added = np.column_stack([np.ones(len(score)), score])
    fold = np.random.default_rng([seed, 2]).permutation(log.customer.max() + 1)[log.customer] % _FOLDS
    mu = np.empty((len(score), offers + 1))

    def fitted(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(np.linalg.solve(x.T @ x + _RIDGE * np.eye(x.shape[1]), x.T @ y), dtype=np.float64)

    for k in range(_FOLDS):
        asked, others = fold == k, fold != k
        nothing = others & (log.given < 0)
        beta = fitted(base[nothing], log.y[nothing])
        mu[asked] = (base[asked] @ beta)[:, None]
        for j in range(offers):
            own = others & (log.given == j)
            mu[asked, j + 1] += added[asked] @ fitted(added[own], log.y[own] - base[own] @ beta)
    return mu


def _judged(name: str, policy: NDArray[np.intp], log: _Log, mu: NDArray[np.float64], prices: NDArray[np.float64]) -> PolicyValue:
    """One policy, see above; `influence` is what every row adds to value - estimate, linearised."""
    row = np.arange(len(policy))
    treats = policy >= 0
    gain = np.where(treats, -(mu[row, policy + 1] - mu[:, 0]) * log.value - np.where(treats, prices[policy], 0.0), 0.0)
    value = float(log.part @ gain)
    influence = log.part * (gain - value)
    weight = np.minimum(log.weight, log.clip)
    clipped, used, supported = 0, 0, np.zeros(len(prices), dtype=bool)
    for j in range(len(prices)):
        own = treats & (policy == j)
        mass = float(log.part @ own)
        # who got the offer: the model expected too few declines if they had more; who got nothing: the other way round
        for arm, sign in ((j, -1.0), (-1, 1.0)):
            matched = own & (log.given == arm) & ((arm >= 0) | log.sample)
            total = weight[matched].sum()
            if total == 0:
                continue
            missed = sign * (log.y - mu[:, arm + 1]) * log.value
            mean = float((weight * missed)[matched].sum() / total)
            value += mass * mean
            spread = _spread_of_few(weight[matched])
            influence += np.where(matched, spread * mass * weight * (missed - mean) / total, 0.0)
            influence += log.part * (own - mass) * mean
            clipped, used = clipped + int((log.weight > log.clip)[matched].sum()), used + int(matched.sum())
            supported[j] |= arm >= 0
    interval = normal(value, float(np.sqrt((np.bincount(log.customer, weights=influence) ** 2).sum())))
    treated = float(log.part @ treats)
    alone = float(log.part @ (treats & ~(supported[policy] & log.possible[row, policy])))
    return PolicyValue(
        policy=name,
        value=value,
        low=interval.low,
        high=interval.high,
        treated=treated,
        rows=len(policy),
        matched=int((treats & (log.given == policy)).sum()),
        clip=log.clip,
        clipped=clipped / used if used else 0.0,
        unsupported=alone / treated if treated else 0.0,
    )


def _spread_of_few(weight: NDArray[np.float64]) -> float:
    """What the deviations from the mean of a few weighted rows are multiplied by, since the mean is theirs.

    √(n / (n − 1)) with the rows of equal weight that carry as much information (Kish 1965), at least two: one row alone says
    nothing of its spread.

    >>> import numpy as np
    >>> round(_spread_of_few(np.full(5, 30.0)), 3)
    1.118
    """
    rows = max(float(weight.sum() ** 2 / (weight**2).sum()), 2.0)
    return float(np.sqrt(rows / (rows - 1)))
