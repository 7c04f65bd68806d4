import numpy as np
import pandas as pd
import pytest

from oneclick_pipeline.contracts.customers import FEATURE_NAMES
from oneclick_pipeline.contracts.model import TRAINING_SET
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.model.training_set import (
    digest,
    in_canonical_order,
    inputs,
    left_out,
    require_enough,
    sample,
    training_set,
)
from oneclick_pipeline.settings import Labels

from .conftest import copies, label, make_features, make_training


def test_training_set_keeps_its_contract(training):
    import polars as pl

    TRAINING_SET.contract().validate(pl.from_pandas(training))
    assert training["declined"].mean() == pytest.approx(0.45, abs=0.15)


def test_training_set_takes_regular_customers_with_a_class_only(features):
    some = features.assign(regular=features.index >= 10, activity=features["activity"].where(features.index % 2 == 0))
    assert sorted(label(some)["customer_id"]) == some.loc[10::2, "customer_id"].to_list()


def test_training_set_of_one_month_takes_the_class_of_the_same_snapshot(features, training):
    assert set(training["feature_month"]) == set(training["label_month"]) == {"2026-10"}
    assert set(training["label_source"]) == {"delivered"}
    classes = dict(zip(features["customer_id"], features["activity"] == "declined", strict=True))
    assert (training["customer_id"].map(classes) == training["declined"]).all()


@pytest.mark.parametrize("month", ["2026-10", "2026-09"])  # no class, and no snapshot of the month
def test_training_set_without_labels_is_refused(features, month):
    with pytest.raises(BadInputError, match=r"no regular customer of 2026-10 has an activity class") as error:
        training_set({month: features.assign(activity=None)}, month="2026-10", horizon=3, settings=Labels())
    assert error.value.remedy


def test_training_set_does_not_depend_on_the_order_of_rows(features, training):
    pd.testing.assert_frame_equal(training, label(features.sample(frac=1, random_state=3)))
    pd.testing.assert_frame_equal(in_canonical_order(training.sample(frac=1, random_state=2)), training)
    assert training["copies"].drop_duplicates().to_list() == list(range(training["copies"].nunique()))


def test_row_order_and_id_tell_nothing(features, training):
    place = np.arange(len(training))
    assert abs(np.corrcoef(place, training["declined"])[0, 1]) < 0.2
    assert abs(np.corrcoef(place, training["customer_id"])[0, 1]) < 0.2
    renumbered = label(features.assign(customer_id=features["customer_id"].to_numpy()[::-1]))
    pd.testing.assert_frame_equal(training.drop(columns="customer_id"), renumbered.drop(columns="customer_id"))


def test_copies_have_one_group_and_nobody_else():
    frame = make_features(6)
    frame.loc[4] = frame.loc[1]
    frame.loc[[2, 5], "revenue_m0"] = np.nan
    frame.loc[5, list(FEATURE_NAMES)] = frame.loc[2, list(FEATURE_NAMES)]
    assert copies(frame).to_list() == [0, 1, 2, 3, 1, 2]
    assert copies(frame.head(0)).to_list() == []
    linked = make_features(6).assign(customer_id=[1, 2, 3, 1, 4, 5])  # all months of a customer, and whatever they link
    linked.loc[4, list(FEATURE_NAMES)] = linked.loc[3, list(FEATURE_NAMES)]
    assert copies(linked).to_list() == [0, 1, 2, 0, 0, 3]


def test_copies_tell_no_zero_from_another_and_no_missing_value_from_another():
    frame = make_features(3).astype({"favourite_category": object})
    frame.loc[[1, 2], list(FEATURE_NAMES)] = frame.loc[0, list(FEATURE_NAMES)].to_list()
    frame["revenue_m0"] = [0.0, -0.0, 0.0]
    frame["favourite_category"] = [None, np.nan, None]
    assert copies(frame).to_list() == [0, 0, 0]


def test_inputs_read_any_type_of_the_same_values(features):
    other = features.assign(
        marketing_consent=features["marketing_consent"].astype(object),
        contacts_month=features["contacts_month"].astype("Int64"),
        service_level=features["service_level"].astype(object),
    )
    pd.testing.assert_frame_equal(inputs(features), inputs(other))
    gaps = features.head(3).astype({"marketing_consent": object, "favourite_category": object})
    gaps.loc[0, ["marketing_consent", "favourite_category", "revenue_m0"]] = None
    assert inputs(gaps).isna().sum().sum() == 3


def test_inputs_without_a_feature_are_refused(features):
    with pytest.raises(BadInputError, match="features are missing: promo_share"):
        inputs(features.drop(columns="promo_share"))


