"""Asset of stage features."""

from collections.abc import Iterator
from typing import Any

import dagster as dg
import narwhals as nw

from oneclick_pipeline import contracts, features
from oneclick_pipeline.orchestration.asset_specs import code_version, table_asset
from oneclick_pipeline.orchestration.checks import check
from oneclick_pipeline.orchestration.metadata import origin
from oneclick_pipeline.orchestration.resources import Home

_NAMED = 20
_ENOUGH_REGULAR = 0.5


@dg.asset(**table_asset("customer_features", code_version(features, contracts), {"narwhals"}))
def customer_features(
    context: dg.AssetExecutionContext,
    home: Home,
    customers: nw.LazyFrame,
    revenue: nw.LazyFrame,
    site_minutes: nw.LazyFrame,
    profit: nw.LazyFrame,
) -> Iterator[Any]:
    """Join the clean tables; see `features.customer_features`."""
    with home.step(context) as step:
        wide = features.customer_features(customers, revenue, site_minutes, profit)
        staged = step.stage(wide.sort("customer_id"))  # once, and no later step needs to
        table = step.engine.scan(staged.path)
        reasons = {
            str(row["regular_reason"]): int(row["rows"])
            for row in table.group_by("regular_reason")
            .agg(nw.len().alias("rows"))
            .sort("regular_reason")
            .collect()
            .iter_rows(named=True)
        }
        incomplete = (
            table.filter(nw.col("missing_from") != "").select("customer_id", "missing_from").sort("customer_id").collect()
        )
        named = "; ".join(f"{i} missing from {files}" for i, files in incomplete.head(_NAMED).iter_rows())
        ids = nw.concat([t.select("customer_id") for t in (customers, revenue, site_minutes, profit)])
        seen = int(ids.select(nw.col("customer_id").n_unique()).collect().item())
        regular = reasons.get("regular", 0)
        yield from step.publish(
            staged,
            checks=[
                check("no_customer_lost", passed=seen == staged.rows, customers_seen=seen, rows=staged.rows),
                check("files_complete", passed=not len(incomplete), incomplete=len(incomplete), customers=named),
                check(
                    "regular_customers",
                    passed=regular >= _ENOUGH_REGULAR * staged.rows,
                    regular=regular,
                    share=regular / max(staged.rows, 1),
                ),
            ],
            metadata={f"customers {reason}": n for reason, n in reasons.items()} | origin("customer_features"),
        )


ASSETS = [customer_features]
