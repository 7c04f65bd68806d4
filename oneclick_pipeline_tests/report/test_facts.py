"""Figures of the page from tables small enough to be reckoned by hand."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from oneclick_pipeline.contracts.campaigns import OFFER_EFFECTS
from oneclick_pipeline.contracts.offers import OFFER_PLAN
from oneclick_pipeline.report.changes import changes
from oneclick_pipeline.report.estimates import difference
from oneclick_pipeline.report.facts import gather
from oneclick_pipeline.report.focus import focus
from oneclick_pipeline.report.offers import campaigns, plan
from oneclick_pipeline.report.quality import quality
from oneclick_pipeline.report.source import Before
from oneclick_pipeline.segments import customer_segments, segment_profiles, thresholds
from oneclick_pipeline.settings import Offers, Settings, Value
from oneclick_pipeline.stats import Interval, normal
from oneclick_pipeline_tests.report.months import (
    BELIEFS,
    CUSTOMERS,
    ERRORS,
    MONTH,
    OFFERS,
    curve,
    drift,
    facts,
    features,
    frame,
    health,
    judged,
    month,
    scores,
    summary,
)


def segments_of(rows):
    """customer_segments from (id, segment, p, value at risk)."""
    names = ["customer_id", "segment", "p_decline", "value_at_risk"]
    return pd.DataFrame(rows, columns=names).assign(profit=1.0)


def test_totals_are_those_of_the_tables():
    found = facts()
    p = np.where(np.arange(CUSTOMERS) < 40, 0.9, 0.1)
    assert (found.customers, found.regular, found.scored) == (120, 120, 120)
    assert found.declines.estimate == pytest.approx(p.sum())
    own = 0.02**2 * (40**2 + 80**2)  # of the model, in the two bands
    assert found.declines.high - found.declines.estimate == pytest.approx(1.959964 * np.sqrt(120 * 0.09 + own))
    assert found.at_risk.estimate == pytest.approx(month().segments["value_at_risk"].sum())
    assert found.profit == pytest.approx(3 * features()["profit"].sum())
    assert sum(g.customers for g in found.groups) == CUSTOMERS
    assert sum(g.at_risk.estimate for g in found.groups if g.at_risk) == pytest.approx(found.at_risk.estimate)


def test_changes_of_two_tiny_months():
    then = segments_of([(1, "core", 0.1, 0.3), (2, "core", 0.2, 0.6), (3, "save_first", 0.9, 2.7)])
    now = segments_of([(2, "save_first", 0.8, 2.4), (3, "save_first", 0.9, 2.7), (4, "core", 0.1, 0.3), (5, "grow", 0.1, 0.3)])
    found = changes(Before("2026-09", then, None, 1, {}, {}), replace(month(), segments=now))
    assert (found.customers, found.came, found.left, found.stayed, found.moved) == ((3, 4), 2, 1, 2, 1)
    assert (found.declines, found.at_risk) == (None, None)  # the month before has no profiles
    (move,) = found.moves
    assert (move.origin.id, move.target.id, move.customers) == ("core", "save_first", 1)
    sizes = {s.segment.id: (s.before, s.now, s.moved_in, s.moved_out, s.change) for s in found.sizes if s.before or s.now}
    assert sizes == {"save_first": (1, 2, 1, 0, 1), "core": (2, 1, 0, 1, -1), "grow": (0, 1, 0, 0, 1)}
    assert found.risk_of_stayed is None  # two customers are not enough data
    assert found.other_model


def test_same_month_twice_has_changed_in_nothing():
    source = month()
    found = changes(Before("2026-09", source.segments, source.profiles, 2, {}, {}), source)
    assert (found.came, found.left, found.moved, found.moves) == (0, 0, 0, ())
    assert found.risk_of_stayed == Interval(0, 0, 0)
    assert found.at_risk[2].estimate == 0
    assert not found.other_model


def test_recognition_is_not_compared_with_a_forecast():
    source = month(meaning="forecast")
    found = changes(Before("2026-09", source.segments, month().profiles, 2, {}, {}), source)
    assert (found.declines, found.at_risk) == (None, None)


@pytest.mark.parametrize(
    ("before", "meaning", "version", "compared"),
    [("recognition", "recognition", 1, True), ("recognition", "forecast", 1, False), (None, "forecast", 1, False),
     (None, "forecast", 2, True)],
)  # fmt: skip
def test_risk_is_compared_only_where_both_scores_are_known_to_be_about_the_same(before, meaning, version, compared):
    """A forecast after a recognition was said to be a risk that had risen, and not by chance."""
    source = month(meaning=meaning)
    profiles = month(meaning=before).profiles if before else source.profiles.drop(columns="meaning")
    found = changes(Before("2026-09", source.segments, profiles, version, {}, {}), source)
    assert (found.one_meaning, found.risk_of_stayed is not None) == (compared, compared)


def test_figures_of_an_earlier_version_have_no_interval_and_are_said_to_be_unrecorded():
    columns = ["meaning", "value_at_risk_low", "value_at_risk_high"]
    source = month()
    old = source.profiles.drop(columns=columns).loc[lambda rows: rows["segment"] != "all"]
    found = facts(profiles=old)
    assert (found.declines, found.at_risk, found.meaning) == (None, None, "recognition")  # as the model's record says
    assert {group.declines for group in found.groups} == {None}


def test_totals_are_those_of_the_profiles():
    source = month()
    found = gather(source, OFFERS, Settings())
    row = source.profiles.set_index("segment").loc["all"]
    for figure, name in ((found.declines, "expected_declines"), (found.at_risk, "value_at_risk")):
        assert [figure.estimate, figure.low, figure.high] == [row[name], row[f"{name}_low"], row[f"{name}_high"]]


def test_month_without_a_month_before_has_no_changes():
    assert facts(before=None).changes is None


def test_focus_is_the_segment_with_the_most_value_at_risk():
    found = facts()
    others = [g for g in found.groups if g.segment.risk is not None]
    assert found.focus.segment == max(others, key=lambda g: g.at_risk.estimate).segment
    assert found.focus.segment.id == "save_first"
    own = found.own_group.at_risk.estimate
    assert found.focus.at_risk_share == pytest.approx(own / sum(g.at_risk.estimate for g in others))


def test_focus_differs_where_it_was_made_to_and_nowhere_else():
    found = facts().focus
    assert {c.feature for c in found.clear} == {"pages_per_visit", "revenue_m0", "revenue_m1", "revenue_m2"}
    pages = next(c for c in found.contrasts if c.feature == "pages_per_visit")
    assert pages.effect.estimate == pytest.approx(-1, abs=0.5)
    assert pages.focus < 4 < pages.rest
    assert pages.p_value >= min(c.p_value for c in found.contrasts)
    assert found.contrasts == tuple(sorted(found.contrasts, key=lambda c: -abs(c.effect.estimate)))


def test_p_values_are_corrected_for_the_number_of_comparisons():
    """Noise alone: one feature in twenty would be called different without the correction."""
    rng, n = np.random.default_rng(18), 400
    noise = {name: rng.normal(size=n) for name in ("pages_per_visit", "contacts_6m", "revenue_m0", "revenue_m1", "revenue_m2")}
    source = month(features(n, **noise))
    found = focus(source.segments, source.features)
    mine = (source.segments["segment"] == found.segment.id).to_numpy()
    plain = {
        c.feature: difference(*(source.features[c.feature].to_numpy(dtype=float)[g] for g in (mine, ~mine))).p_value
        for c in found.contrasts
        if c.value is None
    }
    assert min(plain.values()) < 0.05
    assert found.clear == ()
    assert all(c.p_value > plain[c.feature] for c in found.contrasts if c.value is None and plain[c.feature] < 0.5)


def _whole(wide):
    source = month(wide)
    return {name: getattr(source, name) for name in ("features", "scores", "segments", "profiles", "plan")}


def test_group_that_is_too_small_is_not_compared():
    wide = features(30)
    found = facts(**_whole(wide)).focus
    assert found.customers < 20
    assert (found.contrasts, found.histograms) == ((), ())
    assert found.profit[0] is None


def test_month_in_which_nobody_is_placed_has_no_focus():
    wide = features(regular=np.full(CUSTOMERS, fill_value=False))
    found = facts(**_whole(wide))
    assert found.focus is None
    assert {g.segment.id: g.customers for g in found.groups if g.customers} == {"irregular": CUSTOMERS}


def test_large_groups_are_compared_by_a_sample_that_the_order_of_rows_does_not_change():
    wide = features(400)
    scored = scores(wide)
    segments = customer_segments(scored, thresholds(scored, Settings().segments))
    found = focus(segments, wide, most=200)
    assert (found.looked_at, found.sampled) == (200, True)
    order = np.random.default_rng(1).permutation(400)
    again = focus(segments.iloc[order].reset_index(drop=True), wide.iloc[order].reset_index(drop=True), most=200)
    assert [(c.feature, c.p_value) for c in again.contrasts] == [(c.feature, pytest.approx(c.p_value)) for c in found.contrasts]
    assert not focus(segments, wide, most=400).sampled


def test_histograms_hold_everybody():
    for shown in facts().focus.histograms:
        assert sum(shown.focus) == pytest.approx(1)
        assert sum(shown.rest) == pytest.approx(1)
        assert len(shown.edges) == len(shown.focus) + 1


def test_reasons_are_counted_among_those_at_high_risk_who_have_them():
    found = facts().reasons
    assert found.customers == 40
    (reason,) = found.reasons  # those whose risk it lowers do not count
    assert (reason.ru, reason.customers, reason.share.estimate) == ("выручки меньше, чем месяц назад", 40, 1)


def test_features_that_matter_stand_in_order():
    table = pd.DataFrame({
        "feature": ["a", "b"], "log_loss_increase": [0.1, 0.2], "log_loss_increase_low": [0, 0.1],
        "log_loss_increase_high": [0.2, 0.3],
    })  # fmt: skip
    assert facts(explanation=table).reasons.importance == (("b", Interval(0.2, 0.1, 0.3)), ("a", Interval(0.1, 0, 0.2)))


def test_monitoring_puts_what_moved_first_and_shows_all_of_it():
    found = facts(drift=drift(tenure_days="moderate", p_decline="shifted")).monitoring
    assert [m.name for m in found.moves] == ["p_decline", "tenure_days", "pages_per_visit", "favourite_category"]
    assert [m.name for m in found.moved] == ["p_decline", "tenure_days"]
    assert found.shown == found.moves
    assert (found.reference, found.is_training_month, found.consent.change.high) == ("2026-07", False, 0.09)
    assert found.moves[0].psi == Interval(0.31, pytest.approx(0.248), pytest.approx(0.372))


def test_monitoring_judges_by_the_newest_version_that_can_be():
    table = pd.concat([health(), health("shifted").assign(model_version=3)], ignore_index=True)
    found = facts(health=table).monitoring
    assert (found.together.version, found.together.calibration) == (3, "shifted")
    assert [(m.month, m.version) for m in found.months] == [("2026-07", 2), ("2026-07", 3)]
    table.loc[table["model_version"] == 3, "observed"] = np.nan
    assert facts(health=table).monitoring.together.version == 2


def test_month_that_was_not_watched_says_nothing_of_it():
    found = facts(drift=None, health=None).monitoring
    assert (found.reference, found.moves, found.new, found.consent, found.months, found.together) == (
        None,
        (),
        (),
        None,
        (),
        None,
    )


def test_plan_adds_up():
    found = facts().plan
    (offer,) = found.offers
    assert (found.offered, found.controls, found.refused) == (10, 2, (("no_consent", 108),))
    assert (offer.given, offer.controls) == (10, 2)
    assert (found.cost, found.kept, found.gain) == pytest.approx((0.5, 1.0, 1.5))


def test_figures_of_the_plan_are_those_recorded_with_it_whatever_is_believed_or_set_today():
    """An earlier version made an interval of its own from the beliefs, and showed the budget of today's settings."""
    beliefs, today = BELIEFS.assign(sd=9.0), Settings(offers=Offers(budget=999, lost_share=0.9))
    found = gather(month(beliefs=beliefs), OFFERS, today)
    recorded = found.plan.recorded
    assert (recorded.budget, recorded.gain) == (30, Interval(1.5, 0.25, 2.75))
    assert (recorded.worth_share, recorded.worth_mean, recorded.unit_roubles, found.unit_roubles) == (0.2, None, 1000, 1000)
    assert found.plan.by_share[1.0].gain == recorded.gain
    assert {point.past for point in found.plan.curve} == {None}