def test_digest_tells_contents_not_order(training):
    assert digest(training) == digest(training.sample(frac=1, random_state=1))
    assert digest(training) != digest(training.assign(declined=1 - training["declined"]))
    assert digest(training) != digest(training.assign(customer_id=training["customer_id"] + 1))


@pytest.mark.parametrize("label", [0, 1])
def test_one_class_is_refused(training, label):
    with pytest.raises(BadInputError, match=r"the same class, (stable|declined)") as error:
        require_enough(training.assign(declined=label), folds=5, inner_folds=3)
    assert error.value.remedy


def test_fewer_customers_than_folds_are_refused(training):
    few = pd.concat([training[training["declined"] == 0].head(20), training[training["declined"] == 1].head(4)])
    with pytest.raises(BadInputError, match=r"has 4 distinct customers; 5 folds with 3 inside need 5"):
        require_enough(few, folds=5, inner_folds=3)
    require_enough(few, folds=4, inner_folds=3)
    copied = training.assign(copies=np.where(training["declined"] == 1, 0, training["copies"] + 1))  # copies count once
    with pytest.raises(BadInputError, match="has 1 distinct customers"):
        require_enough(copied, folds=2, inner_folds=2)


def test_sample_keeps_groups_whole_and_classes_in_their_shares():
    training = make_training(400).assign(copies=np.arange(400) // 2)
    part = sample(training, 100)
    assert 90 <= len(part) <= 100
    assert (part["copies"].value_counts() == 2).all()
    assert part["declined"].mean() == pytest.approx(training["declined"].mean(), abs=0.1)
    assert sample(training, 400) is training


def drawn(*offered, p=0.25, among=()):
    """A month in which these customers got an offer, and others none by chance."""
    arms = dict.fromkeys(among, "control") | dict.fromkeys(offered, "offer")
    return pd.DataFrame({"customer_id": list(arms), "arm": list(arms.values()), "p_no_offer": p, "control_share": 0.1})


def test_customers_with_an_offer_are_left_out_and_the_others_represent_them(features):
    first, *others = features["customer_id"]
    later = features.assign(activity="stable")
    snapshots = {"2026-07": features, "2026-10": later.assign(activity=features["activity"])}
    months = {"2026-08": drawn(first, among=others[:10]), "2026-06": drawn(*others), "2026-10": drawn(*others)}
    rows = training_set(snapshots, month="2026-10", horizon=3, settings=Labels(), drawn=months).set_index("customer_id")
    assert sorted(rows.index) == sorted(others)  # what was sent before the features, or after the label, does not count
    assert rows.loc[others[:10], "weight"].tolist() == [4.0] * 10
    assert set(rows.loc[others[10:], "weight"]) == {1.0}
    assert set(rows["offered_left_out"]) == {1}


def test_class_of_the_same_snapshot_is_about_the_months_before_it(features):
    first, *others = features["customer_id"]
    months = {"2026-08": drawn(first), "2026-06": drawn(*others), "2026-10": drawn(*others)}
    rows = training_set({"2026-10": features}, month="2026-10", horizon=3, settings=Labels(), drawn=months)
    assert sorted(rows["customer_id"]) == sorted(others)


def test_store_that_sends_offers_to_everybody_is_told_to_hold_some_out(features):
    months = {"2026-09": drawn(*features["customer_id"])}
    with pytest.raises(BadInputError, match="every customer with a label got an offer in the 3 months before it"):
        training_set({"2026-10": features}, month="2026-10", horizon=3, settings=Labels(), drawn=months)


def test_digest_of_equal_weights_is_that_of_a_table_without_and_other_weights_change_it(training):
    before = training.drop(columns=["weight", "offered_left_out"])
    assert digest(before) == digest(training)
    assert left_out(before) is None
    assert digest(training.assign(weight=2.0)) != digest(training)


def test_sample_by_weight_keeps_shares_and_lets_rows_count_about_alike():
    rng = np.random.default_rng(1)
    rows = make_training(4000)
    rows = rows.assign(weight=np.where(rng.random(4000) < 0.1, 10.0, rng.uniform(1, 2, 4000)), profit=rng.random(4000))
    some = sample(rows, 1000)
    assert len(some) == pytest.approx(1000, abs=1)
    weight, all_weights = some["weight"], rows["weight"]
    assert (weight >= 1).all()
    assert np.average(some["declined"], weights=weight) == pytest.approx(
        np.average(rows["declined"], weights=all_weights), abs=0.003
    )
    assert weight.sum() ** 2 / (weight**2).sum() > 900  # drawn alike, they would hold as much as half of that
    heavy = sample(rows.assign(weight=np.where(rows.index < 5, 100.0, 1.0)), 400)
    assert heavy["weight"].max() == pytest.approx(100 * 395 / 3995)
    assert (heavy["weight"] > 1).sum() == 5
    pd.testing.assert_frame_equal(some, sample(rows, 1000))
