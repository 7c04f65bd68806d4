"""What a month would be planned with another budget: read from its tables and solved; nothing is written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oneclick_pipeline.engine.batches import Batches
from oneclick_pipeline.engine.verification import whole
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.home.months import add_months, check_month
from oneclick_pipeline.home.paths import table_file
from oneclick_pipeline.offers.budget_curve import Point
from oneclick_pipeline.orchestration import partitions
from oneclick_pipeline.orchestration.assets.campaigns import WINDOW
from oneclick_pipeline.orchestration.assets.offers import PlanInputs, opened
from oneclick_pipeline.orchestration.resources import Home
from oneclick_pipeline.orchestration.table_months import Months

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_TABLES = ("customer_features", "customer_scores", "customer_segments", "offer_beliefs", "campaign_outcomes")


def what_if(root: Path, month: str, budgets: Sequence[float]) -> list[Point]:
    """What a replan of the month would come to with each budget, by the settings and the catalogue of today.

    Args:
        root: The home.
        month: A month that was run.
        budgets: Budgets, finance units.

    Raises:
        BadInputError: If a table of the month is missing or damaged.
    """
    paths = {name: table_file(root, name, check_month(month)) for name in _TABLES}
    for name, path in paths.items():
        if not path.exists():
            remedy = f"run the month: oneclick run --month {month}"
            raise BadInputError(f"there is no {name} of {month}", file=str(path), remedy=remedy)
    first = partitions.first_month(root)
    earlier = {m: table_file(root, "customer_features", m) for k in range(WINDOW + 1) if (m := add_months(month, -k)) >= first}
    features = {m: path for m, path in earlier.items() if path.exists()}
    with whole([*paths.values(), *features.values()]):
        beliefs, outcomes = (Months(name, {month: paths[name]})[month] for name in ("offer_beliefs", "campaign_outcomes"))
        scores, segments = (Batches(name, paths[name]) for name in ("customer_scores", "customer_segments"))
        inputs = PlanInputs(Months("customer_features", features), scores, segments, beliefs, outcomes)
        plan = opened(Home(path=str(root)), month, inputs).opened
        return [Point.of(plan, plan.solve(budget)) for budget in budgets]
