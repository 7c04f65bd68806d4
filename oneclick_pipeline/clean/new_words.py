"""New words of an open vocabulary: different spellings of one become that which most rows have."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import narwhals as nw

from oneclick_pipeline.clean.words import chosen
from oneclick_pipeline.raw.letters import folded

if TYPE_CHECKING:
    from collections.abc import Iterable

    from oneclick_pipeline.clean.reading import Reading
    from oneclick_pipeline.contracts.schema import Table


def with_one_spelling(parts: list[Reading], table: Table) -> list[Reading]:
    """The readings of an export's rows, with one spelling of every new word."""
    for name in (c.name for c in table.columns if c.known):
        rivals = _rivals({word for part in parts for _, word in part.words[name].values() if word is not None})
        if rivals:
            winner = _winners(parts, name, rivals)
            parts = [_respelt(part, name, winner) for part in parts]
    return parts


def _rivals(words: Iterable[str]) -> list[str]:
    """The words that look like another of them."""
    alike: dict[str, list[str]] = {}
    for word in words:
        alike.setdefault(folded(word), []).append(word)
    return [word for same in alike.values() if len(same) > 1 for word in same]


def _winners(parts: list[Reading], name: str, rivals: list[str]) -> dict[str, str]:
    """Spelling -> the one that most rows have; of two that as many have, that which comes first."""
    texts = nw.concat([part.frame.select("line", nw.col(name).cast(nw.String())) for part in parts])
    counts = texts.filter(nw.col(name).is_in(rivals)).group_by(name).agg(nw.len().alias("rows"), nw.col("line").min()).collect()
    by_rank = sorted(counts.select("rows", "line", name).iter_rows(), key=lambda row: (-row[0], row[1]))
    first: dict[str, str] = {}
    return {word: first.setdefault(folded(word), word) for _, _, word in by_rank}


def _respelt(part: Reading, name: str, winner: dict[str, str]) -> Reading:
    """A reading with other spellings of a column's words."""
    word = nw.col(name).cast(nw.String())
    value = nw.coalesce(chosen(word, winner, nw.String()), word).cast(part.frame.collect_schema()[name])
    words = {key: (text, winner.get(right or "", right)) for key, (text, right) in part.words[name].items()}
    return replace(part, frame=part.frame.with_columns(value.alias(name)), words={**part.words, name: words})
