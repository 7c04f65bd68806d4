"""Customers scored by a registered model at once: what `oneclick score` says and `oneclick serve` answers."""

from __future__ import annotations

import json
import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from oneclick_pipeline import model, scores
from oneclick_pipeline.contracts.customers import FEATURES
from oneclick_pipeline.contracts.exports import CUSTOMER_ID
from oneclick_pipeline.engine.verification import whole
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.home.months import check_month, is_month, is_over
from oneclick_pipeline.home.paths import table_file, table_folder

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import pandas as pd

    from oneclick_pipeline.contracts.schema import Column
    from oneclick_pipeline.model import Contributions
    from oneclick_pipeline.tracking import Tracking, Version

_LARGEST = 1e15
_DEEPEST = 8
"""Levels of JSON; a request has four."""

_NO_TEXT = ("Cc", "Cs")
"""Unicode's categories of control characters and of surrogates, which are halves of characters."""
_REASON = {"feature": "", "effect": "_effect", "ru": "_ru", "en": "_en"}
_OBJECTS = 'give an object of features, for example {"unpaid_items": 3}, or a list of such objects'
_LISTED = "docs/tables.md lists the features, section customer_features"


def score_customer(home: Path, customer: int, *, month: str | None, horizon_months: int) -> dict[str, Any]:
    """Score a customer of a month as `scores.customer_scores` does for all of them, by the same function.

    Args:
        home: The home.
        customer: The store's number of the customer.
        month: Snapshot month; the newest whose `customer_features` is there if None.
        horizon_months: Months over which the profit is at risk.

    Returns:
        The columns of `contracts.scores.CUSTOMER_SCORES` but the reasons, `month`, and `reasons` as a list.

    Raises:
        BadInputError: If there is no champion, no table of the month, or no such customer in it.
    """
    import pandas as pd

    path = _features_file(home, month)
    with whole([path]):
        features = pd.read_parquet(path, filters=[("customer_id", "==", customer)])
    if features.empty:
        raise BadInputError(
            f"customer {customer} is not in customer_features of {path.stem}",
            file=str(path),
            remedy="look up the number in the column id of the exports, or name another month with --month",
        )
    store = _store(home)
    champion = store.require_champion()
    held_out = store.out_of_fold(champion)
    table = scores.customer_scores(
        features,
        lambda rows: model.predict(store.load(champion), rows),
        model.Contributions.from_json(store.contributions(champion)),
        held_out[held_out["feature_month"] == path.stem],
        model_name=champion.name,
        model_version=champion.version,
        horizon_months=horizon_months,
        meaning=champion.meaning,
    )
    return {"month": path.stem, **_plain(table)[0]}


@dataclass(frozen=True)
class Scorer:
    """A version that was checked against its record and opened: later changes to its files do not affect it.

    Attributes:
        version: The version.
        pipeline: Its fitted pipeline.
        contributions: What its reasons rest on.
    """

    version: Version
    pipeline: Any
    contributions: Contributions

    @classmethod
    def open(cls, home: Path, number: int | None = None) -> Scorer:
        """Check and open a version.

        Args:
            home: The home.
            number: The version; the champion if None.

        Raises:
            BadInputError: If there is no such version, or its files are not those that were registered.
        """
        store = _store(home)
        version = store.require_champion() if number is None else store.version(number)
        store.check(version)
        return cls(version, store.load(version), model.Contributions.from_json(store.contributions(version)))

    def score(self, records: Sequence[Mapping[str, object]]) -> list[dict[str, Any]]:
        """Score customers whose features are given; see `score_records`.

        Raises:
            BadInputError: If a record has an unknown field or a value that its column forbids.
        """
        import pandas as pd

        check_records(records)
        if not records:
            return []
        rows = [{c.name: record.get(c.name) for c in FEATURES} for record in records]
        frame = pd.DataFrame(rows, dtype=object)
        p_decline = model.predict(self.pipeline, frame)
        explained = _plain(scores.reasons(frame, p_decline, self.contributions))
        return [
            {
                **({"customer_id": record["customer_id"]} if "customer_id" in record else {}),
                "p_decline": float(p),
                "meaning": self.version.meaning,
                "reasons": own["reasons"],
                "missing": [name for name, value in row.items() if value is None],
                "model": {"name": self.version.name, "version": self.version.version},
            }
            for record, row, p, own in zip(records, rows, p_decline, explained, strict=True)
        ]


def score_records(home: Path, records: Sequence[Mapping[str, object]]) -> list[dict[str, Any]]:
    """Score customers whose features are given.

    Args:
        home: The home of the champion.
        records: Features by name, as `contracts.customers.FEATURES` describes them; what is absent or None is filled by the
            model. `customer_id` may be among them and is returned.

    Returns:
        For every record `customer_id` if it was given, `p_decline`, its `meaning` (`contracts.scores.MEANING`), `reasons`,
        `missing` (features that were filled) and `model` (name and version).

    Raises:
        BadInputError: If there is no champion, or a record has an unknown field or a value that its column forbids.
    """
    check_records(records)  # before a model is opened
    return Scorer.open(home).score(records) if records else []


def check_records(records: Sequence[Mapping[str, object]]) -> None:
    """Refuse records that no customer can have.

    Raises:
        BadInputError: Which record, column and value, and what to do.
    """
    for place, record in enumerate(records):
        _check_record(record, f"record {place}: " if len(records) > 1 else "")