def test_learned_worth_and_what_campaigns_showed_are_told_with_their_intervals():
    learned = summary(effects="learned", worth="learned", worth_share=None, worth_mean=4.0, worth_standard_error=0.5)
    found = facts(summary=learned, curve=curve(past=1.2)).plan
    assert found.recorded.worth_share is None
    assert found.recorded.worth_mean == normal(4, 0.5)
    assert found.by_share[1.0].past == Interval(1.2, 1.2 - 1, 1.2 + 1)


def test_month_without_a_summary_tells_what_its_rows_hold_and_nothing_else():
    found = facts(summary=None, curve=None)
    assert (found.plan.recorded, found.plan.curve, found.unit_roubles) == (None, (), None)
    assert (found.plan.offered, found.plan.cost, found.plan.gain) == (10, pytest.approx(0.5), pytest.approx(1.5))
    today = Settings(value=Value(profit_unit_roubles=50))
    assert gather(month(summary=None, curve=None), OFFERS, today).unit_roubles is None  # the unit of then is not known


def test_held_out_customers_add_up_with_those_for_whom_no_offer_was_drawn():
    """The column came to 94 where its total was 134."""
    rows = [{"customer_id": i, "arm": "control", "offer_id": offer, "reason": "control", "segment": "core", "cost": 0.0}
            for i, offer in enumerate([OFFERS[0].id, None, None])]  # fmt: skip
    found = plan(frame(OFFER_PLAN, rows), None, None, OFFERS)
    assert (found.controls, [o.controls for o in found.offers], found.undrawn) == (3, [1], 2)


