"""A month's ledger compared with its current tables: how they differ, and segments that agree with the ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oneclick_pipeline.campaigns import ledger
from oneclick_pipeline.contracts.segments import CUSTOMER_SEGMENTS, SEGMENTS

if TYPE_CHECKING:
    import pandas as pd

_NAMES = {"segment_ru": {s.id: s.ru for s in SEGMENTS}, "segment_en": {s.id: s.en for s in SEGMENTS}}


def differing(sent: pd.DataFrame, plan: pd.DataFrame) -> int:
    """How many customers today's plan treats differently from what was published.

    Args:
        sent: The month of the ledger.
        plan: `contracts.offers.OFFER_PLAN` of today; those who get nothing and are not held out do not count.

    Returns:
        Customers who are in only one of them, or for whom something in `ledger_rules.SENT` differs.
    """
    return ledger.differing(sent, plan.loc[plan["arm"] != "none"])


def consistent_segments(sent: pd.DataFrame, segments: pd.DataFrame) -> pd.DataFrame:
    """The segments of a month, with published customers in the segment in which they were published.

    Args:
        sent: The month of the ledger, one row per customer.
        segments: `contracts.segments.CUSTOMER_SEGMENTS` of today.

    Returns:
        Columns of `CUSTOMER_SEGMENTS`. Of a customer whose segment or p_decline has become another since, both are
        the ledger's; profit and value_at_risk, which belong to the new ones, are empty.
    """
    import pandas as pd

    joined = sent[["customer_id", "segment", "p_decline"]].merge(
        segments, on="customer_id", how="left", suffixes=("", "_today"), validate="one_to_one"
    )
    stale = (joined["segment"] != joined["segment_today"].astype(object)) | (joined["p_decline"] != joined["p_decline_today"])
    old = joined.loc[stale, ["customer_id", "segment", "p_decline"]]
    for column, names in _NAMES.items():
        old[column] = old["segment"].map(lambda segment, names=names: names.get(segment, segment))
    old = old.assign(profit=float("nan"), value_at_risk=float("nan"))
    kept = segments.loc[~segments["customer_id"].isin(old["customer_id"]), CUSTOMER_SEGMENTS.names]
    if old.empty:
        return kept
    return pd.concat([kept.astype(dict.fromkeys(("segment", *_NAMES), object)), old[CUSTOMER_SEGMENTS.names]], ignore_index=True)
