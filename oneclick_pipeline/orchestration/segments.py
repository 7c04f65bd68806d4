"""Assets of stage segments."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import dagster as dg
import narwhals as nw
import pandas as pd

from oneclick_pipeline import pictures, segments, tables
from oneclick_pipeline.orchestration.checks import check
from oneclick_pipeline.orchestration.describe import FRESH, code_version, picture, table_asset
from oneclick_pipeline.orchestration.home import Home

_CODE = code_version(segments, pictures, tables)


@dg.asset(freshness_policy=FRESH, **table_asset("customer_segments", _CODE, {"pandas"}))
def customer_segments(context: dg.AssetExecutionContext, home: Home, customer_scores: nw.LazyFrame) -> Iterator[Any]:
    """Put every customer into a segment; see `segments.customer_segments`."""
    with home.step(context) as step:
        profits = customer_scores.select("regular", "profit").collect().to_arrow().to_pandas()
        cuts = segments.thresholds(profits, home.settings().segments)
        placed = partial(segments.customer_segments, cuts=cuts)
        staged = step.stage("customer_segments", step.engine.apply(customer_scores, placed, tables.TABLES["customer_segments"]))
        customers = int(customer_scores.select(nw.len()).collect().item())
        known = step.engine.scan(staged.path).filter(nw.col("segment").is_in([s.id for s in segments.SEGMENTS]))
        in_a_segment = int(known.select(nw.len()).collect().item())
        yield from step.publish(
            staged,
            checks=[
                check(
                    "customer_segments",
                    "every_customer",
                    passed=customers == staged.rows == in_a_segment,
                    customers=customers,
                    in_a_segment=in_a_segment,
                )
            ],
            metadata={
                "customer_segments": {
                    "middle risk from": cuts.middle_risk,
                    "high risk from": cuts.high_risk,
                    "high profit from": cuts.high_profit,
                }
            },
        )


@dg.asset(freshness_policy=FRESH, **table_asset("segment_profiles", _CODE, {"pandas"}))
def segment_profiles(
    context: dg.AssetExecutionContext,
    home: Home,
    customer_segments: pd.DataFrame,
    customer_scores: pd.DataFrame,
    customer_features: pd.DataFrame,
) -> Iterator[Any]:
    """Describe and draw the segments; see `segments.segment_profiles`."""
    with home.step(context) as step:
        profiles = segments.segment_profiles(customer_segments, customer_features)
        cuts = segments.thresholds(customer_scores, home.settings().segments)
        total = int(profiles["customers"].sum())
        shown = profiles[["segment_ru", "customers", "mean_p_decline", "expected_declines", "mean_profit", "value_at_risk"]]
        yield from step.publish(
            step.stage("segment_profiles", profiles),
            checks=[
                check(
                    "segment_profiles",
                    "customers_add_up",
                    passed=total == len(customer_segments),
                    in_segments=total,
                    customers=len(customer_segments),
                )
            ],
            metadata={
                "segment_profiles": {
                    "segment map": picture(
                        segments.segment_map(customer_segments, profiles, cuts), "Segments by profit and risk"
                    ),
                    "segments": dg.MetadataValue.md(_markdown(shown)),
                }
            },
        )


def _markdown(frame: pd.DataFrame) -> str:
    """A small frame as a Markdown table, numbers to two decimals."""
    rows = [list(frame.columns), ["---"] * frame.shape[1]]
    rows += [
        ["–" if pd.isna(v) else f"{v:.2f}" if isinstance(v, float) else str(v) for v in row]
        for row in frame.itertuples(index=False, name=None)
    ]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


ASSETS = [customer_segments, segment_profiles]
