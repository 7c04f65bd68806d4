"""The catalogue: the bundled one is sound, and whatever is wrong with one is reported with line, field and value."""

from importlib.resources import files

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from oneclick_pipeline.catalogue import messages
from oneclick_pipeline.catalogue.messages import needed
from oneclick_pipeline.catalogue.offer import COLUMNS, AnyOf, Condition
from oneclick_pipeline.catalogue.reader import Catalogue
from oneclick_pipeline.cli import app
from oneclick_pipeline.errors import BadInputError

FIELDS = {
    "id": "voucher",
    "title_ru": "Купон",
    "title_en": "Voucher",
    "message_ru": '"В корзине {unpaid_items}"',
    "message_en": '"{unpaid_items} in the basket"',
    "channel": "push",
    "owner": "Retention",
    "conditions": '[{column: unpaid_items, op: ">=", value: 4}]',
    "cost": "0.06",
    "capacity": "null",
    "effect_mean": "-0.05",
    "effect_sd": "0.04",
    "valid_from": "null",
    "valid_to": "null",
}


def entry(**fields):
    """One offer, a field a line; None leaves a field out."""
    lines = [f"{key}: {value}" for key, value in (FIELDS | fields).items() if value is not None]
    return "  - " + "\n    ".join(lines) + "\n"


def text(*entries):
    return "offers:\n" + "".join(entries or [entry()])


def line_of(field):
    """Line of a field of the first offer; the header is line 1."""
    return list(FIELDS).index(field) + 2


def attempt(content):
    """The catalogue of a text, or how it was refused."""
    try:
        return Catalogue.parse(content), None
    except BadInputError as error:
        return None, error


def refused(content):
    with pytest.raises(BadInputError) as error:
        Catalogue.parse(content, "catalogue.yaml")
    assert error.value.file == "catalogue.yaml"
    assert error.value.remedy
    return error.value


def test_bundled_catalogue_has_eight_sensible_offers():
    catalogue = Catalogue.bundled()
    assert [offer.id for offer in catalogue.offers] == [
        "basket_voucher", "category_promo", "cross_category_bundle", "premium_trial",
        "premium_perks", "apology_bonus", "content_selection", "appliance_accessories",
    ]  # fmt: skip
    for offer in catalogue.offers:
        assert 0.02 <= offer.cost <= 0.12
        assert -0.1 < offer.effect_mean < 0
        assert 0 < offer.effect_sd <= 0.05
        assert offer.conditions
        assert (offer.valid_from, offer.valid_to) == (None, None)
        assert messages.columns(offer.message_ru) == messages.columns(offer.message_en)


def test_load_takes_the_file_of_the_home_or_else_the_bundled_one(tmp_path):
    assert Catalogue.load(tmp_path) == Catalogue.bundled()
    (tmp_path / "catalogue.yaml").write_text(text(), encoding="utf-8-sig")
    assert [offer.id for offer in Catalogue.load(tmp_path).offers] == ["voucher"]


def test_parse_reads_every_field():
    either = 'any: [{column: pages_per_visit, op: "<=", value: 4}, {column: minutes_m0, op: "<", column_value: minutes_m1}]'
    conditions = f'[{{column: segment, op: in, value: [core, grow]}}, {{column: profit, op: ">=", quantile: 0.5}}, {{{either}}}]'
    (offer,) = Catalogue.parse(text(entry(conditions=conditions, capacity=5, valid_from="2026-01", valid_to="2026-12"))).offers
    assert offer.conditions == (
        Condition("segment", "in", value=("core", "grow")),
        Condition("profit", ">=", quantile=0.5),
        AnyOf((Condition("pages_per_visit", "<=", value=4.0), Condition("minutes_m0", "<", column_value="minutes_m1"))),
    )
    assert [str(c) for c in offer.conditions] == [
        "segment in core, grow",
        "profit >= its 0.5 quantile",
        "pages_per_visit <= 4 or minutes_m0 < minutes_m1",
    ]
    assert (offer.cost, offer.capacity, offer.effect_mean, offer.effect_sd) == (0.06, 5, -0.05, 0.04)
    assert (offer.valid_from, offer.valid_to, offer.channel, offer.owner) == ("2026-01", "2026-12", "push", "Retention")
    assert needed(offer) == ("unpaid_items",)


