"""What offers changed: every offer against customers who were held out of it at random.

Two comparisons are licensed by chance alone, and nothing else is compared:

- *targeted*: customers for whom the plan chose the offer, who got it or were held out of it (for the month, or for
  good), expected offer : control = (1-h)(1-e)(1-c) : h + (1-h)(1-e)c with the shares h and c of hold-out and control
  per offer that the month was drawn with, and the part e of the others that explored, as the stored probabilities of the
  controls tell it (an offer has room for part of the exploration only, and not everybody has an offer that is still open);
- *fitting*: explored customers who could draw the offer, and drew it or control, expected 1 : 1.

A *part* is such a comparison of one offer in one month. Everything that is reported is a union of parts, estimated
within them: outcomes and covariates are taken as differences from their part's mean, so that months, offers and
groups of customers that differ are never compared with one another.

All offers together are compared among the targeted only: who explores is the likelier to be offered something the
more offers fit, so that the explored of one draw are no comparison as a whole.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from oneclick_pipeline.contracts.campaigns import OFFER_EFFECTS
from oneclick_pipeline.contracts.offers import SHARES

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    import pandas as pd
    from tea_tasting.aggr import Aggregates

    from oneclick_pipeline.settings import Campaigns

    Floats = npt.NDArray[np.float64]
    Flags = npt.NDArray[np.bool_]
    Ints = npt.NDArray[np.int64]

ALL = "all"
"""Stands for all campaigns, all offers, all segments."""

OUTCOMES: dict[str, tuple[str, tuple[str, ...]]] = {
    "declined": ("declined", ("p_decline",)),
    "revenue": ("revenue_after", ("revenue_before", "p_decline")),
    "profit": ("profit_after", ("profit_before", "p_decline")),
}
"""Outcome -> its column in `CAMPAIGN_OUTCOMES`, and what was known before: its own past, the model's score."""

Status = Literal["measured", "not_enough_data", "sample_ratio_mismatch"]

_CONFIDENCE = 0.95
_TINY = 1e-12


