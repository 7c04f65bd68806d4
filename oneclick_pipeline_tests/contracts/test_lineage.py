"""Every column of the wide table and of the scores says where it comes from."""

import pytest

from oneclick_pipeline.contracts.customers import FEATURE_NAMES
from oneclick_pipeline.contracts.lineage import ORIGINS, Origin, rows
from oneclick_pipeline.contracts.tables import TABLES


@pytest.mark.parametrize("table", ORIGINS)
def test_origins_are_of_every_column_in_order(table):
    assert [origin.column for origin in ORIGINS[table]] == TABLES[table].names
    assert all(column in TABLES[source].names for origin in ORIGINS[table] for source, column in origin.sources)
    assert all(rule for _, _, rule in rows(table))


def test_origins_go_back_to_files_and_columns():
    features = {column: (places, rule) for column, places, rule in rows("customer_features")}
    assert features["`minutes_m1`"] == ("market_time.csv «минут», market_time.csv «Период»", "the row of «предыдущий_месяц»")
    assert features["`marketing_consent`"][0] == "market_file.csv «Разрешить сообщать»"
    scores = {column: places for column, places, _ in rows("customer_scores")}
    assert scores["`p_decline`"] == "all features"
    assert scores["`value_at_risk`"] == "all features, money.csv «Прибыль»"
    assert scores["`model_name`"] == "–"


def test_some_features_are_not_all_of_them():
    some = tuple(("customer_features", name) for name in FEATURE_NAMES[1:3])
    assert Origin("x", some, "sum").exports == "market_file.csv «Разрешить сообщать», market_file.csv «Маркет_актив_6_мес»"
