"""The rules of the ledger: which columns a month holds, and what must be true of every row, ours or of a CRM's own log."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from oneclick_pipeline.contracts.campaigns import CAMPAIGN_OUTCOMES
from oneclick_pipeline.contracts.offers import CHANCES, OFFER_PLAN, PROBABILITIES, SHARES
from oneclick_pipeline.errors import BadInputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from oneclick_pipeline.contracts.schema import Column

DRAWN = (*PROBABILITIES, CHANCES)
"""What chance could do to every customer; where a month does not hold it, it is inferred."""

COLUMNS = (*(c for c in CAMPAIGN_OUTCOMES.columns[1:] if c.name in OFFER_PLAN.names and c not in DRAWN), *DRAWN)
"""What a month of the ledger holds: of the columns of the plan those from which outcomes are made, and what chance could do."""

SENT = tuple(c for c in COLUMNS if c not in SHARES + DRAWN)
"""What it must hold: who was meant to get what, and how likely that was. The rest follows from that in all that was drawn."""


@dataclass(frozen=True)
class _Rule:
    """What must not be true of a row.

    Attributes:
        column: The column at fault.
        broken: Rows that break the rule.
        problem: What is wrong with them.
        remedy: What to do.
    """

    column: str
    broken: NDArray[np.bool_]
    problem: str
    remedy: str


def checked(frame: pd.DataFrame, path: Path) -> dict[str, NDArray]:
    """Those of the `COLUMNS` that a month has in their types, every rule kept.

    Args:
        frame: The rows of a month as read.
        path: Their file, for messages.

    Raises:
        BadInputError: If a column is missing or a rule is broken: what, where and how to fix it.
    """
    import numpy as np

    missing = [c.name for c in SENT if c.name not in frame.columns]
    if missing:
        raise BadInputError(
            f"columns are missing: {', '.join(missing)}",
            file=str(path),
            column=missing[0],
            remedy=f"give every customer {', '.join(c.name for c in SENT)}; docs/tables.md describes them, section offer_plan",
        )
    month = {c.name: column_of(frame[c.name], c, path) for c in COLUMNS if c.name in frame.columns}
    for rule in _rules(month):
        if rule.broken.any():
            first = int(np.flatnonzero(rule.broken)[0])
            raise BadInputError(
                f"customer {month['customer_id'][first]}: {rule.problem} ({int(rule.broken.sum())} such rows)",
                file=str(path),
                column=rule.column,
                value=str(month[rule.column][first]),
                remedy=rule.remedy,
            )
    return month


def _rules(month: Mapping[str, NDArray]) -> Iterator[_Rule]:
    """The rules on the rows of a month, each worked out when those before it are kept."""
    customers, offers = month["customer_id"], month["offer_id"]
    yield _Rule(
        "customer_id",
        _repeated(customers),
        "appears twice in one month",
        "keep one row per customer: what they were meant to get",
    )
    never = "was drawn with a probability of 0"
    yield _Rule("propensity", month["propensity"] <= 0, never, "give the probability of this arm, above 0")
    for name in (share.name for share in SHARES if share.name in month):
        other = month[name] != month[name][:1]
        yield _Rule(name, other, "was drawn with a different share from the first", "give one share for the whole month")
    none = offers == None  # noqa: E711 - element by element
    unnamed = (month["arm"] == "offer") & none
    yield _Rule("offer_id", unnamed, "got an offer without a name", "name the offer that was sent")
    yield _Rule(
        "arm",
        (month["assignment"] == "hold_out") & (month["arm"] != "control"),
        "was held out and got an offer",
        "a customer who is held out is a control; for one who got an offer, the way must not be hold_out",
    )
    yield _Rule(
        "offer_id",
        ~none & ~_among(offers, month["fits"]),
        "was meant to get an offer that did not fit",
        "list it in the column fits, which names all offers that fitted the customer, separated by commas",
    )


def _repeated(customers: NDArray) -> NDArray[np.bool_]:
    """Every row of a customer except the first."""
    import numpy as np

    order = np.argsort(customers, kind="stable")
    repeated = np.zeros(len(order), dtype=bool)
    repeated[order[1:]] = customers[order[1:]] == customers[order[:-1]]
    return repeated


def column_of(values: pd.Series, column: Column, path: Path) -> NDArray:
    """One column in its type, within its range and vocabulary; texts as objects, None where there is none."""
    import numpy as np
    from pandas.api import types

    def refuse(problem: str, value: object) -> BadInputError:
        promise = column.promise or column.type.phrase
        return BadInputError(
            f"{column.name} {problem}",
            file=str(path),
            column=column.name,
            value=str(value),
            remedy=f"{column.description}: {promise}",
        )

    gaps = values.isna().to_numpy()
    if gaps.any() and not column.nullable:
        raise refuse(f"has no value in row {int(np.flatnonzero(gaps)[0])} ({int(gaps.sum())} such rows)", None)
    if column.kind == "str":
        texts = values.astype(object)
        kinds = set(texts[~gaps].map(type))  # before they are compared: a list cannot be
        if kinds - {str}:
            raise refuse("is not text", next(v for v in texts[~gaps] if not isinstance(v, str)))
        unknown = [value for value in texts[~gaps].unique() if column.values and value not in column.values]
        if unknown:
            raise refuse("is not one of its values", unknown[0])
        plain = texts.to_numpy(dtype=object, copy=True)
        plain[gaps | (column.nullable & (plain == ""))] = None
        return plain
    right = types.is_integer_dtype(values) if column.kind == "int" else types.is_numeric_dtype(values)
    if not right or types.is_bool_dtype(values) or types.is_complex_dtype(values):
        raise refuse(f"has the type {values.dtype}", values.iloc[0] if len(values) else None)
    numbers = values.to_numpy(dtype=column.type.numpy)
    low, high = (-np.inf if column.minimum is None else column.minimum), (np.inf if column.maximum is None else column.maximum)
    bad = ~gaps & ~(np.isfinite(numbers) & (numbers >= low) & (numbers <= high))  # a gap is refused above where it may not be
    if bad.any():
        raise refuse(f"is out of range ({int(bad.sum())} such rows)", numbers[bad][0])
    return numbers


def _among(offers: NDArray, fits: NDArray) -> NDArray[np.bool_]:
    """Whether each offer is in the list beside it; every distinct pair is checked once."""
    import numpy as np
    import pandas as pd

    pairs = pd.DataFrame({"offer": offers, "fits": fits})
    number = pairs.groupby(["offer", "fits"], sort=False, dropna=False).ngroup().to_numpy()
    _, first = np.unique(number, return_index=True)
    among = np.array([offers[i] in fits[i].split(",") for i in first], dtype=bool)
    return np.asarray(among[number], dtype=bool)
