"""Assets of stage clean: four typed tables, and what was rejected and corrected on the way to them."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import dagster as dg
import narwhals as nw
import pandas as pd

from oneclick_pipeline import clean, contracts, raw
from oneclick_pipeline.clean.export import Cleaned, clean_export
from oneclick_pipeline.contracts.exports import SOURCES
from oneclick_pipeline.contracts.schema import Table
from oneclick_pipeline.contracts.tables import TABLES
from oneclick_pipeline.orchestration import plausibility
from oneclick_pipeline.orchestration.asset_specs import code_version, table_spec
from oneclick_pipeline.orchestration.checks import CHECKS, Check, check
from oneclick_pipeline.orchestration.resources import Home
from oneclick_pipeline.raw.export import Export, side_by_side
from oneclick_pipeline.raw.facts import FileFacts
from oneclick_pipeline.raw.number_columns import of_settings
from oneclick_pipeline.settings import Settings

_CODE = code_version(clean, raw, contracts)
_LISTS = ("rejected_rows", "corrections")
_EXAMPLES = 5
_REMEDY = "correct these values in the export and deliver the files again, or raise cleaning.max_rejected_share in settings.yaml"


def _outputs() -> dict[str, dg.AssetOut]:
    kinds = {"narwhals", "pandera"}
    return {name: dg.AssetOut(**table_spec(name, _CODE, kinds)) for name in (*(s.name for s in SOURCES), *_LISTS)}


def worst_rules(rejected: pd.DataFrame) -> str:
    """The rules most often broken, each with examples, as lines of text.

    >>> import pandas as pd
    >>> row = {"file": "money", "line": 3, "column": "Прибыль", "value": "abc", "rule": "is not a number"}
    >>> print(worst_rules(pd.DataFrame([row, row | {"line": 4, "value": None, "rule": "is missing"}])))
    1 x money.csv, column «Прибыль»: is not a number
        line 3: 'abc'
    1 x money.csv, column «Прибыль»: is missing
        line 4: empty
    """
    lines = []
    groups = rejected.fillna({"column": "", "value": ""}).groupby(["file", "column", "rule"], sort=False)
    for (file, column, rule), rows in sorted(groups, key=lambda g: -len(g[1]))[:_EXAMPLES]:
        where = f"{file}.csv" + (f", column «{column}»" if column else "")
        lines.append(f"{len(rows)} x {where}: {rule}")
        shown = ((row.line, repr(str(row.value)[:80]) if row.value else "empty") for row in rows.head(_EXAMPLES).itertuples())
        lines += [f"    line {line}: {value}" for line, value in shown]
    return "\n".join(lines)


@dg.multi_asset(
    name="clean",
    outs=_outputs(),
    internal_asset_deps={
        **{s.name: {dg.AssetKey(s.file)} for s in SOURCES},
        **{name: {dg.AssetKey(s.file) for s in SOURCES} for name in _LISTS},
    },
    check_specs=[spec for name in _outputs() for spec in CHECKS.get(name, [])],
)
def clean_tables(
    context: dg.AssetExecutionContext, home: Home, market_file: Export, market_money: Export, market_time: Export, money: Export
) -> Iterator[Any]:
    """Clean the four exports."""
    exports = {export.facts.file: export for export in (market_file, market_money, market_time, money)}
    with home.step(context) as step:
        settings = home.settings().cleaning
        facts = {s.file: _as_settings_say(exports[s.file].facts, s, home.settings()) for s in SOURCES}
        with side_by_side(exports.values()):
            lines = {file: step.take(export) for file, export in exports.items()}
            cleaned = {s.name: clean_export(lines[s.file], s, settings, step.compute, facts[s.file]) for s in SOURCES}
            lists = [
                step.stage(nw.concat([c.rejected for c in cleaned.values()]), "rejected_rows"),
                step.stage(nw.concat([c.corrections for c in cleaned.values()]), "corrections"),
            ]
            staged = [step.stage(c.table, name) for name, c in cleaned.items()]
        rejected = step.engine.scan(lists[0].path).collect().to_pandas()
        corrections = step.engine.scan(lists[1].path).group_by("file", "column", "rule").agg(nw.len().alias("rows"))
        worst = worst_rules(rejected)
        # The lists go first: when too many rows are rejected they are what the reader needs.
        yield from step.publish_all(
            lists,
            [check("nothing_rejected", passed=rejected.empty, rejected=lists[0].rows).of("rejected_rows")],
            metadata={
                "rejected_rows": {"worst rules": dg.MetadataValue.md(f"```\n{worst}\n```")} if worst else {},
                "corrections": {
                    f"{r} {f} {c or ''}".strip(): n for f, c, r, n in corrections.collect().sort("file", "rule").iter_rows()
                },
            },
        )
        too_many = [
            name for name, c in cleaned.items() if c.rejected_share > settings.max_rejected_share or not _rows(staged, name)
        ]
        judged = plausibility.of_tables(step, home.root, [t for t in staged if t.table not in too_many], settings.accept_scale)
        yield from step.publish_all(
            staged,
            [
                *(one for name, c in cleaned.items() for one in _checks(name, c, _rows(staged, name), name not in too_many)),
                *judged.checks,
            ],
            metadata={
                name: {"rows read": c.rows, "rows rejected": c.rejected_rows, "exact copies dropped": c.duplicates}
                | {f"missing value written as «{marker}»": count for marker, count in c.missing_markers.items()}
                for name, c in cleaned.items()
            },
            why=_too_many(cleaned, too_many, settings.max_rejected_share, worst)
            if too_many
            else "\n".join(map(str, judged.errors)),
        )


def _as_settings_say(facts: FileFacts, table: Table, settings: Settings) -> FileFacts:
    """The facts with the number formats that settings give, which may have changed since the file was read."""
    return replace(facts, formats=facts.formats | of_settings(settings.formats.of(table.file).columns, table))


def _rows(staged: list[Any], name: str) -> int:
    return next(int(table.rows) for table in staged if table.table == name)


def _checks(name: str, cleaned: Cleaned, rows: int, within: bool) -> Iterator[Check]:  # noqa: FBT001
    counts = {"rows_read": cleaned.rows, "clean": rows, "rejected": cleaned.rejected_rows, "exact_copies": cleaned.duplicates}
    accounted = cleaned.rows == rows + cleaned.rejected_rows + cleaned.duplicates
    yield check("rows_accounted", passed=accounted, **counts).of(name)
    share = check("rejected_share", passed=within, share=cleaned.rejected_share, rejected=cleaned.rejected_rows)
    yield share.of(name)


def _too_many(cleaned: dict[str, Cleaned], names: list[str], limit: float, worst: str) -> str:
    files = "; ".join(
        f"{TABLES[n].file}.csv: {cleaned[n].rejected_rows} of {cleaned[n].rows} rows ({cleaned[n].rejected_share:.1%})"
        for n in names
    )
    return (
        f"too many rows were rejected (limit {limit:.1%}): {files}. The rules most often broken:\n{worst}\n"
        f"All of them are in the table rejected_rows. What to do: {_REMEDY}"
    )


ASSETS = [clean_tables]