def test_plan_without_any_budget_has_no_curve():
    nothing = curve().assign(offers=0, budget=0.0)
    assert facts(curve=nothing).plan.curve == ()


def test_plan_of_an_offer_that_left_the_catalogue_keeps_its_identifier():
    row = {"customer_id": 1, "arm": "control", "offer_id": "gone", "reason": "control", "segment": "core", "cost": 0.0}
    (offer,) = plan(frame(OFFER_PLAN, [row]), None, None, OFFERS).offers
    assert (offer.titles["ru"], offer.given, offer.segment) == ("gone", 0, None)


EFFECT = {"campaigns": "all", "offer_id": "all", "segment": "all", "comparison": "targeted", "outcome": "declined",
          "offered": 300,
          "controls": 200, "effect": -0.1, "effect_low": -0.15, "effect_high": -0.05, "significant": True,
          "detectable_effect": 0.06, "status": "measured"}  # fmt: skip
SENT = pd.DataFrame({"campaign_month": ["2026-06", "2026-09"], "offered": [300, 320], "controls": [200, 30], "matured": [500, 0]})


def test_campaigns_tell_what_is_measured_and_what_is_not():
    few = EFFECT | {"offer_id": OFFERS[0].id, "comparison": "pooled", "status": "not_enough_data", "effect": None}
    apart = EFFECT | {"campaigns": "2026-06"}
    exploring = EFFECT | {"offer_id": OFFERS[0].id, "comparison": "fitting"}
    found = campaigns(SENT, frame(OFFER_EFFECTS, [few, EFFECT, apart, exploring]), BELIEFS, OFFERS, 3)
    assert (found.matured, found.months) == (1, (("2026-06", 300, 200, True), ("2026-09", 320, 30, False)))
    together, single = found.of("declined")
    assert (together.offer, together.effect) == ("all", Interval(-0.1, -0.15, -0.05))
    assert (single.titles["en"], single.effect, single.detectable) == (OFFERS[0].title_en, None, 0.06)


