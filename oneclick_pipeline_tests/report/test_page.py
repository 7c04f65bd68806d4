"""The page as text: nothing unfinished on it, nothing hostile, headings in order, tables with their captions."""

import re
from collections import Counter
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from oneclick_pipeline.contracts.campaigns import OFFER_EFFECTS
from oneclick_pipeline.contracts.monitoring import DRIFT
from oneclick_pipeline.contracts.segments import SEGMENTS
from oneclick_pipeline.report import files, page
from oneclick_pipeline.report.facts import gather
from oneclick_pipeline.report.offers import Measured
from oneclick_pipeline.settings import Settings
from oneclick_pipeline.stats import Interval
from oneclick_pipeline_tests.report.months import (
    CUSTOMERS,
    MONTH,
    OFFERS,
    drift,
    facts,
    features,
    frame,
    health,
    judged,
    month,
)
from oneclick_pipeline_tests.report.test_facts import EFFECT, SENT, _whole

HOSTILE = "<script>alert('x')</script>=cmd()|\"'&{{ 7*7 }}"
UNFINISHED = re.compile(r"\b(None|nan|NaN|inf|Interval|Undefined|np\.float64|True|False)\b|\{|\}|\[\w")


class Text(HTMLParser):
    """What stands on the page for a reader, and the elements in order."""

    def __init__(self, html):
        super().__init__()
        self.said, self.tags, self._hidden = [], [], 0
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._hidden += tag == "style"

    def handle_endtag(self, tag):
        self._hidden -= tag == "style"

    def handle_data(self, data):
        if not self._hidden:
            self.said.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.said).split())


def slices():
    row = {"feature": "favourite_category", "value": "Кухонная посуда", "customers": 60.0, "declined": 20.0}
    few = {"feature": "tenure_days", "value": "over 5, up to 7", "customers": 6.0, "declined": 2.0}
    ends = {f"{m}{end}": 0.5 for m in ("roc_auc", "ece") for end in ("", "_low", "_high")}
    return pd.DataFrame([row | ends, few | dict.fromkeys(ends, float("nan"))])


def new_category(value):
    """What is watched, and a category that nobody had."""
    row = {"kind": "category", "name": "favourite_category", "category": value, "reference_month": "2026-07", "count": 7}
    return pd.concat([drift(), frame(DRIFT, [row]).astype(object)], ignore_index=True)


def of_an_earlier_version():
    """What a month holds whose segments had no interval with the model's own error, and whose plan had no summary."""
    profiles = month().profiles.drop(columns=["meaning", "value_at_risk_low", "value_at_risk_high"])
    return {"profiles": profiles.loc[lambda rows: rows["segment"] != "all"], "summary": None, "curve": None}


def cases():
    nobody = features(regular=np.full(CUSTOMERS, fill_value=False))
    effects = [EFFECT, EFFECT | {"offer_id": OFFERS[0].id, "comparison": "pooled", "status": "not_enough_data", "effect": None},
               EFFECT | {"outcome": "profit", "effect": 0.1, "effect_low": 0.05, "effect_high": 0.2},
               EFFECT | {"outcome": "revenue", "status": "sample_ratio_mismatch"}]  # fmt: skip
    later = pd.DataFrame([{"feature_month": "2026-06", "customers": 90, "roc_auc": 0.9, "roc_auc_low": 0.8, "roc_auc_high": 0.95,
                           "log_loss": 0.3, "log_loss_low": 0.2, "log_loss_high": 0.4}])  # fmt: skip
    return {
        "usual": {},
        "earlier version": of_an_earlier_version(),
        "first month": {"before": None},
        "nobody placed": _whole(nobody),
        "few": _whole(features(30)),
        "campaigns": {"campaigns": SENT, "effects": frame(OFFER_EFFECTS, effects)},
        "one young campaign": {"campaigns": SENT.tail(1)},
        "older model": {"model": judged(month="2026-07", same_month=False, slices=slices(), out_of_time=later,
                                        failed_gates=("calibrated",), version=1)},
        "moved": {"drift": drift(pages_per_visit="shifted", p_decline="moderate"), "health": health("shifted", "moderate")},
        "new category": {"drift": new_category("Садовый инвентарь")},
        "trained this month": {"drift": drift(MONTH), "health": None},
        "nothing to compare": {"drift": drift(None).assign(psi=None, difference=None, status="no_reference"), "health": None},
        "few to compare": {"drift": drift().assign(psi=None, status="not_enough_data"), "health": health().head(1)},
        "not watched": {"drift": None, "health": None},
        "training set gone": {"out_of_fold": None, "quarantined": {}, "corrected": {}},
    }  # fmt: skip