@pytest.mark.parametrize(
    ("first", "last", "month", "stands"),
    [
        ("null", "null", "2026-10", True),
        ("2026-10", "null", "2026-10", True),
        ("2026-11", "null", "2026-10", False),
        ("null", "2026-10", "2026-10", True),
        ("null", "2026-09", "2026-10", False),
    ],
)
def test_valid_in_keeps_the_offers_of_the_month(first, last, month, stands):
    catalogue = Catalogue.parse(text(entry(valid_from=first, valid_to=last)))
    assert len(catalogue.valid_in(month)) == stands
    with pytest.raises(BadInputError, match="is not a month"):
        catalogue.valid_in("2026-13")


def test_digest_is_of_the_offers_and_not_of_the_layout():
    one = Catalogue.parse(text(), "a")
    assert one.digest == Catalogue.parse("# a comment\n" + text(), "b").digest
    assert one.digest != Catalogue.parse(text(entry(cost="0.07"))).digest
    assert one.digest != Catalogue.parse(text(entry(conditions="[]"))).digest


def test_an_offer_is_found_by_its_id_or_its_absence_told():
    catalogue = Catalogue.parse(text())
    assert catalogue["voucher"].title_en == "Voucher"
    with pytest.raises(BadInputError, match=r"value 'gift': the catalogue has no such offer.* the offers are voucher"):
        catalogue["gift"]


WRONG = {
    "id": ("Basket Voucher", '""', "../../etc", "all", "control", "a" * 65, "5"),
    "title_ru": ('""', '" \\n "'),
    "title_en": ("[a]", "null"),
    "message_ru": ('"Вам {name}"', '"{unpaid_items.__class__}"', '"{unpaid_items!r:>9}"'),
    "message_en": ('"{}"', '"open {"', '""'),
    "channel": ("pigeon",),
    "owner": ("{a: b}",),
    "conditions": ("all",),
    "cost": ("-0.01", "cheap", '"0.06"', ".nan", ".inf", "1e300", "true", "null", "9" * 400, "9" * 5000),
    "capacity": ("-1", "1.5", "many", "9" * 30),
    "effect_mean": ("-1.5",),
    "effect_sd": ("0", "-0.1", ".nan"),
    "valid_from": ("October", "2026-10-01", "2026-02-31"),
    "valid_to": ("2026-13", "!!python/object/apply:os.getcwd []", "!secret x"),
}  # fmt: skip
SHOWN = {
    ("id", '""'): "", ("title_ru", '""'): "", ("message_en", '""'): "", ("title_ru", '" \\n "'): " \n ",
    ("title_en", "[a]"): "a list", ("owner", "{a: b}"): "a mapping",
    ("valid_to", "!!python/object/apply:os.getcwd []"): "a list", ("valid_to", "!secret x"): "x",
}  # fmt: skip
"""Values that a message does not show as they stand in the file, but for their quotes."""


@pytest.mark.parametrize(("field", "value"), [(field, value) for field, values in WRONG.items() for value in values])
def test_wrong_value_is_named_with_line_field_and_value(field, value):
    error = refused(text(entry(**{field: value})))
    assert f"field {field}" in error.problem
    assert (error.line, error.value) == (line_of(field), SHOWN.get((field, value), value.strip('"')))


@pytest.mark.parametrize("field", FIELDS)
def test_missing_field_is_named(field):
    error = refused(text(entry(**{field: None})))
    assert f"field {field}: it is missing" in error.problem
    assert error.line == 2


END = len(FIELDS) + 2  # line after the first offer


@pytest.mark.parametrize(
    ("content", "problem", "line", "value"),
    [
        (text(entry() + "    costs: 1\n"), "unknown field", END, "costs"),
        (text(entry() + "    cost: 1\n"), "field cost: it appears twice", END, "cost"),
        (text(entry(), entry(title_ru="Другой")), "field id", END, "voucher"),
        (
            text(entry(valid_from="2026-10", valid_to="2026-09")),
            "field valid_to: it is before valid_from",
            line_of("valid_to"),
            "2026-09",
        ),
    ],
)
def test_fields_that_do_not_go_together_are_named(content, problem, line, value):
    error = refused(content)
    assert problem in error.problem
    assert (error.line, error.value) == (line, value)