@pytest.mark.parametrize(("kind", "said"), [("always_valid", True), ("fixed", False), (None, False)])
def test_page_says_how_often_effects_may_be_read(kind, said):
    table = frame(OFFER_EFFECTS, [EFFECT | {"interval": kind}])
    found = campaigns(SENT, table.drop(columns="interval") if kind is None else table, BELIEFS, OFFERS, 3)
    assert found.always_valid is said


def test_broken_split_has_no_effect_to_read():
    found = campaigns(SENT, frame(OFFER_EFFECTS, [EFFECT | {"status": "sample_ratio_mismatch"}]), BELIEFS, OFFERS, 3)
    assert (found.broken, found.effects[0].effect) == (1, None)


def test_trust_holds_what_was_promised_against_what_came():
    found = quality(month())
    assert [(b.customers, b.expected, b.declined.estimate) for b in found.calibration] == [
        (50, pytest.approx(0.05), 0), (50, pytest.approx(0.95), 0.96),
    ]  # fmt: skip
    assert (found.current.customers, found.current.declined.estimate) == (120, pytest.approx(1 / 3))
    assert found.current.expected == pytest.approx((40 * 0.9 + 80 * 0.1) / 120)
    assert found.current.kept
    money = next(i for i in found.intake if i.file == "money")
    assert (money.share, money.before) == (3 / 120, 0)


def test_promise_that_is_far_off_is_not_kept():
    source = month()
    off = replace(source, segments=source.segments.assign(p_decline=0.7))
    assert not quality(off).current.kept


def test_forecast_is_not_held_against_the_classes_of_its_own_month():
    assert quality(month(model=judged(same_month=False))).current is None


def test_training_set_that_is_gone_leaves_no_calibration():
    assert quality(month(out_of_fold=None)).calibration == ()


def test_profiles_and_segments_come_to_the_same():
    source = month()
    again = segment_profiles(source.segments, source.features, ERRORS, meaning="recognition")
    assert list(again["customers"])[:-1] == [g.customers for g in gather(source, OFFERS, Settings()).groups]
    assert source.month == MONTH