@pytest.fixture(scope="module", params=["ru", "en"])
def code(request):
    return request.param


@pytest.mark.parametrize("case", cases())
def test_page_is_finished(case, code):
    html = page.render(facts(**cases()[case]), code)
    found = Text(html)
    assert UNFINISHED.findall(found.text) == []
    assert files.loads(html) == []
    assert f'<html lang="{code}">' in html
    levels = [int(tag[1]) for tag, _ in found.tags if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b - a <= 1 for a, b in pairwise(levels))
    counted = Counter(tag for tag, _ in found.tags)
    assert counted["table"] == counted["caption"] == counted["thead"] > 5
    assert all(a.get("scope") in ("col", "row") for tag, a in found.tags if tag == "th")
    assert {"header", "nav", "main", "footer"} <= set(counted)
    ids = [a["id"] for _, a in found.tags if "id" in a]
    assert len(ids) == len(set(ids))
    assert {a["href"][1:] for tag, a in found.tags if tag == "a"} <= set(ids)
    assert "script" not in counted


@pytest.mark.parametrize("case", cases())
def test_pictures_have_names_or_are_hidden(case):
    for tag, attributes in Text(page.render(facts(**cases()[case]), "ru")).tags:
        if tag == "svg":
            assert attributes.get("aria-hidden") == "true" or (attributes["role"] == "img" and attributes["aria-label"])


def test_sections_stand_in_the_order_of_the_reader():
    html = page.render(facts(), "ru")
    assert re.findall(r'<section id="(\w+)"', html) == ["glance", *page.SECTIONS]


def test_page_says_so_where_there_is_not_enough_data():
    first = Text(page.render(facts(before=None), "ru")).text
    assert "Недостаточно данных: предыдущий месяц не рассчитан." in first
    assert "прошлых кампаний ещё не было" in first
    few = Text(page.render(facts(**cases()["few"]), "en")).text
    assert "Not enough data: one of the groups has too few customers to compare." in few


@pytest.mark.parametrize(("code", "said"), [("ru", "Риск не сравнивается"), ("en", "Risk is not compared")])
def test_forecast_after_a_recognition_is_not_a_risk_that_has_risen(code, said):
    source = month(meaning="forecast")
    before = replace(source.before, profiles=month().profiles, model_version=1)
    html = page.render(gather(replace(source, before=before), OFFERS, Settings()), code)
    assert said in html
    assert not any(word in html for word in ("это не случайность", "not by chance"))


def test_held_out_without_an_offer_stand_in_the_table_of_the_plan():
    table = month().plan
    table.loc[table["arm"] == "control", "offer_id"] = None
    assert "Ни одно не выбрано" in page.render(facts(plan=table), "ru")
    assert "Ни одно не выбрано" not in page.render(facts(), "ru")


def test_change_of_model_is_told():
    changed = month().before.__class__(**(month().before.__dict__ | {"model_version": 1}))
    assert "другая версия модели" in page.render(facts(before=changed), "ru")
    assert "другая версия модели" not in page.render(facts(), "ru")


@cache
def watched(case, code):
    """What the page says in a case, blanks as blanks."""
    return Text(page.render(facts(**cases()[case]), code)).text.translate(dict.fromkeys(map(ord, "\u00a0\u202f"), " "))


