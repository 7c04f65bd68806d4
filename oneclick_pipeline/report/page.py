"""The page itself: figures and words into one HTML file that needs nothing else."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from oneclick_pipeline.report import charts
from oneclick_pipeline.report.focus import MINUTES, REVENUES, Contrast
from oneclick_pipeline.report.languages import NO_BREAK, Language, cut, language

if TYPE_CHECKING:
    from oneclick_pipeline.contracts.segments import Segment
    from oneclick_pipeline.report.changes import Move
    from oneclick_pipeline.report.deliveries import Delivery
    from oneclick_pipeline.report.facts import Facts, Group, Reason
    from oneclick_pipeline.report.focus import Histogram, Shares
    from oneclick_pipeline.report.monitoring import Moved
    from oneclick_pipeline.report.offers import Belief, Measured
    from oneclick_pipeline.report.quality import Pair, Slice
    from oneclick_pipeline.stats import Interval

SECTIONS = ("changes", "declines", "focus", "segments", "reasons", "offers", "campaigns", "quality", "appendix")
BOUGHT = (
    "favourite_category", "promo_share", "unpaid_items", "service_level", "revenue_m0", "revenue_m1", "revenue_m2"
)  # fmt: skip
"""Features that say what a customer buys; the others say how they behave."""

_FORMS = {"declined": "pp", "profit": "+2", "revenue": "+n"}
_SIZES = {"declined": "points", "profit": "2", "revenue": "n"}
_SMALL, _LARGE = 10, 100


def render(facts: Facts, code: str) -> str:
    """The page in a language, `ru` or `en`; the same figures give the same bytes."""
    words = language(code, facts.unit_roubles, facts.meaning)
    tools = _Tools(words)
    made = _environment().get_template("page.html.jinja").render(
        f=facts,
        t=words,
        w=words.write,
        wt=tools.with_interval,
        name=tools.name,
        cut=cut,
        contrast=tools.contrast,
        reading=tools.reading,
        swatch=tools.swatch,
        shade=lambda segment: charts.SHADES[segment.id],
        slice=tools.slice_name,
        written=tools.written,
        verdict=verdict,
        digits=digits,
        pictures=Pictures(facts, words, tools),
        colours={"focus": charts.FOCUS, "rest": charts.REST},
        sections=SECTIONS,
        offer=tools.offer,
        sentence=lambda text: text[:1].upper() + text[1:],
        buys=BOUGHT,
        forms=_FORMS,
        sizes=_SIZES,
        style=Markup(files("oneclick_pipeline.report").joinpath("style.css").read_text(encoding="utf-8")),  # noqa: S704 - ours
    )  # fmt: skip
    return re.sub(r"\n\s*\n", "\n", made).strip() + "\n"


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("oneclick_pipeline.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        lstrip_blocks=True,
    )


def verdict(measured: Measured) -> str:
    """The verdict on a measured effect: `broken`, `few`, `none`, `good` or `bad`."""
    if measured.status == "sample_ratio_mismatch":
        return "broken"
    if measured.effect is None:
        return "few"
    if not measured.significant or measured.effect.low <= 0 <= measured.effect.high:
        return "none"
    return "good" if (measured.effect.estimate < 0) == (measured.outcome == "declined") else "bad"


def digits(x: float) -> str:
    """How many decimals to show for a quantity of this size."""
    if x == round(x):
        return "n"
    return "2" if abs(x) < _SMALL else "1" if abs(x) < _LARGE else "n"


class _Tools:
    """What the templates need beside texts and numbers."""

    def __init__(self, words: Language) -> None:
        self._words = words

    def name(self, segment: Segment) -> str:
        """A segment's name."""
        return segment.ru if self._words.code == "ru" else segment.en

    def with_interval(self, interval: Interval, form: str) -> Markup:
        """An estimate with its interval, for a cell of a table."""
        low, high = (self._words.write(x, form) for x in (interval.low, interval.high))
        estimate = self._words.write(interval.estimate, form)
        unit = self._words.percent if form.startswith(("%", "+%")) else self._words.points if form == "pp" else ""
        low = low.removesuffix(unit) if unit else low  # «12 % (10…14 %)»
        return Markup('{} <span class="ci">({}…{})</span>').format(estimate, low, high)

    def reading(self, contrast: Contrast, value: float) -> str:
        """The median, or the share, of a group in a feature."""
        if contrast.value is not None:
            return self._words.write(value, "%")
        return self._words.write(value, "%" if contrast.feature == "promo_share" else digits(value))

    def contrast(self, contrast: Contrast) -> Markup:
        """A difference in a sentence: how often a random customer of the group has more than one of the others."""
        kind = "share" if contrast.value is not None else "more" if contrast.effect.estimate > 0 else "less"
        odds = (1 + abs(contrast.effect.estimate)) / 2
        return self._words(
            f"contrast_{kind}",
            what=self._words.reading(contrast.feature, contrast.value),
            focus=Markup.escape(self.reading(contrast, contrast.focus)),
            rest=Markup.escape(self.reading(contrast, contrast.rest)),
            odds=odds,
        )

    def offer(self, measured: Measured) -> str:
        """Title of the offer that was measured."""
        return cut(measured.titles[self._words.code]) if measured.titles else str(self._words("all_offers"))

    def swatch(self, segment: Segment) -> Markup:
        """A dot in the segment's colour."""
        return Markup('<span class="swatch" style="background:{}"></span>').format(charts.SHADES[segment.id])

    def slice_name(self, one: Slice) -> str:
        """What a slice of the customers is called."""
        words = self._words
        if one.feature == "tenure_days":
            low, _, high = one.value.removeprefix("over ").partition(", up to ")
            if one.value.startswith("up to "):
                return str(
                    words(
                        "tenure_low",
                        high=float(one.value.removeprefix("up to ")),
                    )
                )
            return str(words("tenure_middle", low=float(low), high=float(high)) if high else words("tenure_high", low=float(low)))
        return words.reading(one.feature, one.value)

    def written(self, delivery: Delivery) -> Markup:
        """How an export was written, as a sentence."""
        t = self._words
        parts: list[str] = [t("delivery_packed", kind=delivery.container)] if delivery.container else []
        parts += [t.encoding(delivery.encoding), t("delivery_delimiter", mark=t.word("delimiter", delivery.delimiter))]
        for number, headers in delivery.numbers.items():
            key = "delivery_numbers_of" if len(delivery.numbers) > 1 else "delivery_numbers"
            parts.append(t(key, number=number.replace(" ", NO_BREAK), columns=", ".join(headers)))
        counts = [f"{t.word('set_aside', kind)}: {t.write(n, 'n')}" for kind, n in delivery.set_aside.items()]
        counts += [t("delivery_missing", marker=marker, n=n) for marker, n in delivery.missing.items()]
        return t("delivery", file=delivery.file, parts=Markup("; ").join([Markup(", ").join(parts), *counts]))


