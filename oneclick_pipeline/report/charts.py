"""Charts as inline SVG: real text, no script, each with a title and a description; they follow the width of the page.

A chart in a row of a table (`bar`, `marks`) stretches with its cell and holds no text: its numbers are beside it. The
others have a fixed shape, 340 wide, so that on a telephone their text is as large as elsewhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from markupsafe import Markup, escape

from oneclick_pipeline.pictures import DECLINED, GREY, INK, PALE, STABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from oneclick_pipeline.stats import Interval

WIDTH = 340
TEXT = 12

FOCUS, REST, UNSURE = DECLINED, STABLE, GREY
SHADES = {
    "save_first": "#7F2704",
    "save_cheaply": "#FDAE6B",
    "support": "#CC6100",
    "watch": "#FDD0A2",
    "core": "#08519C",
    "grow": "#9ECAE1",
    "irregular": GREY,
    "unknown": PALE,
}
"""Colours of the segments, as in the map of the stage segments."""


class Series(NamedTuple):
    """One of several things in a chart: its name, its colour, its points with their intervals (None where unknown)."""

    name: str
    colour: str
    values: Sequence[Interval | None]


def bar(value: float, largest: float, colour: str = STABLE, interval: Interval | None = None) -> Markup:
    """A bar from 0 within a row; its interval is a line in ink across its end."""
    scale = 100 / max(largest, 1e-12)
    parts = [f'<rect y="3" width="{max(value * scale, 0.4):.1f}" height="14" fill="{colour}"/>']
    if interval is not None:
        parts.append(_whisker(interval.low * scale, interval.high * scale, INK, 10))
    return _row(parts)


def marks(intervals: Sequence[tuple[Interval, str]], low: float, high: float, zero: float | None = None) -> Markup:
    """Estimates with their intervals within a row, one colour each, and a line at `zero`."""
    span = max(high - low, 1e-12)

    def x(value: float) -> float:
        return 2 + 96 * (min(max(value, low), high) - low) / span

    parts = [f'<path d="M0 10H100" stroke="{PALE}" vector-effect="non-scaling-stroke"/>']
    if zero is not None:
        parts.append(f'<path d="M{x(zero):.1f} 0V20" stroke="{GREY}" vector-effect="non-scaling-stroke"/>')
    for place, (interval, colour) in enumerate(intervals):
        y = 10 if len(intervals) == 1 else 6 + 8 * place
        parts.append(_whisker(x(interval.low), x(interval.high), colour, y, 2.5))
        parts.append(
            f'<path d="M{x(interval.estimate):.1f} {y}h0" stroke="{colour}" stroke-width="9" stroke-linecap="round" '
            'vector-effect="non-scaling-stroke"/>'
        )
    return _row(parts)


def _whisker(low: float, high: float, colour: str, y: float, width: float = 2) -> str:
    return (
        f'<path d="M{max(low, 0):.1f} {y}H{min(high, 100):.1f}" stroke="{colour}" stroke-width="{width}" '
        'vector-effect="non-scaling-stroke"/>'
    )


def trend(labels: Sequence[str], series: Sequence[Series], write: Callable[[float], str], title: str, text: str) -> Markup:
    """Means over months from 0, with intervals; the values are beside the points."""
    height, left, right, top, bottom = 190, 44, 296, 22, 160
    largest = max((v.high for s in series for v in s.values if v is not None), default=1.0) * 1.08
    step = (right - left) / max(len(labels) - 1, 1)

    def y(value: float) -> float:
        return bottom - (bottom - top) * value / max(largest, 1e-12)

    parts = [f'<path d="M{left - 24} {bottom}H{right + 24}" stroke="{GREY}"/>']
    parts += [_text(left + i * step, bottom + 18, label, "middle") for i, label in enumerate(labels)]
    for i in range(len(labels)):
        drawn = sorted((v.estimate, k) for k, s in enumerate(series) if (v := s.values[i]) is not None)
        for place, (_, k) in enumerate(drawn):
            value = series[k].values[i]
            if value is not None:
                above = place == len(drawn) - 1
                at = y(value.high) - 7 if above else y(value.low) + 16
                parts.append(_text(left + i * step, at, write(value.estimate), "middle", series[k].colour))
    for one in series:
        points = [(left + i * step, v) for i, v in enumerate(one.values) if v is not None]
        if points:
            line = "L".join(f"{x:.1f} {y(v.estimate):.1f}" for x, v in points)
            parts.append(f'<path d="M{line}" fill="none" stroke="{one.colour}" stroke-width="2.5"/>')
        for x, v in points:
            parts.append(
                f'<path d="M{x:.1f} {y(v.low):.1f}V{y(v.high):.1f}" stroke="{one.colour}" stroke-width="6" opacity=".35"/>'
            )
            parts.append(f'<circle cx="{x:.1f}" cy="{y(v.estimate):.1f}" r="4" fill="{one.colour}"/>')
    return _svg((WIDTH, height), title, text, parts)


def histogram(
    edges: Sequence[float], focus: Sequence[float], rest: Sequence[float], ends: tuple[str, str], title: str, text: str
) -> Markup:
    """Two distributions over the same bins: the others as an area, the focus group as an outline over it."""
    height, left, right, bottom, top = 150, 6, 334, 124, 8
    largest = max(*focus, *rest, 1e-12)
    span = edges[-1] - edges[0]

    def x(value: float) -> float:
        return left + (right - left) * (value - edges[0]) / span

    def steps(shares: Sequence[float]) -> str:
        path = [f"M{left} {bottom}"]
        for a, b, value in zip(edges, edges[1:], shares, strict=False):
            at = bottom - (bottom - top) * value / largest
            path.append(f"L{x(a):.1f} {at:.1f}H{x(b):.1f}")
        return "".join(path) + f"V{bottom}"

    parts = [
        f'<path d="{steps(rest)}Z" fill="{REST}" opacity=".35"/>',
        f'<path d="{steps(focus)}Z" fill="{FOCUS}" opacity=".18"/>',
        f'<path d="{steps(focus)}" fill="none" stroke="{FOCUS}" stroke-width="2"/>',
        f'<path d="M{left} {bottom}H{right}" stroke="{GREY}"/>',
        _text(left, bottom + 17, ends[0], "start"),
        _text(right, bottom + 17, ends[1], "end"),
    ]
    return _svg((WIDTH, height), title, text, parts)


def scatter(
    dots: dict[str, tuple[tuple[float, float], ...]],
    lines: tuple[float, float],
    axes: tuple[str, str],
    write: tuple[Callable[[float], str], Callable[[float], str]],
    title: str,
    text: str,
) -> Markup:
    """Customers by profit (across) and risk (up, 0 to 1), one colour per segment; dashes where risk is cut."""
    height, left, right, top, bottom = 300, 40, 334, 26, 250
    profits = [x for group in dots.values() for x, _ in group] or [0.0, 1.0]
    low, high = min(profits), max(profits)

    def at(x: float, y: float) -> str:
        return f"M{left + (right - left) * (x - low) / max(high - low, 1e-12):.0f} {bottom - (bottom - top) * y:.0f}h0"

    parts = []
    for level in (0.0, 0.5, 1.0):
        y = bottom - (bottom - top) * level
        parts += [f'<path d="M{left} {y:.0f}H{right}" stroke="{PALE}"/>', _text(left - 6, y + 4, write[1](level), "end")]
    for name, group in dots.items():
        if group:
            path = "".join(at(x, y) for x, y in group)
            parts.append(f'<path d="{path}" stroke="{SHADES[name]}" stroke-width="4.5" stroke-linecap="round" opacity=".75"/>')
    for level in lines:
        y = bottom - (bottom - top) * level
        parts.append(f'<path d="M{left} {y:.0f}H{right}" stroke="{INK}" stroke-dasharray="4 4" opacity=".7"/>')
    parts += [
        _text(left, bottom + 18, write[0](low), "start"),
        _text(right, bottom + 18, write[0](high), "end"),
        _text((left + right) / 2, bottom + 36, axes[0], "middle"),
        _text(2, 12, axes[1], "start"),
    ]
    return _svg((WIDTH, height), title, text, parts)


def curve(
    points: Sequence[tuple[float, Interval]],
    past: Sequence[tuple[float, Interval]],
    axes: tuple[str, str],
    write: tuple[Callable[[float], str], Callable[[float], str]],
    title: str,
    text: str,
) -> Markup:
    """Gain over the budget as a share of the plan's, 0 to 2: a line with its band, the past in grey, the plan marked."""
    height, left, right, top, bottom = 250, 50, 330, 28, 200
    every = [v for _, gain in (*points, *past) for v in (gain.low, gain.estimate, gain.high)] + [0.0]
    low, high = min(every), max(every)

    def x(share: float) -> float:
        return left + (right - left) * share / 2

    def y(value: float) -> float:
        return bottom - (bottom - top) * (value - low) / max(high - low, 1e-12)

    def path(places: Sequence[tuple[float, float]]) -> str:
        return "L".join(f"{x(share):.1f} {y(value):.1f}" for share, value in places)

    def band(of: Sequence[tuple[float, Interval]], colour: str, opacity: str) -> str:
        around = [(share, gain.high) for share, gain in of] + [(share, gain.low) for share, gain in reversed(of)]
        return f'<path d="M{path(around)}Z" fill="{colour}" opacity="{opacity}"/>'

    parts = [band(past, GREY, ".15")] if past else []
    parts.append(band(points, STABLE, ".2"))
    for value in sorted({low, 0.0, high}):
        if value in (0.0, high) or y(value) - y(0.0) > TEXT:
            parts += [f'<path d="M{left} {y(value):.1f}H{right}" stroke="{PALE}"/>']
            parts += [_text(left - 6, y(value) + 4, write[1](value), "end")]
    parts.append(f'<path d="M{left} {y(0):.1f}H{right}" stroke="{GREY}"/>')
    if past:
        line = path([(share, gain.estimate) for share, gain in past])
        parts.append(f'<path d="M{line}" fill="none" stroke="{GREY}" stroke-width="2" stroke-dasharray="5 4"/>')
    line = path([(share, gain.estimate) for share, gain in points])
    parts.append(f'<path d="M{line}" fill="none" stroke="{STABLE}" stroke-width="2.5"/>')
    plan = dict(points)[1.0]
    parts += [
        f'<circle cx="{x(1):.1f}" cy="{y(plan.estimate):.1f}" r="5" fill="{DECLINED}"/>',
        *(_text(x(s), bottom + 18, write[0](s), "end" if s == 2 else "middle") for s in (0.0, 1.0, 2.0)),  # noqa: PLR2004
        _text((left + right) / 2, bottom + 38, axes[0], "middle"),
        _text(2, 12, axes[1], "start"),
    ]
    return _svg((WIDTH, height), title, text, parts)