@pytest.mark.parametrize(
    ("case", "russian", "english"),
    [
        ("usual", "Данные похожи на те, на которых модель училась (июль 2026): сравнили 4 показателя",
         "The data look like those the model was trained on (July 2026): of 4 figures compared, none has drifted"),
        ("usual", "300 клиентам без предложений модель обещала в среднем 40,0 % спадов, случилось 41,0 % (от 35,0 % до 47,0 %)",
         ("among 300 customers without offers, the model predicted that 40.0% would decline on average; 41.0% did (35.0% to "
         "47.0%)")),
        ("usual", ("Обещания сдержаны. Не в счёт 40 клиентов с "
        "предложением"), "That is no further apart than chance allows. Not counted: 40 customers"),
        ("usual", "Сообщения разрешили 75,0 % клиентов, в июле 2026 — 70,0 %; изменение +5,0 п. п. (от +1,0 п. п. до +9,0 п. п.)",
         "75.0% of the customers allow messages; in July 2026 it was 70.0%, a change of +5.0 pp (+1.0 pp to +9.0 pp)"),
        ("moved", ("С июля 2026 заметно сдвинулись 2 показателя из 4. Сдвиг "
        "сильный"), "Since July 2026 2 figures of 4 have drifted"),
        ("moved", ("Страниц за визит 0,31 (0,25…0,37) 0,012 "
        "Сильный сдвиг."), "Pages per visit 0.31 (0.25…0.37) 0.012 Drifted far."),
        ("moved", "Риск по модели 0,15", "Risk by the model 0.15"),
        ("moved", "расходится сильнее, чем допускает случайность: вероятностям верить с осторожностью. Различает она хуже",
         "further off than chance explains: use the probabilities with care. It discriminates less well"),
        ("new category", "Любимая категория: «Садовый инвентарь» — 7 клиентов",
         "Favourite category: “Садовый инвентарь” – 7 customers"),
        ("trained this month", "Модель обучена по данным этого же месяца", "trained on this month's data"),
        ("nothing to compare", "здесь нет, сравнить не с чем", "there is nothing to compare with"),
        ("few to compare", "клиентов слишком мало, чтобы сравнить их с июля 2026", "too few customers to compare with July 2026"),
        ("not watched", "Недостаточно данных, чтобы проверить прежние оценки", "Not enough data to check earlier scores"),
    ],
)  # fmt: skip
def test_page_says_what_monitoring_found(case, russian, english):
    assert russian in watched(case, "ru")
    assert english in watched(case, "en")


def test_same_figures_give_the_same_page():
    assert page.render(facts(), "ru") == page.render(facts(), "ru")


def test_figures_stand_on_the_page():
    found = facts(meaning="forecast")
    text = Text(page.render(found, "en")).text.replace("\u00a0", " ")
    assert files.page_figures(page.render(found, "en")) == {"customers": CUSTOMERS}
    assert f"{found.declines.estimate:.0f} of 120 customers will become less active" in text
    assert f"A customer of the segment brings {found.focus.profit[0].estimate:.2f} units per month" in text
    assert "108" in text


@pytest.mark.parametrize("code", ["ru", "en"])
@pytest.mark.parametrize("value", [HOSTILE, "x" * 1_000_000, HOSTILE * 1000, "\u202e\x07\n\r<b>"])
def test_hostile_values_come_out_escaped_and_cut(value, code):
    wide = features(favourite_category=np.where(np.arange(CUSTOMERS) % 2 == 0, value, "Кухонная посуда"))
    changes = _whole(wide) | {
        "profile": frame_with(month().profile, top_value=value),
        "model": judged(slices=slices().assign(value=value, feature="favourite_category")),
        "drift": new_category(value),
    }
    offers = facts(**changes)
    html = page.render(offers, code)
    assert len(html) < 300_000
    assert files.loads(html) == []
    assert "<b>" not in html
    assert "<script" not in html
    assert "alert('x')" not in html
    assert ">49<" not in html
    assert not re.search(r"[\u202e\x07]", html)


def frame_with(table, **columns):
    """The table with words in place of those that stand there."""
    return table.assign(**{name: table[name].where(table[name].isna(), value) for name, value in columns.items()})


def test_hostile_titles_of_offers_come_out_escaped():
    found = facts(campaigns=SENT, effects=frame(OFFER_EFFECTS, [EFFECT | {"offer_id": HOSTILE, "comparison": "pooled"}]))
    html = page.render(found, "ru")
    assert "&lt;script&gt;" in html
    assert "<script" not in html


MEASURED = Measured("all", {}, "declined", 100, 100, Interval(-0.1, -0.15, -0.05), True, 0.06, "measured", always_valid=True)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "good"),
        ({"outcome": "profit"}, "bad"),
        ({"effect": Interval(0.1, 0.05, 0.2)}, "bad"),
        ({"effect": Interval(0.1, 0.05, 0.2), "outcome": "revenue"}, "good"),
        ({"significant": False}, "none"),
        ({"effect": Interval(-0.1, -0.2, 0.1)}, "none"),
        ({"effect": None, "status": "not_enough_data"}, "few"),
        ({"effect": None, "status": "sample_ratio_mismatch"}, "broken"),
    ],
)
def test_verdict_on_an_effect(changes, said):
    assert page.verdict(Measured(**(MEASURED.__dict__ | changes))) == said


def test_every_segment_has_a_colour_and_a_text():
    assert {s.id for s in SEGMENTS} == set(page.charts.SHADES)
