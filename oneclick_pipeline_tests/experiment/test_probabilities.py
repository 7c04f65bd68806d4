import numpy as np
import pytest

from oneclick_pipeline.experiment.draws import draw
from oneclick_pipeline.experiment.exploration import NOTHING, Wave, explore
from oneclick_pipeline.experiment.probabilities import no_offer_in_all, probabilities
from oneclick_pipeline.settings import Offers

PLENTY = {"cost": np.ones(3), "budget": np.inf, "capacity": np.full(3, np.inf)}
SALTS = 3000
SHARES = Offers(control_share=0.15, exploration_share=0.4, offer_control_share=0.25)
FITS = np.array([[True, True, True], [True, False, True], [False, True, False], [True, True, False], [False, False, False]])
POLICY = np.array([1, 2, 1, -1, -1], dtype=np.int16)


def realised(waves_given):
    """Frequency of every (arm, offer) of five customers over many salts, the probability of each, and those of the customer."""
    people = len(FITS)
    counts, stored, own = {}, {}, []
    for number in range(SALTS):
        settings = SHARES.model_copy(update={"salt": f"salt {number}"})
        draws = draw(np.arange(people), settings, "2026-10")
        choice, waves = explore(FITS, draws, settings, **PLENTY)
        if waves_given:  # as if the second offer had run out half-way
            waves = waves_given
            late = draws.explore >= waves[1].begin
            second = explore(FITS & waves[1].is_open, draws, settings, **PLENTY)[0]
            choice = np.where(late, second, choice).astype(np.int16)
        p = probabilities(FITS, POLICY, choice, waves, settings)
        own.append(np.array([p.no_offer, p.control, p.explore]))
        for i in range(people):
            if draws.hold_out[i] < settings.control_share:
                cell, value = ("control", int(POLICY[i])), p.withheld[i]
            elif choice[i] != NOTHING:
                cell, value = ("offer" if choice[i] >= 0 else "control", max(int(choice[i]), -1)), p.explored[i]
            elif POLICY[i] < 0:
                cell, value = ("none", -1), p.nothing[i]
            elif draws.control[i] < settings.offer_control_share:
                cell, value = ("control", int(POLICY[i])), p.withheld[i]
            else:
                cell, value = ("offer", int(POLICY[i])), p.plan[i]
            counts[i, cell] = counts.get((i, cell), 0) + 1
            stored.setdefault((i, cell), set()).add(round(float(value), 12))
    assert np.ptp(own, axis=0).max() < 1e-12  # whatever became of them
    return counts, stored, own[0]


@pytest.mark.parametrize(
    "waves",
    [(), (Wave(0, 0.2, np.array([True, True, True])), Wave(0.2, 0.4, np.array([True, False, True])))],
    ids=["room for all", "an offer runs out"],
)
def test_probabilities_are_the_frequencies_over_salts(waves):
    counts, stored, own = realised(waves)
    for cell, count in counts.items():
        assert len(stored[cell]) == 1, f"{cell}: one arm, one probability, however it came about"
        (p,) = stored[cell]
        error = np.sqrt(p * (1 - p) / SALTS)
        assert abs(count / SALTS - p) < 4 * error + 1e-9, cell
    for i in range(len(FITS)):
        assert sum(next(iter(p)) for (k, _), p in stored.items() if k == i) == pytest.approx(1)
    certain = {cell: next(iter(p)) for cell, p in stored.items()}
    for i, (no_offer, control, explore_) in enumerate(own.T):
        assert no_offer == pytest.approx(sum(p for (k, (arm, _)), p in certain.items() if k == i and arm != "offer"))
        if POLICY[i] < 0:  # whoever is control is so by hold-out or exploration
            assert control == pytest.approx(certain.get((i, ("control", -1)), SHARES.control_share))
        stretches = waves or (Wave(0.0, SHARES.exploration_share, np.array([True] * 3)),)
        share = sum(wave.end - wave.begin for wave in stretches if (FITS[i] & wave.is_open).any())
        assert explore_ == pytest.approx((1 - SHARES.control_share) * share)
    assert own[0, 4] == 1.0  # nothing fits and nothing is planned


def test_offers_that_fit_and_cannot_be_explored_do_not_count():
    """The third customer may explore nothing: they are held out, or get what the policy chooses."""
    settings = Offers(control_share=0.1, exploration_share=0.2, offer_control_share=0.05)
    explorable = np.array([[True, True], [True, False], [False, False]])
    nothing = np.full(3, NOTHING, dtype=np.int16)
    p = probabilities(
        explorable, np.array([0, 0, 0], dtype=np.int16), nothing, (Wave(0.0, 0.2, np.array([True, True])),), settings
    )
    assert p.control == pytest.approx([0.1 + 0.9 * 0.2 / 3, 0.1 + 0.9 * 0.2 / 2, 0.1])
    assert p.explore == pytest.approx([0.18, 0.18, 0.0])
    assert p.no_offer == pytest.approx([*(p.control[:2] + 0.9 * 0.8 * 0.05), 0.1 + 0.9 * 0.05])


def test_months_together_know_that_the_hold_out_is_for_good():
    p, h = np.array([0.3, 1.0, 0.3]), np.full(3, 0.1)
    each = (0.3 - 0.1) / 0.9
    both = no_offer_in_all([p, np.array([0.3, 1.0, 1.0])], [h, np.array([0.1, np.nan, np.nan])])
    assert both == pytest.approx([0.1 + 0.9 * each**2, 1.0, 0.3])
    assert no_offer_in_all([], []) == pytest.approx([1.0])


@pytest.mark.parametrize("shares", [(0.1, 0.2, 0.2), (0.2, 0.1, 0.1), (0.0, 0.3, 0.1)])
def test_months_together_know_that_the_share_held_out_has_changed(shares):
    """Whoever is held out of one month was taken to be held out of all: up to six times too likely to get no offer."""
    rng = np.random.default_rng(1)
    hold_out, each = rng.random(400_000), (0.05, 0.2, 0.1)
    none = np.all([(hold_out < h) | (rng.random(400_000) < q) for h, q in zip(shares, each, strict=True)], axis=0)
    months = [np.array([h + (1 - h) * q]) for h, q in zip(shares, each, strict=True)]
    assert no_offer_in_all(months, [np.array([h]) for h in shares]) == pytest.approx([none.mean()], abs=0.002)
