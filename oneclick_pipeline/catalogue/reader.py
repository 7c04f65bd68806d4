"""The catalogue: which offers there are, who they are for, what they cost and what they are expected to do.

It is a YAML file that marketers edit, so everything that can be wrong with it is reported with its line, its field and
a remedy. Conditions are structured data, never code; see `oneclick_pipeline.yaml` for how the file is read.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import asdict, dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, cast

from oneclick_pipeline import yaml
from oneclick_pipeline.catalogue import messages
from oneclick_pipeline.catalogue.offer import CHANNELS, COLUMNS, OPERATORS, RESERVED_IDS, AnyOf, Condition, Offer, Operator, Value
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.home.months import check_month
from oneclick_pipeline.home.paths import CATALOGUE, catalogue_file

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd

    from oneclick_pipeline.contracts.schema import Column
    from oneclick_pipeline.yaml import Node


FILE = CATALOGUE
_MOST_UNITS = 1e9
_REMEDY = "see the head of the bundled oneclick_pipeline/catalogue/catalogue.yaml for the format"


@dataclass(frozen=True)
class Catalogue:
    """The offers of a home.

    Attributes:
        offers: In the order of the file.
        file: Where they were read from.
    """

    offers: tuple[Offer, ...]
    file: str = FILE

    @classmethod
    def load(cls, home: Path) -> Catalogue:
        """The catalogue of a home, HOME/catalogue.yaml; the bundled one where there is none.

        Raises:
            BadInputError: If the file cannot be read or something in it is wrong; with line, field, value and remedy.
        """
        path = catalogue_file(home)
        return cls.read(path) if os.path.lexists(path) else cls.bundled()

    @classmethod
    def bundled(cls) -> Catalogue:
        """The catalogue that ships with the package."""
        text = files("oneclick_pipeline.catalogue").joinpath(FILE).read_text(encoding="utf-8")
        return cls.parse(text, f"oneclick_pipeline/catalogue/{FILE}")

    @classmethod
    def read(cls, path: Path) -> Catalogue:
        """The catalogue of a file.

        Raises:
            BadInputError: See `load`.
        """
        if not os.path.lexists(path):
            raise BadInputError("the catalogue does not exist", file=str(path), remedy="give a YAML file")
        return cls(_Reader(str(path)).offers(yaml.read(path)), str(path))

    @classmethod
    def parse(cls, text: str, file: str = FILE) -> Catalogue:
        """The catalogue of a text.

        Raises:
            BadInputError: See `load`.
        """
        return cls(_Reader(file).offers(yaml.parse(text, file)), file)

    def valid_in(self, month: str) -> tuple[Offer, ...]:
        """The offers that may be in the plan of a snapshot month, in the order of the file."""
        month = check_month(month)
        return tuple(o for o in self.offers if (o.valid_from or month) <= month <= (o.valid_to or month))

    def __getitem__(self, offer_id: str) -> Offer:
        """The offer of an id.

        Raises:
            BadInputError: If there is none.
        """
        for offer in self.offers:
            if offer.id == offer_id:
                return offer
        known = ", ".join(offer.id for offer in self.offers)
        raise BadInputError("the catalogue has no such offer", file=self.file, value=offer_id, remedy=f"the offers are {known}")

    @property
    def digest(self) -> str:
        """Hash of what the offers say; comments and layout of the file do not matter."""
        text = json.dumps([asdict(offer) for offer in self.offers], ensure_ascii=False, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:32]


_FIELDS = tuple(Offer.__dataclass_fields__)
_CONDITION_FIELDS = tuple(Condition.__dataclass_fields__)


def priors(offers: Sequence[Offer]) -> pd.DataFrame:
    """What the catalogue expects of the effects on P(decline), as `campaigns` takes it: offer_id, mean, sd."""
    import pandas as pd

    rows = [(offer.id, offer.effect_mean, offer.effect_sd) for offer in offers]
    return pd.DataFrame(rows, columns=["offer_id", "mean", "sd"]).astype({"offer_id": object, "mean": float, "sd": float})


class _Reader:
    """Makes offers of YAML nodes; a node knows its line."""

    def __init__(self, file: str) -> None:
        self._file = file

    def offers(self, root: Node | None) -> tuple[Offer, ...]:
        if root is None:
            raise BadInputError("the catalogue is empty", file=self._file, remedy=f"write offers, or remove the file; {_REMEDY}")
        entries = self._list(self._mapping(root, ("offers",), "the catalogue", needed=("offers",))["offers"], "offers")
        if not entries:
            raise self._wrong(root, "offers: the list is empty", remedy="write at least one offer, or remove the file")
        offers: dict[str, Offer] = {}
        for number, node in enumerate(entries, start=1):
            offer = self._offer(node, number)
            if offer.id in offers:
                where = self._mapping(node, _FIELDS, offer.id)["id"]
                raise self._wrong(where, "field id: another offer already has it", remedy="give every offer its own id")
            offers[offer.id] = offer
        return tuple(offers.values())

    def _offer(self, node: Node, number: int) -> Offer:
        name = f"offer {number}"
        fields = self._mapping(node, _FIELDS, name, needed=_FIELDS)
        slug = self._text(fields["id"], f"{name}, field id")
        if not re.fullmatch(r"[a-z0-9_]{1,64}", slug) or slug in RESERVED_IDS:
            raise self._wrong(
                fields["id"],
                f"{name}, field id: it must be 1 to 64 small latin letters, digits or underscores, and not "
                + " or ".join(RESERVED_IDS),
                remedy="write it like basket_voucher: it names files and results",
            )
        place = {key: f"offer {slug}, field {key}" for key in _FIELDS}

        def number_of(key: str, low: float, high: float, *, above: bool = False) -> float:
            value = self._number(fields[key], place[key])
            if not (low < value if above else low <= value) or not value <= high:
                least = f"{'above' if above else 'at least'} {low:g}"
                problem = f"{place[key]}: it must be {least} and at most {high:g}"
                raise self._wrong(fields[key], problem, remedy="write a number within the limits")
            return value

        texts = {key: self._text(fields[key], place[key]) for key in ("title_ru", "title_en", "owner")}
        texts |= {key: self._message(fields[key], place[key]) for key in ("message_ru", "message_en")}
        first, last = (self._month(fields[key], place[key]) for key in ("valid_from", "valid_to"))
        if first and last and last < first:
            raise self._wrong(
                fields["valid_to"], f"{place['valid_to']}: it is before valid_from", remedy="make it the first month or later"
            )
        conditions = self._list(fields["conditions"], place["conditions"])
        return Offer(
            id=slug,
            channel=self._word(fields["channel"], place["channel"], CHANNELS),
            conditions=tuple(self._condition_or_any(c, place["conditions"]) for c in conditions),
            cost=number_of("cost", 0, _MOST_UNITS),
            capacity=self._capacity(fields["capacity"], place["capacity"]),
            effect_mean=number_of("effect_mean", -1, 1),
            effect_sd=number_of("effect_sd", 0, 1, above=True),
            valid_from=first,
            valid_to=last,
            **texts,
        )

    def _condition_or_any(self, node: Node, place: str) -> Condition | AnyOf:
        fields = self._mapping(node, (*_CONDITION_FIELDS, "any"), place)
        if "any" not in fields:
            return self._condition(node, place)
        self._mapping(node, ("any",), f"{place}, any")
        either = self._list(fields["any"], f"{place}, any")
        if not either:
            raise self._wrong(fields["any"], f"{place}, any: it holds no condition", remedy="write one or more, or remove it")
        return AnyOf(tuple(self._condition(c, f"{place}, any") for c in either))

    def _condition(self, node: Node, place: str) -> Condition:
        fields = self._mapping(node, _CONDITION_FIELDS, place, needed=("column", "op"))
        column = COLUMNS[self._word(fields["column"], f"{place}, column", tuple(COLUMNS))]
        op = cast("Operator", self._word(fields["op"], f"{place}, op", OPERATORS))
        operands = [key for key in ("value", "column_value", "quantile") if key in fields]
        if len(operands) != 1:
            raise self._wrong(
                node,
                f"{place}: {column.name} must be compared with exactly one of value, column_value, quantile",
                remedy="write one of them",
            )
        key = operands[0]
        operand, place = fields[key], f"{place}, {key}"
        numeric = column.type.is_number
        if not numeric and op not in ("==", "!=", "in"):
            raise self._wrong(
                fields["op"],
                f"{place}: {column.name} is not a number and has no order",
                remedy='compare it by "==", "!=" or "in"',
            )
        if key == "value":
            if op != "in":
                return Condition(column.name, op, value=self._value(operand, place, column))
            values = self._list(operand, place)
            if not values:
                raise self._wrong(operand, f"{place}: the list is empty, so it would fit no one", remedy="write a value")
            return Condition(column.name, op, value=tuple(self._value(v, place, column) for v in values))
        if not numeric or op == "in":
            raise self._wrong(operand, f"{place}: only numbers can be compared by order", remedy="write a value instead")
        if key == "column_value":
            other = self._word(operand, place, tuple(COLUMNS))
            if not COLUMNS[other].type.is_number:
                raise self._wrong(
                    operand, f"{place}: {other} is not a number, but {column.name} is", remedy="name a column of numbers"
                )
            return Condition(column.name, op, column_value=other)
        quantile = self._number(operand, place)
        if not 0 <= quantile <= 1:
            raise self._wrong(operand, f"{place}: it must be between 0 and 1", remedy="write 0.5 for the median")
        return Condition(column.name, op, quantile=quantile)

    def _value(self, node: Node, place: str, column: Column) -> Value:
        """A value that the column can have."""
        if column.type.is_number:
            return self._number(node, f"{place} of {column.name}")
        value = self._scalar(node, place)
        if column.kind == "bool":
            if isinstance(value, bool):
                return value
            raise self._wrong(node, f"{place}: {column.name} is true or false", remedy="write true or false")
        words = tuple(str(v) for v in dict.fromkeys(column.values.values()))
        return self._word(node, place, words) if words else self._text(node, place)

    def _mapping(self, node: Node, known: tuple[str, ...], place: str, needed: tuple[str, ...] = ()) -> dict[str, Node]:
        """The fields of a mapping: known ones only, each once, the needed ones among them."""
        if not yaml.is_mapping(node):
            raise self._wrong(node, f"{place}: fields with values are expected here", remedy=_REMEDY)
        fields: dict[str, Node] = {}
        for key, value in node.value:
            name = yaml.content_of(key)
            if name not in known:
                raise self._wrong(key, f"{place}: unknown field", remedy=f"the fields are {', '.join(known)}")
            if name in fields:
                raise self._wrong(key, f"{place}, field {name}: it appears twice", remedy="remove one of them")
            fields[name] = value
        if missing := [name for name in needed if name not in fields]:
            raise self._wrong(node, f"{place}, field {missing[0]}: it is missing", remedy=f"write it; {_REMEDY}", value=False)
        return fields

    def _list(self, node: Node, place: str) -> list[Node]:
        if not yaml.is_list(node):
            raise self._wrong(node, f"{place}: a list is expected here", remedy=_REMEDY)
        return list(node.value)

    def _scalar(self, node: Node, place: str) -> yaml.Scalar:
        """The plain value of a node: text, number, true, false, or None."""
        try:
            return yaml.scalar(node)
        except ValueError as error:  # a list, an unknown tag, the 45th of May, a number of a million digits
            raise self._wrong(node, f"{place}: {error}", remedy="write a number, or text in quotes") from error

    def _text(self, node: Node, place: str) -> str:
        """A text that is not empty, on one line."""
        value = self._scalar(node, place)
        if not isinstance(value, str):
            raise self._wrong(
                node, f"{place}: it must be text", remedy="write text, in quotes where YAML would read something else"
            )
        text = messages.plain(value)
        if not text:
            raise self._wrong(node, f"{place}: it is empty", remedy="write a text")
        return text

    def _message(self, node: Node, place: str) -> str:
        text = self._text(node, place)
        if unknown := messages.unknown_placeholders(text):
            raise self._wrong(
                node,
                f"{place}: {unknown[0]} is not a known placeholder",
                remedy="known are " + ", ".join(f"{{{name}}}" for name in messages.PLACEHOLDERS),
            )
        return text

    def _word(self, node: Node, place: str, words: tuple[str, ...]) -> str:
        """One of a closed list."""
        value = self._scalar(node, place)
        if not isinstance(value, str) or value not in words:
            raise self._wrong(node, f"{place}: it must be one of {', '.join(words)}", remedy="write one of these")
        return value

    def _number(self, node: Node, place: str) -> float:
        """A finite number."""
        value = self._scalar(node, place)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._wrong(node, f"{place}: it must be a number", remedy="write a number with a decimal point and no quotes")
        return float(value)

    def _capacity(self, node: Node, place: str) -> int | None:
        value = self._scalar(node, place)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**63:
            raise self._wrong(
                node, f"{place}: it must be a whole number, 0 or more, or null", remedy="write null where there is no limit"
            )
        return value

    def _month(self, node: Node, place: str) -> str | None:
        value = self._scalar(node, place)
        if value is None:
            return None
        try:
            return check_month(value if isinstance(value, str) else "")
        except BadInputError as error:
            raise self._wrong(
                node, f"{place}: it must be a month or null", remedy="write it as YYYY-MM, for example 2026-10"
            ) from error

    def _wrong(self, node: Node, problem: str, *, remedy: str, value: bool = True) -> BadInputError:
        return yaml.wrong(self._file, node, problem, remedy=remedy, value=value)
