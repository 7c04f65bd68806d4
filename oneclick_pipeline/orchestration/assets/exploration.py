"""Assets of stage exploration."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from oneclick_pipeline import contracts, exploration, pictures
from oneclick_pipeline.contracts.customers import FEATURE_NAMES
from oneclick_pipeline.engine.batches import Batches
from oneclick_pipeline.orchestration.asset_specs import code_version, table_asset
from oneclick_pipeline.orchestration.checks import check
from oneclick_pipeline.orchestration.metadata import picture
from oneclick_pipeline.orchestration.resources import Home

_CODE = code_version(exploration, pictures, contracts)


@dg.asset(**table_asset("data_profile", _CODE, {"pandas", "scipy"}))
def data_profile(context: dg.AssetExecutionContext, home: Home, customer_features: Batches) -> Iterator[Any]:
    """Profile every column; see `exploration.data_profile`."""
    with home.step(context) as step:
        settings = home.settings().exploration
        profile = exploration.data_profile(customer_features, settings)
        constant = profile.loc[(profile["distinct"] < 2) & (profile["column"].isin(FEATURE_NAMES)), "column"]  # noqa: PLR2004
        yield from step.publish(
            step.stage(profile),
            [check("no_constant_column", passed=constant.empty, constant=len(constant), columns=", ".join(constant))],
            {
                "distributions by activity": picture(
                    exploration.distributions(customer_features, settings), "Distribution of every feature by activity"
                ),
                "missing values": int(profile["missing"].sum()),
                "customers analysed": f"{profile['rows'].max():,} of {customer_features['regular'].sum():,} regular ones",
                "normal columns": ", ".join(profile.loc[profile["normal"].eq(other=True), "column"]) or "none",
            },
        )


@dg.asset(**table_asset("correlations", _CODE, {"pandas", "phik"}))
def correlations(context: dg.AssetExecutionContext, home: Home, customer_features: Batches) -> Iterator[Any]:
    """Correlate every pair of columns; see `exploration.correlations`."""
    with home.step(context) as step:
        result = exploration.correlations(customer_features, home.settings().exploration)
        collinear = result.collinear
        with_target = exploration.phik_with_target(result.table)
        pairs = "; ".join(f"{row.column_a} ~ {row.column_b}: {row.phik:.2f}" for row in collinear.itertuples())
        yield from step.publish(
            step.stage(result.table),
            checks=[check("no_collinear_features", passed=collinear.empty, pairs=len(collinear), which=pairs)],
            metadata={
                "phik matrix": picture(exploration.phik_matrix(result.table), "phik correlation of every pair of columns"),
                **({"phik with activity": picture(with_target, "phik of every feature with activity")} if with_target else {}),
                "customers": result.customers,
                "left out (one value only)": ", ".join(result.left_out) or "none",
                "rows used": result.description,
            },
        )


ASSETS = [data_profile, correlations]