class Pictures:
    """The charts of the page."""

    def __init__(self, facts: Facts, words: Language, tools: _Tools) -> None:
        self._f, self._t, self._tools = facts, words, tools

    def move(self, move: Move) -> Markup:
        """How many moved."""
        changes = self._f.changes
        return charts.bar(move.customers, max(m.customers for m in changes.moves) if changes else 1)

    def at_risk(self, group: Group) -> Markup:
        """Value at risk of a segment."""
        if group.at_risk is None:
            return Markup()
        largest = max(g.at_risk.high for g in self._f.groups if g.at_risk)
        colour = charts.FOCUS if self._f.focus and group.segment == self._f.focus.segment else charts.REST
        return charts.bar(group.at_risk.estimate, largest, colour, group.at_risk)

    def customers(self, group: Group) -> Markup:
        """Size of a segment."""
        return charts.bar(group.customers, max(g.customers for g in self._f.groups), charts.SHADES[group.segment.id])

    def category(self, shares: Shares) -> Markup:
        """A category in both groups."""
        every = self._f.focus.categories if self._f.focus else ()
        largest = max(max(c.focus.high, c.rest.high) for c in every)
        return charts.marks([(shares.focus, charts.FOCUS), (shares.rest, charts.REST)], 0, largest, zero=0)

    def effect(self, contrast: Contrast) -> Markup:
        """An effect size on the scale from −1 to 1."""
        clear = self._f.focus is not None and contrast in self._f.focus.clear
        return charts.marks([(contrast.effect, charts.FOCUS if clear else charts.UNSURE)], -1, 1, zero=0)

    def reason(self, reason: Reason) -> Markup:
        """Share of those at high risk."""
        return charts.bar(reason.share.estimate, 1, charts.FOCUS, reason.share)

    def importance(self, feature: str, interval: Interval) -> Markup:
        """What the model would lose without a feature."""
        every = self._f.reasons.importance
        low, high = min(0.0, *(x.low for _, x in every)), max(x.high for _, x in every)
        colour = charts.REST if dict(every)[feature].low > 0 else charts.UNSURE
        return charts.marks([(interval, colour)], low, high, zero=0)

    def refused(self, customers: int) -> Markup:
        """Customers without an offer."""
        largest = max(n for _, n in self._f.plan.refused)
        return charts.bar(customers, largest, charts.UNSURE)

    def measured(self, measured: Measured) -> Markup:
        """A measured effect."""
        every = [e.effect for e in self._f.campaigns.of(measured.outcome) if e.effect]
        low, high = min(0.0, *(x.low for x in every)), max(0.0, *(x.high for x in every))
        colour = {"good": charts.REST, "bad": charts.FOCUS}.get(verdict(measured), charts.UNSURE)
        return charts.marks([(measured.effect, colour)] if measured.effect else [], low, high, zero=0)

    def belief(self, belief: Belief) -> Markup:
        """The earlier and current belief about an offer."""
        every = [x for b in self._f.campaigns.beliefs for x in (b.prior, b.now)]
        low, high = min(0.0, *(x.low for x in every)), max(0.0, *(x.high for x in every))
        return charts.marks([(belief.prior, charts.UNSURE), (belief.now, charts.REST)], low, high, zero=0)

    def pair(self, pair: Pair) -> Markup:
        """How strongly two columns depend on each other."""
        return charts.bar(pair.phik, 1, charts.FOCUS if pair.collinear else charts.REST)

    def trend(self, what: str) -> Markup:
        """Revenue or minutes by month, both groups."""
        t, focus = self._t, self._f.focus
        if focus is None:
            return Markup()
        values, columns = (focus.revenue, REVENUES) if what == "revenue" else (focus.minutes, MINUTES)
        labels = [str(t(f"ago_{c[-1]}")) for c in columns]
        series = [
            charts.Series(self._tools.name(focus.segment), charts.FOCUS, [v[0] for v in values]),
            charts.Series(str(t("the_rest")), charts.REST, [v[1] for v in values]),
        ]
        description = "; ".join(
            f"{s.name}: "
            + ", ".join(f"{label}{NO_BREAK}– {t.write(v, 'n')}" for label, v in zip(labels, s.values, strict=True) if v)
            for s in series
        )
        return charts.trend(labels, series, lambda x: t.write(x, "n"), str(t(f"{what}_caption")), description)

    def histogram(self, histogram: Histogram) -> Markup:
        """A feature of both groups."""
        t, what = self._t, self._t.feature(histogram.feature)
        form = "%" if histogram.feature == "promo_share" else digits(histogram.edges[-1])
        whole = all(e % 1 == 0.5 for e in histogram.edges)  # noqa: PLR2004 - bins about whole numbers
        shift = 0.5 if whole else 0.0
        ends = histogram.edges[0] + shift, histogram.edges[-1] - shift
        texts = tuple(t.write(x, "n" if whole else form) for x in ends)
        text = str(t("histogram_text", low=texts[0], high=texts[1]))
        title = str(t("histogram_caption", what=what))
        return charts.histogram(histogram.edges, histogram.focus, histogram.rest, (texts[0], texts[1]), title, text)

    def map(self) -> Markup:
        """Segments by profit and risk."""
        t, groups = self._t, [g for g in self._f.groups if g.segment.id in self._f.dots and g.customers]
        description = "; ".join(f"{self._tools.name(g.segment)}: {t.write(g.customers, 'n')}" for g in groups)
        axes = (str(t("map_profit")), str(t("map_risk")))
        write = (lambda x: t.write(x, "1"), lambda x: t.write(x, "%"))
        return charts.scatter(self._f.dots, self._f.risks, axes, write, str(t("map_caption")), description)

    def curve(self) -> Markup:
        """Gain over the budget."""
        t, curve = self._t, self._f.plan.curve
        own = self._f.plan.by_share[1.0]
        points, past = [(p.share, p.gain) for p in curve], [(p.share, p.past) for p in curve if p.past is not None]
        axes = (str(t("curve_share")), str(t("curve_profit")))
        write = (lambda x: t.write(x * own.budget, "m"), lambda x: t.write(x, "m"))
        text = str(t("curve_desc", budget=own.budget, x=own.gain))
        return charts.curve(points, past, axes, write, str(t("curve_caption_past" if past else "curve_caption")), text)

    def reliability(self) -> Markup:
        """Predicted and observed."""
        t, bins = self._t, self._f.quality.calibration
        axes = (str(t("calibration_promised")), str(t("calibration_came")))
        description = "; ".join(f"{t.write(b.expected, '%')} – {t.write(b.declined, '%')}" for b in bins)
        shown = [(b.expected, b.declined) for b in bins]
        return charts.reliability(shown, axes, lambda x: t.write(x, "%"), str(t("calibration_caption")), description)

    def moved(self, moved: Moved) -> Markup:
        """How far something has moved; the line is the limit."""
        monitoring = self._f.monitoring
        largest = max(2 * monitoring.limit, *(m.psi.high for m in monitoring.shown))
        colour = charts.REST if moved.status == "stable" else charts.FOCUS
        return charts.marks([(moved.psi, colour)], 0, largest, zero=monitoring.limit)

    def matured(self) -> Markup:
        """Promised and observed shares of decliners by month of the scores."""
        t, months = self._t, self._f.monitoring.months
        labels = [m.month for m in months]
        series = [
            charts.Series(str(t("promised")), charts.REST, [m.expected for m in months]),
            charts.Series(str(t("came_true")), charts.FOCUS, [m.observed for m in months]),
        ]
        description = "; ".join(f"{m.month}: {t.write(m.expected, '%')} – {t.write(m.observed, '%')}" for m in months)
        return charts.trend(labels, series, lambda x: t.write(x, "%"), str(t("matured_caption")), description)

    def matrix(self) -> Markup:
        """Phik of all pairs."""
        names, values = self._f.quality.matrix
        shown = [cut(self._t.feature(n), 36) for n in names]
        rows = [[1.0 if a == b else values.get((a, b), values.get((b, a))) for b in names] for a in names]
        return charts.heat(shown, rows, str(self._t("matrix_caption")), str(self._t("matrix_text", n=len(names))))
