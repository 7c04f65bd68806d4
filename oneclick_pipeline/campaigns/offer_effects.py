"""What offers changed: every offer against customers who were held out of it at random, see `comparisons`.

Everything that is reported is a union of parts, estimated within them: outcomes and covariates are taken as differences
from their part's mean, so that months, offers and groups of customers that differ are never compared with one another.

What is final when it is first read has fixed intervals; everything else is read again every month while outcomes come in
(all campaigns together, the revenue of a campaign), and has always-valid ones, see `stats.Mixture`.

All offers together are compared among the targeted only: who explores is the likelier to be offered something the
more offers fit, so that the explored of one draw are no comparison as a whole.
"""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from oneclick_pipeline.campaigns.comparisons import Part, parts
from oneclick_pipeline.campaigns.estimate import Effect, estimate
from oneclick_pipeline.contracts.campaigns import OFFER_EFFECTS
from oneclick_pipeline.stats import false_discovery

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    import pandas as pd

    from oneclick_pipeline.campaigns.estimate import Interval
    from oneclick_pipeline.settings import Campaigns

    Floats = npt.NDArray[np.float64]
    Flags = npt.NDArray[np.bool_]
    Ints = npt.NDArray[np.int64]

ALL = "all"
"""Denotes all campaigns, all offers, all segments."""

_FINAL = ("declined", "profit")
"""Outcomes of a campaign that are known all at once, and stay as they were first read; its revenue comes month by month."""

OUTCOMES: dict[str, tuple[str, tuple[str, ...]]] = {
    "declined": ("declined", ("p_decline",)),
    "revenue": ("revenue_after", ("revenue_before", "p_decline")),
    "profit": ("profit_after", ("profit_before", "p_decline")),
}
"""Outcome -> its column in `CAMPAIGN_OUTCOMES`, and what was known before: its own past, the model's score."""


def offer_effects(outcomes: pd.DataFrame, settings: Campaigns) -> pd.DataFrame:
    """Effects of all offers: by campaign month, over all campaigns, and there by segment.

    A comparison over several parts leaves out parts whose split is broken; what rests only on such parts has no
    figures. `pooled` is both comparisons of an offer together, weighted as in `estimate`. `significant` allows for
    the number of comparisons of an outcome in the same campaigns by Benjamini and Hochberg (1995): comparisons that
    share customers are positively dependent, which the procedure tolerates.

    Args:
        outcomes: `CAMPAIGN_OUTCOMES`; the expected ratios are those of the shares that each month was drawn with.
        settings: How effects are measured.

    Returns:
        `contracts.campaigns.OFFER_EFFECTS`, in order of its key; comparisons without a known outcome have no row.
    """
    import pandas as pd

    licensed = parts(outcomes, settings)
    offered = (outcomes["arm"] == "offer").to_numpy()
    customers = outcomes["customer_id"].to_numpy()
    segment = outcomes["segment"].to_numpy(dtype=object)
    members = {name: segment == name for name in set(segment)}
    rows: list[dict[str, object]] = []
    for outcome, (column, before) in OUTCOMES.items():
        y = outcomes[column].to_numpy(dtype=float, na_value=np.nan)
        x = outcomes[list(before)].to_numpy(dtype=float, na_value=np.nan)
        known = np.isfinite(y)
        for key, chosen in _comparisons(licensed):
            sound = [part for part in chosen if part.sound] or chosen
            pick = np.concatenate([part.rows for part in sound])
            names = [ALL, *sorted(set(segment[pick]))] if key[0] == ALL else [ALL]
            interval: Interval = "fixed" if key[0] != ALL and outcome in _FINAL else "always_valid"
            measure = partial(_measure, y=y, x=x, offered=offered, customers=customers, settings=settings, interval=interval)
            for name in names:
                only = known if name == ALL else known & members[name]
                effect = measure(sound, only)
                if effect.status == "sample_ratio_mismatch":
                    effect = measure([part.own or part for part in sound], only)
                if effect.offered + effect.controls:
                    place = dict(zip(("campaigns", "offer_id", "comparison"), key, strict=True))
                    rows.append(place | {"segment": name, "outcome": outcome} | asdict(effect))
    table = pd.DataFrame(rows, columns=[name for name in OFFER_EFFECTS.names if name != "significant"])
    table["significant"] = significant(table, settings)
    table = table.astype({c.name: c.pandas for c in OFFER_EFFECTS.columns})
    return table[OFFER_EFFECTS.names].sort_values(list(OFFER_EFFECTS.key), ignore_index=True)


def _measure(
    chosen: Sequence[Part],
    only: Flags,
    *,
    y: Floats,
    x: Floats,
    offered: Flags,
    customers: Ints,
    settings: Campaigns,
    interval: Interval,
) -> Effect:
    """The union of some parts, of the rows `only`."""
    kept = [only[part.rows] for part in chosen]
    rows = [part.rows[known] for part, known in zip(chosen, kept, strict=True)]
    lengths = [len(r) for r in rows]
    pick = np.concatenate(rows)
    return estimate(
        y[pick],
        offered[pick],
        x[pick],
        settings=settings,
        expected_share=np.concatenate([part.share[known] for part, known in zip(chosen, kept, strict=True)]),
        strata=np.repeat(np.arange(len(chosen)), lengths),
        customers=customers[pick] if len({part.month for part in chosen}) > 1 else None,
        interval=interval,
    )


def _comparisons(licensed: Sequence[Part]) -> list[tuple[tuple[str, str, str], list[Part]]]:
    """Which parts belong to which (campaigns, offer, comparison)."""
    groups: dict[tuple[str, str, str], list[Part]] = {}
    for part in licensed:
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
    beyond = np.zeros(len(table), dtype=bool)
    for _, group in table.assign(place=np.arange(len(table))).dropna(subset="p_value").groupby(["campaigns", "outcome"]):
        beyond[group["place"]] = np.asarray(false_discovery(group["p_value"].tolist()), dtype=float) <= settings.significance
    return beyond
