"""The effect of an offer on one outcome: the offered against their controls, adjusted, after the sample-ratio check."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Literal, NamedTuple, cast

import numpy as np

from oneclick_pipeline.campaigns.shares import Count, exact_difference
from oneclick_pipeline.experiment.sample_ratio import sample_ratio_p
from oneclick_pipeline.stats import Mixture, detectable_effect

if TYPE_CHECKING:
    import numpy.typing as npt
    from tea_tasting.aggr import Aggregates

    from oneclick_pipeline.settings import Campaigns

    Floats = npt.NDArray[np.float64]
    Flags = npt.NDArray[np.bool_]
    Ints = npt.NDArray[np.int64]

Status = Literal["measured", "not_enough_data", "sample_ratio_mismatch"]
Method = Literal["welch", "exact", "mixture"]
Interval = Literal["fixed", "always_valid"]

_CONFIDENCE = 0.95
_TINY = 1e-12
_RARE = 10  # customers of an arm with the rarer outcome of two, below which the normal distribution says little of a share
_TIGHTEST_AT = 200
"""Customers, counted as n_offered · n_controls / n, where always-valid intervals are tightest: 400 in either arm, or 200
controls of very many. A store of a few thousand customers has so many of one offer within its first year; with ten times or a
tenth as many an interval is 7 % or 26 % wider than it could be."""


@dataclass(frozen=True)
class Effect:
    """One comparison. Figures from which nothing may be concluded are None.

    Attributes:
        offered: Customers in the arm offer whose outcome is known.
        controls: Customers in the arm control whose outcome is known.
        mean_controls: Mean outcome of the controls, as it was.
        effect: Mean outcome of the offered less that of the controls, adjusted for the covariates except where it is exact.
        effect_low: Lower end of its 95 % interval.
        effect_high: Upper end.
        standard_error: Its standard error; None where it is exact.
        p_value: p-value of the hypothesis that the offer changes nothing, two-sided.
        detectable_effect: Smallest effect that this many customers can show, at the power in the settings; None where it is
            exact.
        sample_ratio_p: p-value of the sample-ratio check; None where the expected ratio is not known.
        status: Whether conclusions may be drawn from the figures.
        method: How the interval was made; None where there is none.
        interval: Whether interval, p-value and smallest effect are for one look, or hold however often they are looked at while
            outcomes come in.
    """

    offered: int
    controls: int
    mean_controls: float | None = None
    effect: float | None = None
    effect_low: float | None = None
    effect_high: float | None = None
    standard_error: float | None = None
    p_value: float | None = None
    detectable_effect: float | None = None
    sample_ratio_p: float | None = None
    status: Status = "not_enough_data"
    method: Method | None = None
    interval: Interval = "fixed"


def mixture(variance: float) -> Mixture:
    """The always-valid intervals for an outcome with this variance, which turns customers into information."""
    return Mixture.tightest_at(_TIGHTEST_AT / variance)


def estimate(
    outcome: npt.ArrayLike,
    offered: npt.ArrayLike,
    covariates: npt.ArrayLike | None = None,
    *,
    settings: Campaigns,
    expected_share: npt.ArrayLike | None = None,
    strata: npt.ArrayLike | None = None,
    customers: npt.ArrayLike | None = None,
    binary: bool = False,
    interval: Interval = "fixed",
) -> Effect:
    """Compare the offered with their controls: tea-tasting's Welch interval with CUPED, after the sample-ratio check.

    Where the arms' common variance makes it wider, it is that wide: a few controls who happen to be alike, none of whom has
    declined or brought a large sum, would else be taken for proof (a false verdict in 8 to 30 % of trials, *measured* with 60
    controls).

    tea-tasting adjusts for one covariate; several are made one first, the outcome's best linear prediction from them,
    fitted without looking at the arms. Covariates that are not known count as their stratum's mean.

    Strata make it the regression on arm and strata (the strata's differences weighted by n_offered · n_controls / n).
    Customers who are in several rows (campaigns of several months; the permanent hold-out is in all of them) widen
    or narrow the interval by the ratio of the standard errors clustered by customer and not (Liang and Zeger, 1986).

    Where a binary outcome is rare in an arm, or an arm small, the shares are compared exactly, without covariates: see `shares`.

    Args:
        outcome: The outcome, one number per row; rows without one are left out.
        offered: Whether the row is in the arm offer; else it is in the arm control.
        covariates: What was known before the campaign, one column each.
        settings: Level, power, smallest group.
        expected_share: Share of the offered that the draw intended, one for all or one per row; None: not checked.
        strata: Number of the stratum of every row; None: one stratum.
        customers: Identifier of the customer of every row; None: every customer has one row.
        binary: Whether the outcome can only be 0 or 1, and there are neither strata nor customers with several rows.
        interval: Whether the comparison is read once, or again and again while outcomes come in.

    Source: Deng, Xu, Kohavi, Walker (2013), "Improving the sensitivity of online controlled experiments by utilizing
    pre-experiment data".

    >>> from oneclick_pipeline.settings import Campaigns
    >>> effect = estimate([3, 5, 4, 1, 2, 3], [True] * 3 + [False] * 3, settings=Campaigns(min_group=3))
    >>> effect.status, effect.effect, effect.mean_controls
    ('measured', 2.0, 2.0)
    """
    y = np.asarray(outcome, dtype=float)
    known = np.isfinite(y)
    y, arm = y[known], np.asarray(offered, dtype=bool)[known]
    counts = int(arm.sum()), int((~arm).sum())
    ratio_p = None
    if expected_share is not None and len(y):
        share = np.broadcast_to(np.asarray(expected_share, dtype=float), known.shape)[known]
        ratio_p = sample_ratio_p(*counts, round(float(share.mean()), 12))
        if ratio_p < settings.sample_ratio_level:
            return Effect(*counts, sample_ratio_p=ratio_p, status="sample_ratio_mismatch")
    if min(counts) == 0:
        return Effect(*counts, sample_ratio_p=ratio_p)
    if binary and (exact := _exact(y, arm, settings)):
        return replace(exact, sample_ratio_p=ratio_p)
    x = np.empty((len(known), 0)) if covariates is None else np.asarray(covariates, dtype=float).reshape(len(known), -1)
    groups = np.zeros(len(known), np.int64) if strata is None else np.unique(np.asarray(strata), return_inverse=True)[1]
    people = None if customers is None else np.asarray(customers)[known]
    unread = Effect(*counts, mean_controls=float(y[~arm].mean()), sample_ratio_p=ratio_p, interval=interval)
    return _estimate(y, arm, x[known], groups[known], people, unread, settings)


def _exact(y: Floats, arm: Flags, settings: Campaigns) -> Effect | None:
    """The comparison of shares where few customers have either outcome; None where many have."""
    offered, controls = (Count(int(y[a].sum()), int(a.sum())) for a in (arm, ~arm))
    if min(offered.rarer, controls.rarer) >= _RARE and min(offered.customers, controls.customers) >= settings.min_group:
        return None
    difference = exact_difference(offered, controls)
    return Effect(
        offered.customers,
        controls.customers,
        mean_controls=controls.share,
        effect=difference.estimate,
        effect_low=difference.low,
        effect_high=difference.high,
        p_value=difference.p_value,
        status="measured",
        method="exact",
    )


class _Within(NamedTuple):
    """Rows seen as differences from their stratum's mean."""

    outcome: Floats
    predicted: Floats  # from the covariates
    weight: Floats  # of the row in the effect: sum of weight · outcome is the effect
    residual: Floats  # of the regression on arm, covariates and strata
    stretch: float  # by which a plain difference of the arms' means falls short of the effect: the arms' ratio varies
    free: int  # degrees of freedom left


def _within(y: Floats, arm: Flags, x: Floats, strata: Ints) -> _Within | None:
    """Take the strata's means from everything and predict the outcome; None where no stratum has both arms."""
    size = np.maximum(np.bincount(strata), 1)  # a stratum may have no row left
    share = np.bincount(strata, arm) / size
    strength = float((size * share * (1 - share)).sum())
    if strength == 0:
        return None
    centred = y - (np.bincount(strata, y) / size)[strata]
    past = np.empty_like(x)
    for j, column in enumerate(x.T):
        seen = np.isfinite(column)
        value = np.where(seen, column, 0)
        mean = np.bincount(strata, value) / np.maximum(np.bincount(strata, seen), 1)
        past[:, j] = np.where(seen, column - mean[strata], 0)
    past = past[:, past.std(axis=0) > 1e-12 * np.abs(np.where(np.isfinite(x), x, 0)).max(axis=0, initial=0)]
    past = past / past.std(axis=0)
    predicted = past @ np.linalg.lstsq(past.T @ past, past.T @ centred, rcond=1e-10)[0]
    weight = (arm - share[strata]) / strength
    left = centred - predicted
    n_offered = int(arm.sum())
    return _Within(
        outcome=centred,
        predicted=predicted,
        weight=weight,
        residual=left - (weight @ left) * weight * strength,
        stretch=n_offered * (len(y) - n_offered) / len(y) / strength,
        free=len(y) - 1 - len(np.unique(strata)) - past.shape[1],
    )


def _estimate(
    y: Floats, arm: Flags, x: Floats, strata: Ints, customers: npt.NDArray | None, unread: Effect, settings: Campaigns
) -> Effect:
    """The comparison itself, of rows with an outcome and both arms; `unread` is what is said where nothing may be concluded."""
    import tea_tasting

    counts = unread.offered, unread.controls
    within = _within(y, arm, x, strata)
    if within is None or within.free < 1 or np.abs(within.residual).max() <= 1e-12 * np.abs(y).max():
        return unread  # where nothing varies, chance cannot be distinguished from an effect
    widen = (len(y) - 2) / within.free * _clustering(within.weight * within.residual, customers)
    if widen <= _TINY:
        return unread  # so few customers that what each of them did in all campaigns together adds up to nothing
    looks = mixture(float(y.var())) if unread.interval == "always_valid" else None
    shown = partial(
        looks.detectable_effect if looks else detectable_effect, power=settings.power, significance=settings.significance
    )
    if min(counts) < settings.min_group:
        variance = widen * float(within.residual @ within.residual) / (len(y) - 2)
        return replace(unread, detectable_effect=shown(within.stretch * float(np.sqrt(variance * sum(1 / n for n in counts)))))
    left = (within.outcome - within.predicted) * within.stretch
    variances = [float(left[a].var(ddof=1)) for a in (arm, ~arm)]
    apart = sum(variance / n for variance, n in zip(variances, counts, strict=True))
    together = sum(variance * (n - 1) for variance, n in zip(variances, counts, strict=True)) / (len(y) - 2)
    together *= sum(1 / n for n in counts)
    widen *= max(together / apart, 1.0)  # see `estimate`
    metric = tea_tasting.Mean(
        "outcome", "predicted", alternative="two-sided", confidence_level=_CONFIDENCE, equal_var=False, use_t=True
    )
    far = 10 * float(within.outcome.std())  # relative effects, which are not used, would divide by a mean near 0
    control, offer = (
        _aggregates(within.outcome[a] * within.stretch, within.predicted[a] * within.stretch, far, widen) for a in (~arm, arm)
    )
    result = metric.analyze_aggregates(control, offer)
    error = float(np.sqrt(widen * apart))
    effect = replace(
        unread,
        effect=float(result.effect_size),
        effect_low=float(result.effect_size_ci_lower),
        effect_high=float(result.effect_size_ci_upper),
        standard_error=error,
        p_value=float(result.pvalue),
        detectable_effect=shown(error),
        status="measured",
        method="welch",
    )
    return effect if looks is None else _always_valid(effect, looks)


def _always_valid(effect: Effect, looks: Mixture) -> Effect:
    """The same effect with an interval and a p-value that hold at every look."""
    middle, error = cast("float", effect.effect), cast("float", effect.standard_error)
    half = looks.half(error)
    p_value = looks.p_value(middle, error)
    return replace(effect, effect_low=middle - half, effect_high=middle + half, p_value=p_value, method="mixture")


def _clustering(influence: Floats, customers: npt.NDArray | None) -> float:
    """Variance of a sum of the rows' influences when a customer's rows belong together, relative to when they do not."""
    if customers is None:
        return 1.0
    people = np.unique(customers, return_inverse=True)[1]
    together = np.bincount(people, influence)
    alone = float(influence @ influence)
    return float(together @ together) / alone if alone else 1.0  # nothing varies where all outcomes are the same


def _aggregates(y: Floats, x: Floats, far: float, widen: float) -> Aggregates:
    """Moments of an arm as tea-tasting takes them, the variances widened."""
    from tea_tasting.aggr import Aggregates

    (vy, cov), (_, vx) = np.cov(y, x) * widen
    return Aggregates(
        len(y),
        mean_={"outcome": float(y.mean()) + far, "predicted": float(x.mean())},
        var_={"outcome": float(vy), "predicted": float(vx)},
        cov_={("outcome", "predicted"): float(cov)},
    )