@pytest.mark.parametrize(
    ("condition", "problem", "value"),
    [
        ('{column: unpaid, op: ">=", value: 4}', "conditions, column: it must be one of", "unpaid"),
        ('{column: customer_id, op: ">=", value: 4}', "conditions, column: it must be one of", "customer_id"),
        ('{column: activity, op: "==", value: declined}', "conditions, column: it must be one of", "activity"),
        ('{column: unpaid_items, op: "=>", value: 4}', "conditions, op: it must be one of", "=>"),
        ('{column: unpaid_items, op: ">=", value: four}', "value of unpaid_items: it must be a number", "four"),
        ('{column: unpaid_items, op: ">=", value: [4]}', "value of unpaid_items: one value is expected", "a list"),
        ("{column: unpaid_items, op: in, value: 4}", "value: a list is expected", "4"),
        ("{column: unpaid_items, op: in, value: []}", "value: the list is empty", "a list"),
        ("{column: unpaid_items, op: in, value: [4, x]}", "value of unpaid_items: it must be a number", "x"),
        ('{column: service_level, op: ">=", value: premium}', "service_level is not a number", ">="),
        ('{column: service_level, op: "==", value: gold}', "value: it must be one of standard, premium", "gold"),
        ('{column: service_level, op: "==", value: 1}', "value: it must be one of standard, premium", "1"),
        ('{column: favourite_category, op: "==", value: 5}', "value: it must be text", "5"),
        ('{column: marketing_consent, op: "==", value: 1}', "marketing_consent is true or false", "1"),
        ('{column: minutes_m0, op: "<", column_value: service_level}', "service_level is not a number", "service_level"),
        ('{column: service_level, op: "==", column_value: minutes_m0}', "only numbers can be compared by order", "minutes_m0"),
        ('{column: minutes_m0, op: "<", column_value: minutes}', "column_value: it must be one of", "minutes"),
        ('{column: profit, op: ">=", quantile: 50}', "quantile: it must be between 0 and 1", "50"),
        ("{column: profit, op: in, quantile: 0.5}", "only numbers can be compared by order", "0.5"),
        ('{column: segment, op: "==", quantile: 0.5}', "only numbers can be compared by order", "0.5"),
        ('{column: profit, op: ">="}', "exactly one of value, column_value, quantile", "a mapping"),
        ('{column: profit, op: ">=", value: 1, quantile: 0.5}', "exactly one of value, column_value, quantile", "a mapping"),
        ('{op: ">=", value: 1}', "field column: it is missing", None),
        ("{column: profit, value: 1}", "field op: it is missing", None),
        ('{column: profit, op: ">=", value: 1, weight: 2}', "unknown field", "weight"),
        ("{any: []}", "any: it holds no condition", "a list"),
        ("{any: 5}", "any: a list is expected", "5"),
        ('{any: [{column: profit, op: ">=", value: 1}], op: ">="}', "unknown field", "op"),
        ("{any: [{any: []}]}", "unknown field", "any"),
        ("profit > 1", "fields with values are expected", "profit > 1"),
        ("__import__('os').getcwd()", "fields with values are expected", "__import__('os').getcwd()"),
    ],
)
def test_wrong_condition_is_told(condition, problem, value):
    error = refused(text(entry(conditions=f"\n      - {condition}")))
    assert error.problem.startswith("offer voucher, field conditions")
    assert problem in error.problem
    assert (error.line, error.value) == (line_of("conditions") + 1, value)


