import re
from pathlib import Path
from string import Formatter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from oneclick_pipeline import report
from oneclick_pipeline.campaigns.offer_effects import OUTCOMES
from oneclick_pipeline.contracts.clean import CORRECTIONS
from oneclick_pipeline.contracts.customers import FEATURE_NAMES
from oneclick_pipeline.contracts.monitoring import LEVELS
from oneclick_pipeline.contracts.offers import EFFECTS, REASONS_OF_PLAN
from oneclick_pipeline.contracts.segments import SEGMENTS
from oneclick_pipeline.model.candidates import FAMILIES
from oneclick_pipeline.model.search import VOTE_LABEL
from oneclick_pipeline.report.languages import cut, en, language, ru
from oneclick_pipeline.report.languages.language import LONGEST
from oneclick_pipeline.stats import Interval

RU, EN = language("ru", 1000), language("en", 1000)
SPACES = dict.fromkeys(map(ord, "\u00a0\u202f"), " ")


def plain(text):
    return str(text).translate(SPACES).replace("\u2212", "-")


def test_languages_say_the_same_things():
    assert ru.TEXTS.keys() == en.TEXTS.keys()
    assert ru.FEATURES.keys() == en.FEATURES.keys() >= set(FEATURE_NAMES)
    assert all(text.strip() for texts in (ru.TEXTS, en.TEXTS) for text in texts.values())


@pytest.mark.parametrize("key", ru.TEXTS)
def test_texts_tell_the_same_values(key):
    fields = [{name for _, name, _, _ in Formatter().parse(texts[key]) if name} for texts in (ru.TEXTS, en.TEXTS)]
    assert fields[0] == fields[1]


def test_every_text_that_a_template_asks_for_is_there_and_every_text_is_asked_for():
    folder = Path(report.__file__).parent
    sources = "".join(p.read_text(encoding="utf-8") for p in [*folder.glob("*.jinja"), folder / "page.py"])
    named = set(re.findall(r'"(\w+)"', sources)) | {f"ago_{m}" for m in (0, 1, 2)} | {"revenue_caption", "minutes_caption"}
    named |= {f"segment_{s.id}" for s in SEGMENTS} | {f"refused_{r}" for r in REASONS_OF_PLAN[3:]}
    named |= {f"corrected_{rule}" for rule in CORRECTIONS["rule"].values} | {f"moved_{level}" for level in LEVELS}
    named |= {f"{start}_{outcome}" for outcome in OUTCOMES for start in ("effect_caption", "col_effect")}
    named |= {f"effect_{v}" for v in ("good", "bad", "none", "few", "broken")} | {
        f"contrast_{k}" for k in ("more", "less", "share")
    }
    named |= {f"{start}_{word}" for word in re.findall(r'"(\w+)"', re.search(r"glossary(.*?)%}", sources, re.DOTALL)[1])
              for start in ("word", "means")}  # fmt: skip
    named |= {f"effects_{word}" for word in EFFECTS}
    asked = set(re.findall(r't\("(\w+)"[,)]', sources)) | set(re.findall(r'_head\("(\w+)"', sources))
    assert asked - ru.TEXTS.keys() == set()
    assert ru.TEXTS.keys() - named == set()


def test_no_text_speaks_the_other_language():
    quoted = re.compile(r"«В один клик»")
    assert [k for k, text in en.TEXTS.items() if re.search("[А-Яа-яЁё]", quoted.sub("", text))] == []
    without = [k for k, text in ru.TEXTS.items() if not re.search("[А-Яа-яЁё]", text)]
    assert set(without) == {"col_p", "col_phik", "col_auc", "col_log_loss", "col_ece", "col_range", "col_psi",
                            "word_p_value", "word_auc",
                            "word_ece", "word_phik"}  # fmt: skip


def test_every_family_has_a_russian_name():
    assert {("family", label) for label in [*(f.label for f in FAMILIES), VOTE_LABEL]} <= ru.VALUES.keys()


@given(st.integers(0, 10**7))
def test_russian_plural_follows_the_last_two_digits(n):
    form = ru.plural(n)
    tens, last = n // 10 % 10, n % 10
    assert form == (2 if tens == 1 else {1: 0, 2: 1, 3: 1, 4: 1}.get(last, 2))
    assert ru.plural(n + 100) == form


@pytest.mark.parametrize(("n", "text"), [(0, "0 клиентов"), (1, "1 клиент"), (2, "2 клиента"), (11, "11 клиентов"),
                                         (21, "21 клиент"), (1234, "1 234 клиента")])  # fmt: skip
def test_russian_counts(n, text):
    assert plain(RU.write(n, "клиент|клиента|клиентов")) == text