@dataclass(frozen=True)
class Effect:
    """One comparison. Figures that may not be read are None.

    Attributes:
        offered: Customers in the arm offer whose outcome is known.
        controls: Customers in the arm control whose outcome is known.
        mean_controls: Mean outcome of the controls, as it was.
        effect: Mean outcome of the offered less that of the controls, adjusted for the covariates.
        effect_low: Lower end of its 95 % interval.
        effect_high: Upper end.
        standard_error: Its standard error.
        p_value: Of the hypothesis that the offer changes nothing, two-sided.
        detectable_effect: Smallest effect that so many customers show with the settings' power.
        sample_ratio_p: p-value of the sample-ratio check; None where the expected ratio is not known.
        status: Whether the figures may be read.
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


def estimate(
    outcome: npt.ArrayLike,
    offered: npt.ArrayLike,
    covariates: npt.ArrayLike | None = None,
    *,
    settings: Campaigns,
    expected_share: npt.ArrayLike | None = None,
    strata: npt.ArrayLike | None = None,
    customers: npt.ArrayLike | None = None,
) -> Effect:
    """Compare the offered with their controls: tea-tasting's Welch interval with CUPED, after the sample-ratio check.

    tea-tasting adjusts for one covariate; several are made one first, the outcome's best linear prediction from them,
    fitted without a look at the arms. Covariates that are not known count as their stratum's mean.

    Strata make it the regression on arm and strata (the strata's differences weighted by n_offered · n_controls / n).
    Customers who stand in several rows (campaigns of several months; the permanent hold-out is in all of them) widen
    or narrow the interval by the ratio of the standard errors clustered by customer and not (Liang and Zeger, 1986).

    Args:
        outcome: The outcome, one number a row; rows without one are left out.
        offered: Whether the row is in the arm offer; else it is in the arm control.
        covariates: What was known before the campaign, a column each.
        settings: Level, power, smallest group.
        expected_share: Share of the offered that the draw aimed at, one for all or one a row; None: not checked.
        strata: Number of the stratum of every row; None: one stratum.
        customers: Identifier of the customer of every row; None: everybody stands in one row.

    Source: Deng, Xu, Kohavi, Walker (2013), "Improving the sensitivity of online controlled experiments by utilizing
    pre-experiment data".

    >>> from oneclick_pipeline.settings import Campaigns
    >>> found = estimate([3, 5, 4, 1, 2, 3], [True] * 3 + [False] * 3, settings=Campaigns(min_group=3))
    >>> found.status, found.effect, found.mean_controls
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
    x = np.empty((len(known), 0)) if covariates is None else np.asarray(covariates, dtype=float).reshape(len(known), -1)
    groups = np.zeros(len(known), np.int64) if strata is None else np.unique(np.asarray(strata), return_inverse=True)[1]
    people = None if customers is None else np.asarray(customers)[known]
    return _estimate(y, arm, x[known], groups[known], people, ratio_p, settings)


@lru_cache(maxsize=10_000)  # the outcomes of a campaign have the same counts
def sample_ratio_p(offered: int, controls: int, expected_share: float) -> float:
    """p-value of so many offered and controls where `expected_share` of them should be offered.

    >>> round(sample_ratio_p(500, 500, 0.5), 2), sample_ratio_p(600, 400, 0.5) < 1e-6
    (1.0, True)
    """
    import tea_tasting
    from tea_tasting.aggr import Aggregates

    check = tea_tasting.SampleRatio(expected_share / (1 - expected_share))
    return float(check.analyze({0: Aggregates(controls), 1: Aggregates(offered)}, control=0, treatment=1).pvalue)


def detectable_effect(standard_error: float, settings: Campaigns) -> float:
    """Smallest effect, either way, that a two-sided test with this standard error shows with the settings' power."""
    from scipy.special import ndtri

    return float((ndtri(1 - settings.significance / 2) + ndtri(settings.power)) * standard_error)


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
    y: Floats, arm: Flags, x: Floats, strata: Ints, customers: npt.NDArray | None, ratio_p: float | None, settings: Campaigns
) -> Effect:
    """The comparison itself, of rows with an outcome and both arms."""
    import tea_tasting

    counts = int(arm.sum()), int((~arm).sum())
    unread = Effect(*counts, mean_controls=float(y[~arm].mean()), sample_ratio_p=ratio_p)
    within = _within(y, arm, x, strata)
    if within is None or within.free < 1 or np.abs(within.residual).max() <= 1e-12 * np.abs(y).max():
        return unread  # where nothing varies, chance cannot be told from an effect
    widen = (len(y) - 2) / within.free * _clustering(within.weight * within.residual, customers)
    if widen <= _TINY:
        return unread  # so few customers that what each of them did in all campaigns together adds up to nothing
    if min(counts) < settings.min_group:
        variance = widen * float(within.residual @ within.residual) / (len(y) - 2)
        error = within.stretch * float(np.sqrt(variance * (1 / counts[0] + 1 / counts[1])))
        return replace(unread, detectable_effect=detectable_effect(error, settings))
    metric = tea_tasting.Mean(
        "outcome", "predicted", alternative="two-sided", confidence_level=_CONFIDENCE, equal_var=False, use_t=True
    )
    far = 10 * float(within.outcome.std())  # relative effects, which nobody reads, would divide by a mean near 0
    control, offer = (
        _aggregates(within.outcome[a] * within.stretch, within.predicted[a] * within.stretch, far, widen) for a in (~arm, arm)
    )
    found = metric.analyze_aggregates(control, offer)
    left = (within.outcome - within.predicted) * within.stretch
    error = float(np.sqrt(widen * (left[arm].var(ddof=1) / counts[0] + left[~arm].var(ddof=1) / counts[1])))
    return replace(
        unread,
        effect=float(found.effect_size),
        effect_low=float(found.effect_size_ci_lower),
        effect_high=float(found.effect_size_ci_upper),
        standard_error=error,
        p_value=float(found.pvalue),
        detectable_effect=detectable_effect(error, settings),
        status="measured",
    )


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


class _Shares(NamedTuple):
    """What a month was drawn with: `contracts.offers.SHARES`."""

    control: float
    exploration: float
    offer_control: float


