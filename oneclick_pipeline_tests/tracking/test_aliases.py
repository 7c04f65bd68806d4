"""An alias that somebody else set makes no champion."""

import pytest

from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.tracking import CHAMPION, MODEL, PREVIOUS
from oneclick_pipeline_tests.tracking.trainings import log


def test_alias_that_somebody_else_set_makes_no_champion(store):
    """The alias stands in MLflow's database; a version that we never promoted does not score by it."""
    client = store._client()
    client.set_registered_model_alias(MODEL, CHAMPION, "2")
    with pytest.raises(BadInputError, match="model version 2 has the alias champion, and oneclick never made it the champion"):
        store.require_champion()
    client.set_registered_model_alias(MODEL, CHAMPION, "1")
    client.set_registered_model_alias(MODEL, PREVIOUS, "2")
    with pytest.raises(BadInputError, match="has the alias previous, and oneclick never made it the champion"):
        store.rollback()
    assert store.require_champion().version == 1


def test_alias_that_somebody_moved_to_an_earlier_champion_brings_it_not_back(store):
    """Both were promoted once; which one is champion is known by the home."""
    store.promote(2, force=True)
    client = store._client()
    client.set_registered_model_alias(MODEL, CHAMPION, "1")
    for use in (store.require_champion, store.rollback):
        with pytest.raises(BadInputError, match=r"(1|no previous)"):
            use()
    with pytest.raises(BadInputError, match="version 1 has the alias champion, but oneclick gave it to version 2"):
        store.require_champion()
    assert store.promote(2, force=True).version == 2
    assert (store.require_champion().version, store.aliases()[PREVIOUS]) == (2, 1)


def test_alias_of_the_previous_champion_that_somebody_moved_is_not_gone_back_to(store, trained, training):
    log(store, trained, training, "2026-12")
    for number in (2, 3):
        store.promote(number, force=True)
    store._client().set_registered_model_alias(MODEL, PREVIOUS, "1")
    with pytest.raises(BadInputError, match="version 1 has the alias previous, but oneclick gave it to version 2"):
        store.rollback()
    store.promote(3, force=True)
    assert store.rollback().version == 2


def test_home_in_which_nobody_was_chosen_yet_goes_on_with_its_champion(store):
    """One that was made before choices were kept."""
    (store.folder / "registered" / "chosen.json").unlink()
    assert store.require_champion().version == 1
    store.promote(2, force=True)
    assert (store.require_champion().version, store.rollback().version) == (2, 1)


@pytest.mark.parametrize("content", [b"", b"[]", b'{"champion": 1}', b'{"champion": ["x"]}', b"\xff"])
def test_choice_that_is_damaged_is_told_with_a_remedy(store, content):
    (store.folder / "registered" / "chosen.json").write_bytes(content)
    with pytest.raises(BadInputError, match=r"chosen\.json: the record of the champion is damaged.*oneclick model promote N"):
        store.require_champion()
