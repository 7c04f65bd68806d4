"""What the next plan believes: the catalogue's expectation of an offer, moved by what its campaigns measured.

By offer the effect on P(decline) is normal by the catalogue and normal by measurement, so its posterior is their
mean weighted by precision. By segment it is the segment's own measurement, drawn towards the offer's posterior the
more, the noisier it is and the less the segments differ (DerSimonian and Laird, 1986; Morris, 1983).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from oneclick_pipeline.campaigns.effects import ALL, DTYPES
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.tables import OFFER_BELIEFS

if TYPE_CHECKING:
    import numpy.typing as npt
    import pandas as pd

    Floats = npt.NDArray[np.float64]


def posterior(prior_mean: float, prior_sd: float, measured_mean: float, measured_sd: float) -> tuple[float, float]:
    """Mean and standard deviation of a normal quantity after a normal measurement.

    >>> posterior(0.0, 1.0, 1.0, 1.0)
    (0.5, 0.7071067811865476)
    """
    weight = prior_sd**2 / (prior_sd**2 + measured_sd**2)
    return prior_mean + weight * (measured_mean - prior_mean), prior_sd * (1 - weight) ** 0.5


def between_variance(means: npt.ArrayLike, sds: npt.ArrayLike) -> float:
    """Variance of the true effects of groups, by the method of moments; 0 where they differ no more than by chance.

    Args:
        means: Measured effect of every group.
        sds: Its standard error.

    Source: DerSimonian and Laird (1986), "Meta-analysis in clinical trials", equation 8.

    >>> between_variance([0.0, 0.0], [1.0, 1.0]), between_variance([-3.0, 3.0], [1.0, 1.0])
    (0.0, 17.0)
    """
    y, weight = np.asarray(means, dtype=float), np.asarray(sds, dtype=float) ** -2.0
    total = weight.sum()
    excess = weight @ (y - weight @ y / total) ** 2 - (len(y) - 1)
    scale = total - weight @ weight / total
    return max(0.0, float(excess / scale)) if scale > 0 else 0.0


def offer_beliefs(priors: pd.DataFrame, effects: pd.DataFrame) -> pd.DataFrame:
    """Beliefs by offer, and by segment where the segment's effect is measured (both arms have the settings' size).

    An offer that was never measured keeps its prior. What is measured is the pooled effect on `declined` of all
    campaigns whose horizon is over. No standard deviation is ever above the catalogue's.

    Args:
        priors: offer_id, mean, sd: the catalogue's expectation of the effect on P(decline).
        effects: `tables.OFFER_EFFECTS`; offers that are not in `priors` (withdrawn ones) are left out.

    Returns:
        `tables.OFFER_BELIEFS`, in order of its key. It depends on nothing but the arguments: beliefs of last month
        are no part of it, so that no campaign is counted twice.

    Raises:
        BadInputError: If an offer stands twice in `priors`, or its mean or sd is no number or the sd not above 0.
    """
    import pandas as pd

    _check(priors)
    learnt = effects[(effects["comparison"] == "pooled") & (effects["outcome"] == "declined") & (effects["offer_id"] != ALL)]
    measured = learnt[(learnt["campaigns"] == ALL) & (learnt["status"] == "measured")].sort_values("segment")
    counted = learnt[(learnt["campaigns"] != ALL) & (learnt["status"] != "sample_ratio_mismatch") & (learnt["offered"] > 0)]
    campaigns = counted[counted["controls"] > 0].groupby("offer_id").size()
    rows: list[dict[str, object]] = []
    for offer, mean, sd in zip(priors["offer_id"], priors["mean"].astype(float), priors["sd"].astype(float), strict=True):
        mine = measured[measured["offer_id"] == offer]
        overall, segments = mine[mine["segment"] == ALL], mine[mine["segment"] != ALL]
        place = {"offer_id": offer, "segment": ALL, "prior_mean": mean, "prior_sd": sd, "campaigns": 0, "customers": 0}
        if overall.empty:
            rows.append(place | {"mean": mean, "sd": sd})
            continue
        place["campaigns"] = int(campaigns.get(offer, 0))
        found = overall.iloc[0]
        mean_all, sd_all = posterior(mean, sd, found["effect"], found["standard_error"])
        rows.append(place | _measured(found) | {"mean": mean_all, "sd": sd_all})
        between = between_variance(segments["effect"], segments["standard_error"]) if len(segments) else 0.0
        for _, found in segments.iterrows():
            weight = between / (between + found["standard_error"] ** 2)
            mean_here = mean_all + weight * (found["effect"] - mean_all)
            sd_here = (weight * found["standard_error"] ** 2 + (1 - weight) ** 2 * sd_all**2) ** 0.5
            rows.append(place | {"segment": found["segment"]} | _measured(found) | {"mean": mean_here, "sd": min(sd_here, sd)})
    table = pd.DataFrame(rows, columns=OFFER_BELIEFS.names)
    table = table.astype({c.name: DTYPES[c.kind] for c in OFFER_BELIEFS.columns})
    return table.sort_values(list(OFFER_BELIEFS.key), ignore_index=True)


def _measured(found: pd.Series) -> dict[str, object]:
    """What a row of effects says, in the words of beliefs."""
    return {
        "customers": int(found["offered"]) + int(found["controls"]),
        "measured_mean": float(found["effect"]),
        "measured_sd": float(found["standard_error"]),
    }


def _check(priors: pd.DataFrame) -> None:
    """Refuse priors that are none."""
    for offer, mean, sd in zip(priors["offer_id"], priors["mean"].astype(float), priors["sd"].astype(float), strict=True):
        if not (np.isfinite(mean) and np.isfinite(sd) and sd > 0):
            raise BadInputError(
                f"the prior of offer {str(offer)!r} is no distribution",
                value=f"mean {mean}, sd {sd}",
                remedy="give it a number as mean and a number above 0 as sd in the catalogue",
            )
    if (twice := priors["offer_id"][priors["offer_id"].duplicated()]).any():
        raise BadInputError(f"offer {str(twice.iloc[0])!r} stands twice among the priors", remedy="keep one in the catalogue")