def reliability(
    bins: Sequence[tuple[float, Interval]], axes: tuple[str, str], write: Callable[[float], str], title: str, text: str
) -> Markup:
    """Observed share over predicted probability with intervals; dots on the dashes keep their promise exactly."""
    height, left, right, top, bottom = 330, 44, 330, 26, 280

    def x(value: float) -> float:
        return left + (right - left) * value

    def y(value: float) -> float:
        return bottom - (bottom - top) * value

    parts = []
    for level in (0.0, 0.5, 1.0):
        parts += [
            f'<path d="M{left} {y(level):.1f}H{right}" stroke="{PALE}"/>',
            _text(left - 6, y(level) + 4, write(level), "end"),
        ]
        parts.append(_text(x(level), bottom + 18, write(level), "middle" if level < 1 else "end"))
    parts.append(f'<path d="M{x(0)} {y(0)}L{x(1)} {y(1)}" stroke="{GREY}" stroke-dasharray="5 4"/>')
    for p, came in bins:
        parts.append(f'<path d="M{x(p):.1f} {y(came.low):.1f}V{y(came.high):.1f}" stroke="{DECLINED}" stroke-width="2"/>')
        parts.append(f'<circle cx="{x(p):.1f}" cy="{y(came.estimate):.1f}" r="4.5" fill="{DECLINED}"/>')
    parts += [_text((left + right) / 2, bottom + 38, axes[0], "middle"), _text(2, 12, axes[1], "start")]
    return _svg((WIDTH, height), title, text, parts)


