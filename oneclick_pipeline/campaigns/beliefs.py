"""What the next plan believes about every offer: how customers respond to it on average, and in every segment.

The beliefs are averages of one regression over all matured campaigns (`campaigns.response`), which starts from what the
catalogue expects; beside them is what the campaigns measured without it (`campaigns.offer_effects`), by chance alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from oneclick_pipeline.campaigns.comparisons import fits
from oneclick_pipeline.campaigns.offer_effects import ALL
from oneclick_pipeline.contracts.campaigns import OFFER_BELIEFS
from oneclick_pipeline.errors import BadInputError

if TYPE_CHECKING:
    import pandas as pd

    from oneclick_pipeline.campaigns.response import Response


FAR = 4.0
"""Distance in standard errors between a belief and the campaigns' measurement beyond which one of the two must be wrong."""


def offer_beliefs(
    priors: pd.DataFrame, effects: pd.DataFrame, response: Response | None, outcomes: pd.DataFrame, before: pd.DataFrame
) -> pd.DataFrame:
    """Beliefs by offer, and by segment where the segment's effect is measured (both arms have the settings' size).

    An average goes over the customers of earlier campaigns whom the offer fitted. An offer that fitted no one, and
    all of them while no campaign has matured, keeps its prior.

    Args:
        priors: offer_id, mean, sd: the catalogue's expectation of the effect on P(decline).
        effects: `contracts.campaigns.OFFER_EFFECTS`; offers that are not in `priors` (withdrawn ones) are left out.
        response: See `response.learn`.
        outcomes: `contracts.campaigns.CAMPAIGN_OUTCOMES`, n rows.
        before: What was known about the same customers, see `outcomes.known_before`.

    Returns:
        `contracts.campaigns.OFFER_BELIEFS`, in order of its key. It depends only on the arguments: beliefs of last month
        are not part of it, so that no campaign is counted twice.

    Raises:
        BadInputError: If an offer appears twice in `priors`, or its mean or sd is not a number or the sd not above 0.
    """
    import pandas as pd

    _check(priors)
    pooled = effects[(effects["comparison"] == "pooled") & (effects["outcome"] == "declined") & (effects["offer_id"] != ALL)]
    measured = pooled[(pooled["campaigns"] == ALL) & (pooled["status"] == "measured")].set_index(["offer_id", "segment"])
    counted = pooled[(pooled["campaigns"] != ALL) & (pooled["offered"] > 0) & (pooled["controls"] > 0)]
    campaigns = counted.groupby("offer_id")["campaigns"].nunique()
    ids = priors["offer_id"].astype(str).tolist()
    fitting = fits(outcomes["fits"], ids)
    rows: list[dict[str, object]] = []
    for segment in [ALL, *sorted(set(measured.index.get_level_values("segment")) - {ALL})]:
        here = slice(None) if segment == ALL else (outcomes["segment"] == segment).to_numpy()
        means, sds = (np.full(len(ids), np.nan),) * 2 if response is None else response.average(before[here], fitting[here])
        for offer, prior_mean, prior_sd, mean, sd in zip(ids, priors["mean"], priors["sd"], means, sds, strict=True):
            row = measured.loc[(offer, segment)] if (offer, segment) in measured.index else None
            if segment != ALL and (row is None or np.isnan(mean)):
                continue
            believed = (float(prior_mean), float(prior_sd)) if np.isnan(mean) else (float(mean), float(sd))
            rows.append(
                {"offer_id": offer, "segment": segment, "prior_mean": float(prior_mean), "prior_sd": float(prior_sd)}
                | {"campaigns": int(campaigns.get(offer, 0)), "customers": 0}
                | ({} if row is None else _measured(row))
                | dict(zip(("mean", "sd"), believed, strict=True))
            )
    table = pd.DataFrame(rows, columns=OFFER_BELIEFS.names)
    table = table.astype({c.name: c.pandas for c in OFFER_BELIEFS.columns})
    return table.sort_values(list(OFFER_BELIEFS.key), ignore_index=True)


def apart(beliefs: pd.DataFrame) -> float:
    """Largest distance of a belief of an offer as a whole from its measurement, in standard errors; 0 without any.

    Args:
        beliefs: `contracts.campaigns.OFFER_BELIEFS`.
    """
    whole = beliefs[(beliefs["segment"] == ALL) & (beliefs["measured_sd"] > 0)]
    distance = (whole["mean"] - whole["measured_mean"]).abs() / (whole["measured_sd"] ** 2 + whole["sd"] ** 2) ** 0.5
    return float(distance.max()) if len(distance) else 0.0


def _measured(row: pd.Series) -> dict[str, object]:
    """A row of effects in the terms of beliefs."""
    return {
        "customers": int(row["offered"]) + int(row["controls"]),
        "measured_mean": float(row["effect"]),
        "measured_sd": float(row["standard_error"]),
    }


def _check(priors: pd.DataFrame) -> None:
    """Refuse invalid priors."""
    for offer, mean, sd in zip(priors["offer_id"], priors["mean"].astype(float), priors["sd"].astype(float), strict=True):
        if not (np.isfinite(mean) and np.isfinite(sd) and sd > 0):
            raise BadInputError(
                f"the prior of offer {str(offer)!r} is not a distribution",
                value=f"mean {mean}, sd {sd}",
                remedy="in the catalogue, give it a number as mean and a number above 0 as sd",
            )
    if (twice := priors["offer_id"][priors["offer_id"].duplicated()]).any():
        raise BadInputError(
            f"offer {str(twice.iloc[0])!r} appears twice among the priors", remedy="keep one of them in the catalogue"
        )
