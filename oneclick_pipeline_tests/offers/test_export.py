"""The offers file: who may be in it, what a spreadsheet makes of it, and that it is written once."""

import csv
import io

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oneclick_pipeline.catalogue.reader import Catalogue
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.home import write_once
from oneclick_pipeline.offers import export

MONTH = "2026-10"
CATALOGUE = Catalogue.bundled()


def plan(*rows):
    """`contracts.offers.OFFER_PLAN`, as far as the export reads it, of (customer_id, arm, offer_id)."""
    frame = pd.DataFrame(rows, columns=["customer_id", "arm", "offer_id"])
    return frame.astype({"customer_id": "int64", "arm": "str", "offer_id": "object"})


def features(ids, **columns):
    values = {
        "marketing_consent": True,
        "favourite_category": "Книги",
        "unpaid_items": 3,
        "service_errors": 7,
        "tenure_days": 800,
    }
    return pd.DataFrame({"customer_id": list(ids), **(values | columns)})


def offers_csv(*given):
    """The bytes of the file."""
    return export._csv(export.offers_frame(*given))


def rows_of(content):
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""), delimiter=";"))


PLAN = plan((3, "offer", "basket_voucher"), (1, "offer", "premium_trial"), (2, "control", "premium_perks"), (4, "none", None))
FEATURES = features([1, 2, 3, 4])


def test_offers_file_holds_who_gets_an_offer_and_the_filled_message():
    content = offers_csv(PLAN, FEATURES, CATALOGUE, MONTH)
    dates = {"valid_from": "2026-11-01", "valid_to": "2026-11-30"}
    assert rows_of(content) == [
        {
            "customer_id": "1",
            "offer_id": "premium_trial",
            "message": "Вы с нами 2 года. Попробуйте премиум-сервис: первый месяц бесплатно.",
            "channel": "email",
            **dates,
        },
        {
            "customer_id": "3",
            "offer_id": "basket_voucher",
            "message": "В вашей корзине 3 товара. Завершите заказ до конца месяца: дарим купон на скидку 5 %.",
            "channel": "push",
            **dates,
        },
    ]


def test_offers_file_opens_in_a_russian_spreadsheet():
    content = offers_csv(PLAN, FEATURES, CATALOGUE, MONTH)
    assert content.startswith(b"\xef\xbb\xbfcustomer_id;offer_id;message;channel;valid_from;valid_to\r\n")
    assert content.endswith(b"\r\n")


def test_plan_without_offers_is_a_file_with_a_header():
    content = offers_csv(plan((2, "control", "premium_perks")), FEATURES, CATALOGUE, MONTH)
    assert content == b"\xef\xbb\xbfcustomer_id;offer_id;message;channel;valid_from;valid_to\r\n"


def test_order_of_rows_changes_no_byte():
    assert offers_csv(PLAN, FEATURES, CATALOGUE, MONTH) == offers_csv(PLAN.iloc[::-1], FEATURES.iloc[::-1], CATALOGUE, MONTH)


@pytest.mark.parametrize(
    ("category", "cell"),
    [
        ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'=1"),
        ("\r=1", "'=1"),
        ("＝1", "'＝1"),
        ("a=1", "a=1"),
        ('say "x"; =1', 'say "x"; =1'),
        ("a\r\n=1;2", "a =1;2"),
    ],
)
def test_message_that_begins_like_a_formula_is_text(category, cell):
    text = CATALOGUE.offers[1]
    told = Catalogue((type(text)(**{**vars(text), "message_ru": "{favourite_category} для вас"}),))
    content = offers_csv(plan((1, "offer", text.id)), features([1], favourite_category=category), told, MONTH)
    (row,) = rows_of(content)
    assert row["message"] == cell + " для вас"
    assert content.count(b"\r\n") == 2
    assert content.count(b"\r") == content.count(b"\n") == 2


people = st.lists(
    st.tuples(
        st.sampled_from(["offer", "control", "none"]),
        st.sampled_from([o.id for o in CATALOGUE.offers]),
        st.sampled_from([True, True, True, False, None]),
    ),
    max_size=12,
)