def heat(names: Sequence[str], values: Sequence[Sequence[float | None]], title: str, text: str) -> Markup:
    """A matrix of dependences from 0 (white) to 1 (blue); columns are numbered as the rows."""
    cell, left, top = 20, 270, 22
    parts = []
    for i, a in enumerate(names):
        parts.append(_text(left - 8, top + i * cell + 14, f"{i + 1}. {a}", "end"))
        parts.append(_text(left + i * cell + cell / 2, top - 7, str(i + 1), "middle"))
        for j, value in enumerate(values[i]):
            if value is None:
                continue
            parts.append(
                f'<rect x="{left + j * cell}" y="{top + i * cell}" width="{cell - 1}" height="{cell - 1}" '
                f'fill="{STABLE}" fill-opacity="{value:.2f}"/>'
            )
    size = (left + len(names) * cell + 4, top + len(names) * cell + 4)
    return _svg(size, title, text, parts, css="wide")


def _text(x: float, y: float, text: str, anchor: str, colour: str = INK) -> str:
    dark = {DECLINED: "#A34700", STABLE: "#005A8C"}.get(colour, colour)  # as text these need more contrast
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{dark}">{escape(text)}</text>'


def _row(parts: Sequence[str]) -> Markup:
    """A picture in a row, hidden from those who hear the page: it shows the numbers of its row once more."""
    return Markup(  # noqa: S704 - built here from numbers
        f'<svg class="row" aria-hidden="true" viewBox="0 0 100 20" preserveAspectRatio="none">{"".join(parts)}</svg>'
    )


def _svg(size: tuple[float, float], title: str, text: str, parts: Sequence[str], css: str = "chart") -> Markup:
    """An SVG with a name, and a description where there is more to say."""
    described = f"<desc>{escape(text)}</desc>" if text else ""
    return Markup(  # noqa: S704 - built here from numbers; every text is escaped
        f'<svg class="{css}" role="img" viewBox="0 0 {size[0]:.0f} {size[1]:.0f}" aria-label="{escape(title)}">'
        f"<title>{escape(title)}</title>{described}{''.join(parts)}</svg>"
    )