@pytest.mark.parametrize(
    ("content", "problem", "line"),
    [
        ("", "the catalogue is empty", None),
        ("# nothing\n", "the catalogue is empty", None),
        ("offers:\n", "offers: a list is expected", 1),
        ("offers: []\n", "offers: the list is empty", 1),
        ("- id: a\n", "fields with values are expected", 1),
        ("offer: []\n", "unknown field", 1),
        ("offers:\n  - voucher\n", "fields with values are expected", 2),
        ("offers:\n  - [a: b\n", "not valid YAML", 3),
        ("offers: *nobody\n", "not valid YAML", 1),
        ("offers: []\n---\noffers: []\n", "not valid YAML", 2),
        ("offers:\n  - op: >=\n", "not valid YAML", 2),
        ("offers: \x00", "not valid YAML", 1),
        ("[" * 1500, "not valid YAML", 1),
        ("offers: &a [*a]\n", "not valid YAML", 1),
        ("offers: [{<<: {id: x}}]\n", "unknown field", 1),
        ("offers: [{[1, 2]: x}]\n", "unknown field", 1),
    ],
)
def test_file_that_is_no_catalogue_is_told(content, problem, line):
    error = refused(content)
    assert problem in error.problem
    assert error.line == line


def test_file_that_cannot_be_read_is_told(tmp_path):
    path = tmp_path / "catalogue.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadInputError, match=r"catalogue\.yaml, line 1: it cannot be read: it is not UTF-8"):
        Catalogue.load(tmp_path)
    with pytest.raises(BadInputError, match="it cannot be read"):
        Catalogue.read(tmp_path)


def test_yaml_runs_no_code(tmp_path):
    refused(text(entry(cost=f"!!python/object/apply:os.mkdir ['{tmp_path}/made']")))
    assert not (tmp_path / "made").exists()


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.dates(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=4,
)
BUNDLED = yaml.safe_load(files("oneclick_pipeline.catalogue").joinpath("catalogue.yaml").read_text(encoding="utf-8"))["offers"]


@settings(deadline=None)  # YAML is read in Python: a slow machine needs longer than the default
@given(st.sampled_from(BUNDLED), st.sampled_from(list(FIELDS)), anything)
def test_any_damaged_field_is_read_or_named(offer, field, value):
    content = {"offers": [offer | {field: value}]}
    read, error = attempt(yaml.safe_dump(content, allow_unicode=True))
    if error:
        assert f"field {field}" in error.problem
        assert error.line is not None
    else:
        assert getattr(read.offers[0], field) is not None or field in ("capacity", "valid_from", "valid_to")


@settings(deadline=None)
@given(st.sampled_from(BUNDLED), st.sampled_from(["column", "op", "value", "any"]), anything)
def test_any_damaged_condition_is_read_or_named(offer, field, value):
    content = {"offers": [offer | {"conditions": [offer["conditions"][0] | {field: value}]}]}
    read, error = attempt(yaml.safe_dump(content, allow_unicode=True))
    if error:
        assert "field conditions" in error.problem
        assert error.line is not None
    else:
        assert len(read.offers[0].conditions) == 1


@given(st.text())
def test_any_text_is_read_or_refused(content):
    read, error = attempt(content)
    assert (read is None) == bool(error and error.remedy)


def test_conditions_know_neither_target_nor_key():
    assert {"customer_id", "activity"}.isdisjoint(COLUMNS)
    assert {"p_decline", "profit", "segment", "unpaid_items"} <= set(COLUMNS)


def test_command_shows_the_offers_of_a_file_or_tells_what_is_wrong(tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    path = tmp_path / "mine.yaml"
    path.write_text(text(entry(capacity=5, valid_to="2026-12", title_ru='"[red]Купон"', conditions="[]")), encoding="utf-8")
    shown = CliRunner().invoke(app.app, ["offers", "check", str(path)])
    assert shown.exit_code == 0
    for part in ("voucher", "[red]Купон", "everybody", "cost 0.06", "effect -0.050 ± 0.040", "at most 5 a month", "to 2026-12"):
        assert part in shown.output
    assert f"1 offers in {path}" in shown.output
    bundled = CliRunner().invoke(app.app, ["offers", "check", "--home", str(tmp_path)])
    assert "8 offers in oneclick_pipeline/catalogue/catalogue.yaml" in bundled.output
    path.write_text(text(entry(cost="-1")), encoding="utf-8")
    wrong = CliRunner().invoke(app.app, ["offers", "check", str(path)])
    assert isinstance(wrong.exception, BadInputError)
    assert wrong.exception.line == line_of("cost")
