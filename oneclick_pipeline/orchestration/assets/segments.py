"""Assets of stage segments."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd

from oneclick_pipeline import contracts, pictures, scores, segments, tracking
from oneclick_pipeline.contracts.segments import ALL, SEGMENTS
from oneclick_pipeline.engine.batches import Batches
from oneclick_pipeline.home.paths import table_file
from oneclick_pipeline.model.band_errors import BandErrors, band_errors
from oneclick_pipeline.model.training_set import weights_of
from oneclick_pipeline.orchestration.asset_specs import FRESH, code_version, table_asset
from oneclick_pipeline.orchestration.checks import check
from oneclick_pipeline.orchestration.metadata import picture
from oneclick_pipeline.orchestration.resources import Home
from oneclick_pipeline.scores.meaning import WORDS, Words, sentence
from oneclick_pipeline.tracking.versions import Version

_CODE = code_version(segments, scores, pictures, contracts)


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


@dg.asset(freshness_policy=FRESH, **table_asset("segment_profiles", _CODE, {"pandas", "mlflow"}))
def segment_profiles(
    context: dg.AssetExecutionContext,
    home: Home,
    customer_segments: Batches,
    customer_scores: Batches,
    customer_features: Batches,
) -> Iterator[Any]:
    """Describe and draw the segments; see `segments.segment_profiles`."""
    with home.step(context) as step:
        store = tracking.Tracking(home.root)
        versions = customer_scores["model_version"]
        model = store.version(int(versions.iloc[0])) if len(versions) else store.require_champion()
        errors = store.band_errors(model) or _errors_of(home.root, store, model)
        profiles = segments.segment_profiles(customer_segments, customer_features, errors, meaning=model.meaning)
        cuts = segments.thresholds(customer_scores, home.settings().segments)
        total = int(profiles.loc[profiles["segment"] != ALL.id, "customers"].sum())
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
                "what p_decline is about": sentence(model.meaning, step.month, home.settings().value.horizon_months),
                "segment map": picture(segments.segment_map(customer_segments, profiles, cuts), "Segments by profit and risk"),
                "segments": dg.MetadataValue.md(_markdown(_shown(profiles, WORDS[model.meaning]))),
            },
        )


def _errors_of(home: Path, store: tracking.Tracking, version: Version) -> BandErrors | None:
    """The model's own error, for a version of earlier software; None where the table that it was trained on is gone."""
    path = table_file(home, "training_set", version.tags["month"])
    if not path.exists():
        return None
    keys = ["feature_month", "customer_id"]
    rows = store.out_of_fold(version).merge(pd.read_parquet(path, columns=[*keys, "declined", "copies"]), on=keys)
    p, declined, copies = (rows[name].to_numpy() for name in ("p_decline", "declined", "copies"))
    return band_errors(p, declined, copies, weights_of(rows)) if len(rows) else None


def _shown(profiles: pd.DataFrame, called: Words) -> pd.DataFrame:
    """What the page shows of the profiles, by the names that fit what the scores are about."""
    names = {"segment_ru": "segment", "customers": "customers", "mean_p_decline": "mean p_decline", "mean_profit": "mean profit"}
    for column, name in (("expected_declines", called.declines.lower()), ("value_at_risk", called.value.lower())):
        names |= {column: name, f"{column}_low": f"{name}, from", f"{column}_high": f"{name}, to"}
    return profiles[list(names)].rename(columns=names)


def _markdown(frame: pd.DataFrame) -> str:
    """A small frame as a Markdown table, numbers to two decimals."""
    rows = [list(frame.columns), ["---"] * frame.shape[1]]
    rows += [
        ["–" if pd.isna(v) else f"{v:.2f}" if isinstance(v, float) else pictures.literal(str(v)) for v in row]
        for row in frame.itertuples(index=False, name=None)
    ]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


ASSETS = [customer_segments, segment_profiles]
