"""The header of a file of outcomes: another file is answered with what a campaign needs."""

import pytest

from oneclick_pipeline.campaigns.outcomes_csv import read
from oneclick_pipeline.errors import BadInputError


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("user_id,variant,revenue", ["«customer_id» is missing (is it «user_id»?)", "«offer_id» is missing (is it «variant»?)"]),
        ("Клиент;Группа;Выручка", ["is it «Клиент»?", "is it «Группа»?"]),
        ("ID клиента;Группа;Выручка", ["is it «ID клиента»?"]),
        ("ID,Campaign,revenue", ["is it «ID»?", "«offer_id» is missing."]),
        ("customer_id\toffer\trevenue", ["«offer_id» is missing (is it «offer»?)"]),
        ("customerid|offerid|revenue", ["is it «customerid»?", "is it «offerid»?"]),
        ("a,b,c", ["«customer_id» is missing, «offer_id» is missing"]),
        ("id,Период,Выручка", ["an export of the store (market_money)", "is it «id»?"]),
        ("P\0K\3\4", ["looks binary"]),
        ("id;Прибыль", ["an export of the store (money)"]),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_another_file_is_answered_with_what_a_campaign_needs(write, header, words, encoding):
    path = write(f"{header}\n1,2,3\n".encode(encoding))
    with pytest.raises(BadInputError) as error:
        read(path)
    message = str(error.value)
    assert message.startswith(f"{path}, line 1")
    assert all(word in message for word in [*words, "customer_id", "offer_id", "numeric", "revenue_before", "`control`"]), message
    assert "no export of the store" not in message