def test_english_counts():
    assert [plain(EN.write(n, "customer|customers")) for n in (0, 1, 2, 1234)] == [
        "0 customers", "1 customer", "2 customers", "1,234 customers",
    ]  # fmt: skip


@given(st.floats(-1e9, 1e9), st.integers(0, 3), st.sampled_from(["ru", "en"]))
def test_number_can_be_read_back(x, digits, code):
    t = language(code)
    text = t.number(x, digits).replace(t.thousands, "").replace(t.point, ".").replace("\u2212", "-")
    assert float(text) == pytest.approx(x, abs=0.5000001 * 10**-digits)
    assert not text.startswith("-0.0") or float(text) != 0
    assert " " not in t.number(x, digits)


@pytest.mark.parametrize(
    ("value", "form", "russian", "english"),
    [
        (1234.5, "1", "1 234,5", "1,234.5"),
        (0.3849, "%", "38 %", "38%"),
        (0.3849, "%1", "38,5 %", "38.5%"),
        (-0.0412, "pp", "-4,1 п. п.", "-4.1 pp"),
        (0.0412, "points", "4,1 п. п.", "4.1 pp"),
        (12, "+n", "+12", "+12"),
        (-0.001, "+1", "0,0", "0.0"),
        (0.0004, "p", "< 0,001", "< 0.001"),
        (0.0316, "p", "0,032", "0.032"),
        (2370.6, "m", "2 371", "2,371"),
        (26.88, "m", "26,9", "26.9"),
        (1.064, "m", "1,06", "1.06"),
        (2370.6, "rub", "2,4 млн ₽", "₽2.4M"),
        (26.88, "rub", "27 тыс. ₽", "₽27K"),
        (1.0, "rub", "1 000 ₽", "₽1,000"),
        (-9.9994, "rub", "-10 тыс. ₽", "-₽10K"),
        (999_960.0, "rub", "1,0 млрд ₽", "₽1.0B"),
        (0.0, "m", "0", "0"),
        ("2026-10", "month", "октябрь 2026", "October 2026"),
        ("2026-09", "of", "сентября 2026", "September 2026"),
        ("2026-09", "in", "сентябре 2026", "September 2026"),
        (Interval(5, 4, 6), "n", "5", "5"),
    ],
)
def test_values_are_written_as_the_language_does(value, form, russian, english):
    assert plain(RU.write(value, form)) == russian
    assert plain(EN.write(value, form)) == english


def test_interval_in_a_sentence():
    gain = Interval(26.88, -29.2, 100.06)
    assert "(от -29,2 до 100)" in plain(RU("glance_plan", n=5, cost=1.0, gain=gain))
    assert "(-29.2 to 100)" in plain(EN("glance_plan", n=5, cost=1.0, gain=gain))


def test_roubles_are_told_only_where_the_store_says_what_a_unit_is():
    ru, en = language("ru"), language("en")
    assert plain(ru("units", rub=1.0)).startswith("Деньги — в финансовых единицах (ед.), как в выгрузке прибыли. В скобках")
    assert "1 ед. = 1 000 ₽. В" in plain(RU("units", rub=1.0))
    assert (plain(ru.write(2370.6, "rub")), plain(en.write(2370.6, "rub"))) == ("2 371 ед.", "2,371 units")
    for code in (ru, en):
        texts = [plain(code(key, **_anything(text))) for key, text in code.texts.items() if "⟦" in text]
        assert len(texts) == 6
        assert [text for text in texts if "₽" in text or "⟦" in text] == []


def _anything(text):
    """A value of every field of a text."""
    parsed = [(name, conversion) for _, name, _, conversion in Formatter().parse(text) if name]
    return {name: Interval(1, 0, 2) if (name, "i") in parsed else 1 for name, _ in parsed}


@pytest.mark.parametrize("x", [float("nan"), float("inf")])
def test_what_is_no_number_is_not_written(x):
    with pytest.raises(ValueError, match="cannot be shown as a number"):
        RU.number(x, 1)


def test_foreign_texts_in_a_sentence_are_escaped_and_cut():
    text = RU("most_often", value="<script>alert(1)</script>" + "x" * 10**6, share=0.5)
    assert isinstance(text, Markup)
    assert "&lt;script&gt;" in text
    assert "<script" not in text
    assert len(text) < 300


def test_bold_comes_from_our_own_texts_only():
    text = EN("contrast_share", what="**fat** <b>", focus="1", rest="2")
    assert text.startswith("<strong>**fat** &lt;b&gt;</strong>")


@given(st.text())
def test_cut_gives_one_short_line(text):
    found = cut(text)
    assert len(found) <= LONGEST
    assert "\n" not in found
    assert all(c.isprintable() for c in found)


def test_missing_field_is_an_error():
    with pytest.raises(KeyError):
        RU("tile_customers_note", came=1)