class _Part(NamedTuple):
    """One offer's comparison in one month."""

    month: str
    offer: str
    comparison: Literal["targeted", "fitting"]
    rows: Ints
    share: float  # of the offered, that the draw aimed at
    sound: bool  # whether the sample-ratio check holds
    own: _Part | None = None  # the same with the controls of the month's own draw only


def _parts(outcomes: pd.DataFrame, settings: Campaigns) -> list[_Part]:
    """All parts, whatever their outcomes are known of.

    Customers who are held out for good were drawn once, and the plan chooses later offers by what became of them
    without any: over the months they may drift apart from those who got some. Where the sample-ratio check sees it, in
    a month or over all, the controls of the month's own draw remain, for whom chance decided after the plan had chosen.
    """
    offered = (outcomes["arm"] == "offer").to_numpy()
    assignment, offer = outcomes["assignment"].to_numpy(), outcomes["offer_id"].to_numpy(dtype=object, na_value="")
    months = outcomes["campaign_month"].to_numpy()
    propensity = outcomes["propensity"].to_numpy(dtype=float)
    drawn_with = outcomes[[c.name for c in SHARES]].to_numpy(dtype=float)
    fits = outcomes["fits"].to_numpy(dtype=object, na_value="")
    sets = {text: frozenset(text.split(",")) for text in set(fits)}
    parts = []
    for month in sorted(set(months)):
        here = np.flatnonzero(months == month)
        shares = _Shares(*drawn_with[here[0]])
        planned = here[assignment[here] == "plan"]
        held = here[assignment[here] == "hold_out"]
        explored = here[assignment[here] == "exploration"]
        for name in sorted(set(offer[here]) - {""}):
            drawn = planned[offer[planned] == name]
            both = np.concatenate([drawn, held[offer[held] == name]])
            share = _targeted_share(shares, propensity[both[~offered[both]]])
            candidates = [(drawn, 1 - shares.offer_control), (both, share)]
            part: _Part | None = None
            for chosen, share in candidates:
                if 0 < share < 1 and len(chosen):  # else nobody is held out that way
                    wider = _Part(month, name, "targeted", chosen, share, _sound(offered[chosen], share, settings), part)
                    part = wider if wider.sound or part is None or not part.sound else part
            parts += [part] if part else []
            took = explored[offered[explored] & (offer[explored] == name)]
            if len(took):  # else the offer was not in the draw: those whom it fits are controls of other offers
                could = np.array([name in sets[text] for text in fits[explored]], dtype=bool)
                rows = np.concatenate([took, explored[could & ~offered[explored]]])
                parts.append(_Part(month, name, "fitting", rows, 0.5, _sound(offered[rows], 0.5, settings)))
    return parts


def _targeted_share(shares: _Shares, withheld: Floats) -> float:
    """Share of the offered among those whom the plan chose an offer for, or would have.

    Args:
        shares: The shares h and c of hold-out and control per offer (and that of exploration, where c is 0).
        withheld: Stored probabilities of the controls among them, h + rc with r = (1 - h)(1 - e): for each of them
            r(1 - c) / (h + rc) offered are to be expected.
    """
    h, e, c = shares
    if c > 0 and len(withheld):
        given = np.clip((withheld - h) / c, 0, 1 - h) * (1 - c)
        odds = float((given / withheld).mean())
        return odds / (1 + odds)
    planned = (1 - h) * (1 - e)
    return planned * (1 - c) / (planned + h)


def _sound(offered: Flags, share: float, settings: Campaigns) -> bool:
    """Whether the sample-ratio check holds."""
    return sample_ratio_p(int(offered.sum()), int((~offered).sum()), share) >= settings.sample_ratio_level


