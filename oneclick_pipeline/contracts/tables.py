"""All tables by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oneclick_pipeline.contracts.campaigns import CAMPAIGN_OUTCOMES, OFFER_BELIEFS, OFFER_EFFECTS
from oneclick_pipeline.contracts.clean import CORRECTIONS, REJECTED_ROWS
from oneclick_pipeline.contracts.customers import CUSTOMER_FEATURES
from oneclick_pipeline.contracts.exploration import CORRELATIONS, DATA_PROFILE
from oneclick_pipeline.contracts.exports import RAW, SOURCES
from oneclick_pipeline.contracts.model import MODEL_EXPLANATION, TRAINING_SET
from oneclick_pipeline.contracts.monitoring import DRIFT, MODEL_HEALTH
from oneclick_pipeline.contracts.offers import OFFER_PLAN, PLAN_SUMMARY, PROFIT_CURVE
from oneclick_pipeline.contracts.scores import CUSTOMER_SCORES
from oneclick_pipeline.contracts.segments import CUSTOMER_SEGMENTS, SEGMENT_PROFILES

if TYPE_CHECKING:
    from oneclick_pipeline.contracts.schema import Table

TABLES: dict[str, Table] = {
    t.name: t
    for t in (
        *RAW.values(),
        *SOURCES,
        REJECTED_ROWS,
        CORRECTIONS,
        CUSTOMER_FEATURES,
        DATA_PROFILE,
        CORRELATIONS,
        TRAINING_SET,
        MODEL_EXPLANATION,
        CUSTOMER_SCORES,
        CUSTOMER_SEGMENTS,
        SEGMENT_PROFILES,
        CAMPAIGN_OUTCOMES,
        OFFER_EFFECTS,
        OFFER_BELIEFS,
        OFFER_PLAN,
        PLAN_SUMMARY,
        PROFIT_CURVE,
        DRIFT,
        MODEL_HEALTH,
    )
}
