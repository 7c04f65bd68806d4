"""What the Dagster pages show beside an asset: pictures, Markdown tables, where its columns come from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dagster as dg

from oneclick_pipeline import pictures
from oneclick_pipeline.contracts import lineage

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from matplotlib.figure import Figure


def embedded(png: bytes, alt: str) -> dg.MarkdownMetadataValue:
    """A picture's file, inside the page."""
    return dg.MetadataValue.md(pictures.markdown(png, alt))


def picture(figure: Figure, alt: str) -> dg.MarkdownMetadataValue:
    """A picture, inside the page."""
    return embedded(pictures.png(figure), alt)


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> dg.MarkdownMetadataValue:
    """A table; its cells are Markdown, so what comes from data is made plain before, see `pictures.literal`."""
    lines = [header, ["---"] * len(header), *rows]
    return dg.MetadataValue.md("\n".join(f"| {' | '.join(map(str, line))} |" for line in lines))


def origin(name: str) -> dict[str, Any]:
    """Where the columns of a table come from: as text, and as Dagster's own column lineage."""
    deps = {o.column: [dg.TableColumnDep(*source) for source in o.sources] for o in lineage.ORIGINS[name]}
    return {
        "where the columns come from": table(("column", "from", "rule"), lineage.rows(name)),
        "dagster/column_lineage": dg.TableColumnLineage(deps),
    }