def offer_effects(outcomes: pd.DataFrame, settings: Campaigns) -> pd.DataFrame:
    """Effects of all offers: by campaign month, over all campaigns, and there by segment.

    A comparison over several parts leaves out parts whose split is broken; what rests on such parts alone has no
    figures. `pooled` is both comparisons of an offer together, weighted as in `estimate`. `significant` allows for
    the number of comparisons of an outcome in the same campaigns by Benjamini and Hochberg (1995): comparisons that
    share customers are positively dependent, which the procedure stands.

    Args:
        outcomes: `CAMPAIGN_OUTCOMES`; the expected ratios are those of the shares that each month was drawn with.
        settings: How effects are measured.

    Returns:
        `contracts.campaigns.OFFER_EFFECTS`, in order of its key; comparisons nobody's outcome is known of have no row.
    """
    import pandas as pd

    parts = _parts(outcomes, settings)
    offered = (outcomes["arm"] == "offer").to_numpy()
    customers = outcomes["customer_id"].to_numpy()
    segment = outcomes["segment"].to_numpy(dtype=object)
    members = {name: segment == name for name in set(segment)}
    rows: list[dict[str, object]] = []
    for outcome, (column, before) in OUTCOMES.items():
        y = outcomes[column].to_numpy(dtype=float, na_value=np.nan)
        x = outcomes[list(before)].to_numpy(dtype=float, na_value=np.nan)
        known = np.isfinite(y)
        for key, chosen in _comparisons(parts):
            sound = [part for part in chosen if part.sound] or chosen
            pick = np.concatenate([part.rows for part in sound])
            names = [ALL, *sorted(set(segment[pick]))] if key[0] == ALL else [ALL]
            for name in names:
                only = known if name == ALL else known & members[name]
                found = _measure(sound, only, y, x, offered, customers, settings)
                if found.status == "sample_ratio_mismatch":
                    found = _measure([part.own or part for part in sound], only, y, x, offered, customers, settings)
                if found.offered + found.controls:
                    place = dict(zip(("campaigns", "offer_id", "comparison"), key, strict=True))
                    rows.append(place | {"segment": name, "outcome": outcome} | asdict(found))
    table = pd.DataFrame(rows, columns=[name for name in OFFER_EFFECTS.names if name != "significant"])
    table["significant"] = significant(table, settings)
    table = table.astype({c.name: c.pandas for c in OFFER_EFFECTS.columns})
    return table[OFFER_EFFECTS.names].sort_values(list(OFFER_EFFECTS.key), ignore_index=True)


def _measure(
    parts: Sequence[_Part], only: Flags, y: Floats, x: Floats, offered: Flags, customers: Ints, settings: Campaigns
) -> Effect:
    """The union of some parts, of the rows `only`."""
    rows = [part.rows[only[part.rows]] for part in parts]
    lengths = [len(r) for r in rows]
    pick = np.concatenate(rows)
    return estimate(
        y[pick],
        offered[pick],
        x[pick],
        settings=settings,
        expected_share=np.repeat([part.share for part in parts], lengths),
        strata=np.repeat(np.arange(len(parts)), lengths),
        customers=customers[pick] if len({part.month for part in parts}) > 1 else None,
    )


def _comparisons(parts: Sequence[_Part]) -> list[tuple[tuple[str, str, str], list[_Part]]]:
    """Which parts belong to which (campaigns, offer, comparison)."""
    groups: dict[tuple[str, str, str], list[_Part]] = {}
    for part in parts:
        for campaigns in (part.month, ALL):
            for comparison in (part.comparison, "pooled"):
                groups.setdefault((campaigns, part.offer, comparison), []).append(part)
            if part.comparison == "targeted":
                groups.setdefault((campaigns, ALL, "targeted"), []).append(part)
    return list(groups.items())


def significant(table: pd.DataFrame, settings: Campaigns) -> npt.NDArray[np.bool_]:
    """Which comparisons are beyond chance: Benjamini and Hochberg among those of an outcome in the same campaigns.

    Args:
        table: campaigns, outcome, p_value (missing where nothing was measured).
        settings: The level, of the expected share of false discoveries.
    """
    import tea_tasting
    from tea_tasting.experiment import ExperimentResult

    beyond = np.zeros(len(table), dtype=bool)
    places = np.arange(len(table))
    for _, group in table.assign(place=places).dropna(subset="p_value").groupby(["campaigns", "outcome"]):
        results = {row.place: ExperimentResult({"effect": {"pvalue": row.p_value}}) for row in group.itertuples()}
        for place, adjusted in tea_tasting.adjust_fdr(results, alpha=settings.significance).items():
            beyond[place] = bool(adjusted["effect"]["null_rejected"])
    return beyond
