import numpy as np
import pytest
from scipy import stats

from oneclick_pipeline.experiment.draws import draw, hashes, uniforms
from oneclick_pipeline.settings import Offers

IDS = np.arange(100_000)


def p_independent(a, b):
    """p-value of a chi-square test that two draws are uniform and independent on a 10 x 10 grid."""
    counts = np.histogram2d(a, b, bins=10, range=[[0, 1], [0, 1]])[0]
    return stats.chisquare(counts.ravel()).pvalue


@pytest.mark.parametrize("ids", [IDS, IDS * 1000 + 215_348, 2**40 - IDS], ids=["in a row", "far apart", "large"])
def test_uniforms_are_uniform_and_independent_of_the_id(ids):
    drawn = uniforms(ids, "salt", "explore", "2026-10")
    assert ((drawn >= 0) & (drawn < 1)).all()
    assert stats.chisquare(np.histogram(drawn, bins=1000, range=(0, 1))[0]).pvalue > 0.001
    assert p_independent(drawn[:-1], drawn[1:]) > 0.001
    assert p_independent(drawn, np.arange(len(ids)) % 10 / 10 + 0.05) > 0.001


@pytest.mark.parametrize(
    "other",
    [("salt", "arm", "2026-10"), ("salt", "explore", "2026-11"), ("other", "explore", "2026-10"), ("salt", "explore", "")],
    ids=["purpose", "month", "salt", "no month"],
)
def test_other_purposes_months_and_salts_are_independent(other):
    assert p_independent(uniforms(IDS, "salt", "explore", "2026-10"), uniforms(IDS, *other)) > 0.001


def test_parts_of_the_key_do_not_run_into_one_another():
    assert (hashes(IDS, "ab", "c") != hashes(IDS, "a", "bc")).all()


def test_hashes_of_all_customers_differ():
    assert len(np.unique(hashes(IDS, "salt", "ties"))) == len(IDS)


def test_draws_of_a_customer_depend_on_nobody_else():
    settings = Offers()
    everybody, alone = draw(IDS, settings, "2026-10"), draw(np.array([77]), settings, "2026-10")
    for name in ("hold_out", "explore", "arm", "control"):
        assert getattr(alone, name)[0] == getattr(everybody, name)[77]
        assert getattr(draw(IDS[::-1], settings, "2026-10"), name)[::-1].tolist() == getattr(everybody, name).tolist()


def test_hold_out_is_the_same_in_every_month_and_nothing_else_is():
    first, second = (draw(IDS, Offers(), month) for month in ("2026-10", "2026-11"))
    assert (first.hold_out == second.hold_out).all()
    assert all((getattr(first, name) != getattr(second, name)).all() for name in ("explore", "arm", "control"))
