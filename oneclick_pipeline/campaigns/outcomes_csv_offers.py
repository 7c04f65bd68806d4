"""Names of offers in a file of outcomes: texts that a reader cannot tell apart are one offer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oneclick_pipeline.raw.letters import folded, plain

if TYPE_CHECKING:
    import polars as pl

CONTROL = "control"


def spellings(offers: pl.Series) -> dict[str, str]:
    """Offer as delivered -> `control`, or the spelling of most rows; those that are spelt so are left out.

    >>> import polars as pl
    >>> spellings(pl.Series(["mail", "mail", "Mail", "push", "Control"]))
    {'Control': 'control', 'Mail': 'mail'}
    """
    counts = dict(offers.drop_nulls().value_counts().iter_rows())
    chosen = {folded(CONTROL): CONTROL}
    for text in sorted(counts, key=lambda text: (-counts[text], text)):
        chosen.setdefault(folded(text), plain(text))
    return {text: spelling for text in sorted(counts) if (spelling := chosen[folded(text)]) != text}