def parse_json(text: str, source: str) -> object:
    """The content of JSON text; stricter than Python's reader: no NaN, no field twice, limited depth.

    Args:
        text: The text.
        source: Where it comes from, for messages.

    Raises:
        BadInputError: If it is none.

    >>> parse_json('{"unpaid_items": 3}', "x.json")
    {'unpaid_items': 3}
    """

    def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
        content = dict(pairs)
        if len(content) < len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise BadInputError("the field appears twice", file=source, column=twice, remedy="give every field once")
        return content

    def constant(name: str) -> object:
        raise BadInputError(f"{name} is not JSON", file=source, value=name, remedy="give null where a value is not known")

    try:
        content: object = json.loads(text, object_pairs_hook=once, parse_constant=constant)
        _require_shallow(content)
    except RecursionError as error:
        raise BadInputError("it is nested too deeply", file=source, remedy=_OBJECTS) from error
    except ValueError as error:
        raise BadInputError(
            f"this is not JSON: {getattr(error, 'msg', error)}", file=source, line=getattr(error, "lineno", None), remedy=_OBJECTS
        ) from error
    return content


def _require_shallow(content: object) -> None:
    """Refuse what is nested deeper than any request: writing it into a message would fail."""
    level = [content]
    for _ in range(_DEEPEST):
        level = [
            below for one in level if isinstance(one, (dict, list)) for below in (one.values() if isinstance(one, dict) else one)
        ]
        if not level:
            return
    raise RecursionError


def read_records(text: str, source: str) -> tuple[list[dict[str, object]], bool]:
    """Customers from JSON text: one object, or a list of objects.

    Args:
        text: The text.
        source: Where it comes from, for messages.

    Returns:
        The objects, and whether they were in a list.

    Raises:
        BadInputError: If it is neither.

    >>> read_records('{"unpaid_items": 3}', "x.json")
    ([{'unpaid_items': 3}], False)
    """
    content = parse_json(text, source)
    records: list[Any] = content if isinstance(content, list) else [content]
    for place, record in enumerate(records):
        if not isinstance(record, dict):
            raise BadInputError(
                f"record {place} is not an object" if isinstance(content, list) else "this is neither an object nor a list",
                file=source,
                value=json.dumps(record, ensure_ascii=False),
                remedy='give every customer as an object of features, for example {"unpaid_items": 3}',
            )
    return records, isinstance(content, list)


def _store(home: Path) -> Tracking:
    """The models of a home; nothing is created in a home without models."""
    from oneclick_pipeline.tracking import Tracking

    store = Tracking(home)
    if not store.exists():
        raise BadInputError(f"no champion model yet in {store.folder}", remedy="run retrain first: oneclick run --job retrain")
    return store


def _features_file(home: Path, month: str | None) -> Path:
    if month is None:
        folder = table_folder(home, "customer_features")
        now = datetime.now(UTC)
        month = max(
            (m for m in (path.stem for path in folder.glob("*.parquet")) if is_month(m) and is_over(m, now)), default=None
        )
    path = None if month is None else table_file(home, "customer_features", check_month(month))
    if path is None or not path.exists():
        raise BadInputError(
            f"customer_features of {month} is missing" if month else "no month has customer_features yet",
            file=str(path or folder),
            remedy=f"run the month first: oneclick run --month {month or 'YYYY-MM'}",
        )
    return path


def _plain(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as plain Python objects, None where there is no value, the reasons as a list."""
    rows = []
    for row in table.astype(object).where(table.notna(), None).to_dict("records"):
        every = [{key: row[f"reason_{k}{end}"] for key, end in _REASON.items()} for k in (1, 2, 3)]
        reasons = [reason for reason in every if reason["feature"] is not None]
        rows.append({str(k): v for k, v in row.items() if not str(k).startswith("reason_")} | {"reasons": reasons})
    return rows


def _check_record(record: Mapping[str, object], where: str) -> None:
    """Refuse a record with unknown fields, without any feature, or with a value that its column forbids."""
    columns = {c.name: c for c in (CUSTOMER_ID, *FEATURES)}
    for name, value in record.items():
        if name not in columns:
            raise BadInputError(f"{where}{name} is not a feature", column=name, value=str(value), remedy=_LISTED)
        if value is not None:
            _check_value(columns[name], value, where)
    if all(record.get(c.name) is None for c in FEATURES):
        raise BadInputError(f"{where}no feature has a value", remedy=_LISTED)


def _check_value(column: Column, value: object, where: str) -> None:
    def refuse(problem: str) -> BadInputError:
        return BadInputError(
            f"{where}{column.name} {problem}",
            column=column.name,
            value=str(value),
            remedy=f"{column.description}: {column.promise or column.kind}" + (f" ({column.unit})" if column.unit else ""),
        )

    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if column.kind == "bool" and not isinstance(value, bool):
        raise refuse("is neither true nor false")
    if column.kind == "str" and (not isinstance(value, str) or not value.strip()):
        raise refuse("is not text")
    if column.kind == "str" and any(unicodedata.category(letter) in _NO_TEXT for letter in str(value)):
        raise refuse("holds a control character or half a character")
    if column.kind == "str" and column.values and value not in column.values.values():
        raise refuse("is not one of its values")
    if column.type.is_number:
        if not is_number or not -_LARGEST <= value <= _LARGEST:  # type: ignore[operator] # NaN is refused as well
            raise refuse("is not a number that a customer can have")
        if column.kind == "int" and value != int(value):  # type: ignore[call-overload]
            raise refuse("is not a whole number")
        if (column.minimum is not None and value < column.minimum) or (column.maximum is not None and value > column.maximum):  # type: ignore[operator]
            raise refuse("is out of range")
