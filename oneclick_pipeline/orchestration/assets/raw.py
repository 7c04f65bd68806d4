"""Assets of stage raw: one per export."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import dagster as dg

from oneclick_pipeline import contracts, raw
from oneclick_pipeline.contracts.exports import SOURCES
from oneclick_pipeline.contracts.schema import Table
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.home.paths import raw_file, raw_files, raw_months
from oneclick_pipeline.orchestration.asset_specs import code_version, table_asset
from oneclick_pipeline.orchestration.checks import check
from oneclick_pipeline.orchestration.resources import Home
from oneclick_pipeline.raw.export import open_export, reopen, rows, unchanged
from oneclick_pipeline.raw.facts import FileFacts
from oneclick_pipeline.raw.number_columns import FIRST_ROWS, of_settings


def _delivered(home: Path, month: str, file: str) -> Path:
    """The export's path; an error if there are two, or one that lists the existing months if the month has no folder."""
    path = raw_file(home, month, file)
    if not path.parent.is_dir():
        months = raw_months(home)
        raise BadInputError(
            f"there is no folder for the month {month}",
            file=str(path.parent),
            remedy="deliver the four exports there" + (f"; there are: {', '.join(months)}" if months else ""),
        )
    if len(several := raw_files(home, month, file)) > 1:
        raise BadInputError(
            f"the export was delivered twice: {' and '.join(one.name for one in several)}",
            file=str(path.parent),
            remedy="keep the right one and remove the other",
        )
    return path


def _written(facts: FileFacts, source: Table) -> dict[str, Any]:
    """How the file was written, and what was decided about it."""
    missing = (f"{marker}, {times} times" for marker, times in facts.first_markers.items())
    no_rows = (f"{kind}: {times}, the first is line {first}" for kind, (times, first) in facts.set_aside.items())
    return {
        "sha256": facts.sha256,
        "bytes": facts.size,
        "container": facts.container,
        "encoding": facts.encoding + (" with byte order mark" if facts.byte_order_mark else ""),
        "delimiter": "tab" if facts.delimiter == "\t" else facts.delimiter,
        "numbers": "; ".join(f"{source[name].header}: {one}" for name, one in facts.formats.items()),
        f"missing values in the first {FIRST_ROWS:,} rows": "; ".join(missing),
        "line end": facts.line_end,
        "rewritten before splitting": facts.rewritten,
        "lines that are no rows": "; ".join(no_rows),
        "columns": ", ".join(facts.header),
        "columns in another spelling": ", ".join(facts.misspelt_headers),
    }


def _raw_asset(source: Table) -> dg.AssetsDefinition:
    @dg.asset(**table_asset(source.file, code_version(raw, contracts), {"csv", "polars"}))
    def asset(context: dg.AssetExecutionContext, home: Home) -> Iterator[Any]:
        with home.step(context) as step:
            path = _delivered(home.root, step.month, source.file)
            with unchanged(path):
                given = home.settings().formats.of(source.file)
                export = open_export(
                    path,
                    source.file,
                    step.folder,
                    encoding=given.encoding,
                    delimiter=given.delimiter,
                    formats=of_settings(given.columns, source),
                )
                staged = step.stage_export(export)
            facts, broken, lines = export.facts, reopen(path, staged.path).broken(), rows(staged.path)
            yield from step.publish(
                staged,
                checks=[
                    check("lines_split", passed=not broken, broken_lines=broken, lines=lines),
                    check(
                        "known_columns",
                        passed=not facts.extra_columns,
                        unknown=len(facts.extra_columns),
                        names=", ".join(facts.extra_columns),
                    ),
                ],
                metadata={
                    "file": dg.MetadataValue.path(path),
                    "rows of the file": lines,
                    "rows that are not plain (in this table)": staged.rows,
                    **_written(facts, source),
                },
                data_version=facts.sha256,
            )

    return cast("dg.AssetsDefinition", asset)


ASSETS = [_raw_asset(source) for source in SOURCES]