@settings(max_examples=50, deadline=None)  # the CSV writer is loaded by the first example
@given(people, st.booleans())
def test_nobody_without_consent_and_no_control_is_ever_exported(people, sensible):
    """Whatever the plan says: a sensible one never offers without consent, another one is refused whole."""
    if sensible:
        people = [("none" if consent is not True else arm, offer, consent) for arm, offer, consent in people]
    table = plan(*((i, arm, offer) for i, (arm, offer, _) in enumerate(people)))
    known = features(range(len(people)), marketing_consent=pd.Series([consent for *_, consent in people], dtype=object))
    allowed = all(consent is True for arm, _, consent in people if arm == "offer")
    if not allowed:
        with pytest.raises(BadInputError, match="without known consent"):
            offers_csv(table, known, CATALOGUE, MONTH)
        return
    exported = {int(row["customer_id"]) for row in rows_of(offers_csv(table, known, CATALOGUE, MONTH))}
    assert exported == {i for i, (arm, _, consent) in enumerate(people) if arm == "offer" and consent is True}


def test_customer_who_is_not_in_the_features_is_refused():
    with pytest.raises(BadInputError, match=r"value '9': the plan of 2026-10 gives offers to 1 customers without known consent"):
        offers_csv(plan((9, "offer", "premium_perks")), FEATURES, CATALOGUE, MONTH)


@pytest.mark.parametrize("offer_id", ["gift", None])
def test_offer_that_is_not_in_the_catalogue_is_refused(offer_id):
    with pytest.raises(BadInputError, match="the catalogue has no such offer"):
        offers_csv(plan((1, "offer", offer_id)), FEATURES, CATALOGUE, MONTH)


def write(home, table=PLAN, **options):
    return export.write_export(home, MONTH, table, FEATURES, CATALOGUE, **options)


def files(home):
    return sorted(path.name for path in (home / "exports" / MONTH).iterdir())


def test_export_is_written_once(tmp_path):
    first = write(tmp_path)
    assert (first.path, first.rows, first.written, first.replaced) == (
        tmp_path / "exports" / MONTH / "offers.csv",
        2,
        True,
        None,
    )
    assert first.path.read_bytes() == offers_csv(PLAN, FEATURES, CATALOGUE, MONTH)
    stamp = first.path.stat().st_mtime_ns, first.path.stat().st_ino
    for replan in (False, True):
        again = write(tmp_path, PLAN.iloc[::-1], replan=replan)
        assert (again.written, again.digest, again.replaced) == (False, first.digest, None)
    assert (first.path.stat().st_mtime_ns, first.path.stat().st_ino) == stamp
    assert files(tmp_path) == ["offers.csv"]


def test_another_plan_needs_replan_and_the_old_file_is_kept(tmp_path):
    old = write(tmp_path).path.read_bytes()
    with pytest.raises(BadInputError, match=r"offers\.csv: another plan for 2026-10 was already published.*--replan"):
        write(tmp_path, PLAN[:1])
    assert (tmp_path / "exports" / MONTH / "offers.csv").read_bytes() == old
    second = write(tmp_path, PLAN[:1], replan=True)
    assert (second.written, second.rows, second.replaced.name) == (True, 1, "offers.replaced-1.csv")
    assert second.replaced.read_bytes() == old
    third = write(tmp_path, PLAN[:2], replan=True)
    assert third.replaced.name == "offers.replaced-2.csv"
    assert files(tmp_path) == ["offers.csv", "offers.replaced-1.csv", "offers.replaced-2.csv"]


def test_replan_that_dies_half_way_leaves_the_old_file_and_can_be_repeated(tmp_path, monkeypatch):
    old = write(tmp_path).path.read_bytes()
    names = []

    def die_before_the_new(descriptor):
        names.append(descriptor)
        if len(names) == 3:  # the old file, its folder, the new file
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(write_once.os, "fsync", die_before_the_new)
        with pytest.raises(KeyboardInterrupt):
            write(tmp_path, PLAN[:1], replan=True)
    assert (tmp_path / "exports" / MONTH / "offers.csv").read_bytes() == old
    assert write(tmp_path, PLAN[:1], replan=True).replaced.name == "offers.replaced-1.csv"
    assert files(tmp_path) == ["offers.csv", "offers.replaced-1.csv"]


def test_refused_plan_writes_nothing(tmp_path):
    with pytest.raises(BadInputError, match="no such offer"):
        write(tmp_path, plan((1, "offer", "gift")))
    assert not (tmp_path / "exports").exists()


@pytest.mark.parametrize("month", ["../../2026-10", "2026-13", "x"])
def test_month_cannot_climb_out_of_the_home(tmp_path, month):
    with pytest.raises(BadInputError, match="is not a month"):
        export.write_export(tmp_path, month, PLAN, FEATURES, CATALOGUE)


def test_home_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "exports").write_text("a file where a folder should be")
    with pytest.raises(BadInputError, match=r"offers\.csv: the offers file cannot be written"):
        write(tmp_path)
