"""Assets of stage segments."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import dagster as dg
import pandas as pd

from oneclick_pipeline import contracts, pictures, segments
from oneclick_pipeline.contracts.segments import SEGMENTS
from oneclick_pipeline.engine.batches import Batches
from oneclick_pipeline.orchestration.asset_specs import FRESH, code_version, table_asset
from oneclick_pipeline.orchestration.checks import check
from oneclick_pipeline.orchestration.metadata import picture
from oneclick_pipeline.orchestration.resources import Home

_CODE = code_version(segments, pictures, contracts)


@dg.asset(freshness_policy=FRESH, **table_asset("customer_segments", _CODE, {"pandas"}))
def customer_segments(context: dg.AssetExecutionContext, home: Home, customer_scores: Batches) -> Iterator[Any]:
    """Put every customer into a segment; see `segments.customer_segments`."""
    with home.step(context) as step:
        cuts = segments.thresholds(customer_scores, home.settings().segments)
        needed = customer_scores.only("customer_id", "p_decline", "regular", "profit", "value_at_risk")
        staged = step.apply(needed, partial(segments.customer_segments, cuts=cuts))
        known = Batches("customer_segments", staged.path)["segment"].isin([s.id for s in SEGMENTS])
        yield from step.publish(
            staged,
            checks=[
                check(
                    "every_customer",
                    passed=staged.rows == len(customer_scores) and bool(known.all()),
                    customers=len(customer_scores),
                    in_a_segment=int(known.sum()),
                )
            ],
            metadata={
                "middle risk from": cuts.middle_risk,
                "high risk from": cuts.high_risk,
                "high profit from": cuts.high_profit,
            },
        )


@dg.asset(freshness_policy=FRESH, **table_asset("segment_profiles", _CODE, {"pandas"}))
def segment_profiles(
    context: dg.AssetExecutionContext,
    home: Home,
    customer_segments: Batches,
    customer_scores: Batches,
    customer_features: Batches,
) -> Iterator[Any]:
    """Describe and draw the segments; see `segments.segment_profiles`."""
    with home.step(context) as step:
        profiles = segments.segment_profiles(customer_segments, customer_features)
        cuts = segments.thresholds(customer_scores, home.settings().segments)
        total = int(profiles["customers"].sum())
        shown = profiles[["segment_ru", "customers", "mean_p_decline", "expected_declines", "mean_profit", "value_at_risk"]]
        yield from step.publish(
            step.stage(profiles),
            checks=[
                check(
                    "customers_add_up",
                    passed=total == len(customer_segments),
                    in_segments=total,
                    customers=len(customer_segments),
                )
            ],
            metadata={
                "segment map": picture(segments.segment_map(customer_segments, profiles, cuts), "Segments by profit and risk"),
                "segments": dg.MetadataValue.md(_markdown(shown)),
            },
        )


def _markdown(frame: pd.DataFrame) -> str:
    """A small frame as a Markdown table, numbers to two decimals."""
    rows = [list(frame.columns), ["---"] * frame.shape[1]]
    rows += [
        ["–" if pd.isna(v) else f"{v:.2f}" if isinstance(v, float) else pictures.literal(str(v)) for v in row]
        for row in frame.itertuples(index=False, name=None)
    ]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


ASSETS = [customer_segments, segment_profiles]
