"""The common style of all pictures: one text size, one palette, bytes that depend on the data alone.

Pictures use matplotlib's object interface, never `pyplot`: nothing is registered globally, so nothing leaks in
a long-lived Dagster process and no display is looked for.
"""

from __future__ import annotations

import base64
import html
import re
from functools import cache
from io import BytesIO
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DECLINED = "#D55E00"
"""Customers whose activity declined: vermilion of the Okabe-Ito palette, safe for colour-blind readers."""

STABLE = "#0072B2"
"""Customers whose activity is stable: blue of the same palette."""

INK = "#333333"
"""Text and prominent elements."""

GREY = "#8C8C8C"
"""Data without a class, and secondary elements."""

PALE = "#E6E6E6"
"""Frames, grids, and cells without a value."""

FROM_ZERO = "Blues"
"""Colour map for values from 0 up."""

SMALL, TEXT, TITLE = 7, 8, 10
"""Sizes of text, points."""

_DPI = 100
_LITERAL = 200
_FONT = "DejaVu Sans"


def figure(width: float, height: float, *, layout: Literal["constrained"] | None = "constrained") -> Figure:
    """An empty picture in the house style.

    Args:
        width: Width, inches; a picture has 100 pixels per inch.
        height: Height, inches.
        layout: `constrained` measures all labels and keeps them apart; None leaves the margins to the caller and
            saves half of the drawing time where there are many axes or texts.

    >>> figure(4, 3).get_size_inches().tolist()
    [4.0, 3.0]
    """
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=_DPI, layout=layout, facecolor="white")


def tidy(axes: Axes) -> Axes:
    """Take from `axes` what carries no data: two of the four spines, tick marks, black."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(GREY)
    axes.tick_params(length=0, labelsize=SMALL, colors=INK)
    return axes


def printable(text: str) -> str:
    r"""`text` as a picture can show it: no mathematics between dollars, no character that the font lacks.

    The store may add categories of any name, and matplotlib fails on the first and warns of the second.

    >>> printable("Всё по $5 и $9 🎁")
    'Всё по \\$5 и \\$9 ?'
    """
    drawable = _characters()
    return "".join(c if ord(c) in drawable else "?" for c in text).replace("$", r"\$")


def png(picture: Figure) -> bytes:
    """The picture as PNG: equal pictures give equal bytes, whenever they are drawn."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    buffer = BytesIO()
    # not `savefig`, which draws everything once more to lay it out, and takes twice as long
    FigureCanvasAgg(picture).print_png(buffer, metadata={"Software": None})  # type: ignore[no-untyped-call] # has no types
    return buffer.getvalue()


def markdown(image: bytes, alt: str) -> str:
    """A PNG as Markdown that carries the image within itself, for the metadata of an asset.

    Args:
        image: What `png` returned.
        alt: What the picture shows, for readers who do not see it.

    >>> markdown(b"png", "phik matrix")
    '![phik matrix](data:image/png;base64,cG5n)'
    """
    return f"![{alt}](data:image/png;base64,{base64.b64encode(image).decode('ascii')})"


def literal(text: str) -> str:
    r"""A text from the data as Markdown that shows it and does nothing else: no markup, no HTML, one line, limited length.

    >>> literal("<script>alert(1)</script> | [x](javascript:1)")
    '&lt;script&gt;alert(1)&lt;/script&gt; \\| \\[x\\](javascript:1)'
    """
    line = " ".join(text.split())
    cut = f"{line[:_LITERAL]}…" if len(line) > _LITERAL else line
    return re.sub(r"([\\`*_\[\]|~])", r"\\\1", html.escape(cut, quote=False))


@cache
def _characters() -> frozenset[int]:
    """Code points of the font of all pictures."""
    from matplotlib.font_manager import findfont, get_font

    return frozenset(get_font(findfont(_FONT)).get_charmap())
