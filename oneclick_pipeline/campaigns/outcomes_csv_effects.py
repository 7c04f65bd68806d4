"""What the offers of a campaign that was run elsewhere changed: estimates, and how terminal and JSON show them."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table
from rich.text import Text

from oneclick_pipeline.campaigns.estimate import Effect, estimate
from oneclick_pipeline.campaigns.offer_effects import significant
from oneclick_pipeline.campaigns.outcomes_csv_columns import BEFORE
from oneclick_pipeline.campaigns.outcomes_csv_offers import CONTROL
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.terminal import plain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from oneclick_pipeline.campaigns.outcomes_csv import OutcomesFile
    from oneclick_pipeline.settings import Campaigns


_NOTE = (
    "Effect: offer minus control; * adjusted for the value before (CUPED). Within chance, allowing for the number of\n"
    "offers, or too few customers; shows: the smallest effect that this many would show. The intervals are for one look."
)
_EXACT = "\n† Difference of two shares with an exact interval, not adjusted: few in a group have the outcome, or lack it."
_SMALLEST_P = 0.0005
_MOST_SPELT = 10
_VERDICTS = {"sample_ratio_mismatch": "split broken", "nothing_varies": "nothing varies within the groups"}


def estimates(campaign: OutcomesFile, settings: Campaigns, ratios: Mapping[str, float] | None = None) -> pd.DataFrame:
    """Effect of every offer on every outcome against the controls, estimated as the pipeline's own campaigns are.

    Args:
        campaign: What was read; it is over, so that its intervals are for one look.
        settings: How effects are measured.
        ratios: Offer -> how many customers were meant to get it for each control; offers that are not named are not
            checked for a broken split.

    Returns:
        offer_id, outcome, adjusted (whether for a covariate), the fields of `estimate.Effect`, significant: one row per
        offer and outcome. `significant` allows for the number of offers, outcome by outcome. `status` is `nothing_varies` as
        well: within the groups all outcomes are the same, so that nothing says how far chance alone would carry them.

    Raises:
        BadInputError: If `ratios` names an offer that is not in the file, or a ratio is not above 0.
    """
    offers = [offer for offer in campaign.sizes if offer != CONTROL]
    ratios = ratios or {}
    for offer, ratio in ratios.items():
        if offer not in offers or not 0 < ratio < np.inf:
            raise BadInputError(
                f"the ratio {offer}={ratio:g} cannot be used",
                file=campaign.file,
                remedy=f"name one of the offers {', '.join(offers)} and a number above 0",
            )
    arms = campaign.table["offer_id"].to_numpy()
    rows = []
    for offer in offers:
        here = (arms == offer) | (arms == CONTROL)
        share = ratios[offer] / (1 + ratios[offer]) if offer in ratios else None
        for outcome in campaign.outcomes:
            before = outcome + BEFORE in campaign.table
            effect = estimate(
                campaign.table[outcome].to_numpy()[here],
                arms[here] == offer,
                campaign.table[[outcome + BEFORE]].to_numpy()[here] if before else None,
                settings=settings,
                expected_share=share,
                binary=outcome in campaign.binary,
            )
            adjusted = before and effect.method != "exact"
            rows.append(
                {"offer_id": offer, "outcome": outcome, "adjusted": adjusted, **asdict(effect), "status": _status(effect)}
            )
    numbers = [
        field.name for field in fields(Effect) if field.name not in {"offered", "controls", "status", "method", "interval"}
    ]
    table = pd.DataFrame(rows).astype(dict.fromkeys(numbers, float))
    return table.assign(significant=significant(table.assign(campaigns=campaign.file), settings))


def _status(effect: Effect) -> str:
    """Whether conclusions may be drawn, and whether that is for want of customers."""
    enough = min(effect.offered, effect.controls) > 1 and effect.detectable_effect is None
    return "nothing_varies" if effect.status == "not_enough_data" and enough else effect.status


def messages(campaign: OutcomesFile, most: int = 20) -> list[str]:
    """One message per rejected row, the first ones, and how many there are in all."""
    shown = [campaign.message(row) for row in campaign.rejected[:most]]
    rest = len(campaign.rejected) - most
    return [*shown, f"and {rest:,} more; --json lists them all"] if rest > 0 else shown


def render(campaign: OutcomesFile, table: pd.DataFrame) -> Group:
    """The effects as a table for a terminal, below what was read."""
    facts = Text(
        f"{campaign.rows_read:,} rows read: {len(campaign.table):,} used, {len(campaign.rejected):,} left out\n"
        f"Written in {_written(campaign)}\n"
        + _changed(campaign)
        + f"Customers: {', '.join(f'{plain(offer)} {size:,}' for offer, size in campaign.sizes.items())}\n"
        + _split(table)
    )
    grid = Table(box=SIMPLE_HEAD, header_style="bold", padding=(0, 1, 0, 0))
    for name in ("Offer", "Outcome"):
        grid.add_column(name, overflow="fold")
    for name in ("Controls", "Effect", "95 % interval", "p"):
        grid.add_column(name, justify="right", no_wrap=True)
    grid.add_column("", overflow="fold")
    for row in table.to_dict("records"):
        measured = row["status"] == "measured"
        grid.add_row(
            Text(plain(row["offer_id"])),
            Text(plain(row["outcome"]) + ("*" if row["adjusted"] else "†" if row["method"] == "exact" else "")),
            f"{row['mean_controls']:.4g}" if _given(row["mean_controls"]) else "–",
            f"{row['effect']:+.4g}" if measured else "–",
            f"{row['effect_low']:+.4g} … {row['effect_high']:+.4g}" if measured else "–",
            ("<0.001" if row["p_value"] < _SMALLEST_P else f"{row['p_value']:.3f}") if measured else "–",
            Text(_verdict(row)),
        )
    exact = _EXACT if (table["method"] == "exact").any() else ""
    return Group(facts, grid, Text(_NOTE + exact, "dim"))


def _written(campaign: OutcomesFile) -> str:
    """How the file is written, in one line."""
    delimiter = {"\t": "tabs"}.get(campaign.delimiter, f"«{campaign.delimiter}»")
    columns = [f"{plain(header)} with {one}" for header, one in campaign.formats.items()]
    return "; ".join([f"{campaign.encoding}, {delimiter} between fields", *columns])


def _changed(campaign: OutcomesFile) -> str:
    """What was read in another spelling, and what was no row: a line for each, where there is any."""
    spelt = [f"«{plain(old)}» as «{plain(new)}»" for old, new in campaign.corrected.items()]
    aside = [f"{kind} {count:,}" for kind, count in campaign.set_aside.items()]
    more = f", and {len(spelt) - _MOST_SPELT:,} more" if len(spelt) > _MOST_SPELT else ""
    lines = [("Read", spelt[:_MOST_SPELT], more), ("Not counted as rows:", aside, "")]
    return "".join(f"{name} {', '.join(parts)}{rest}\n" for name, parts, rest in lines if parts)


def _split(table: pd.DataFrame) -> str:
    """The sample-ratio check in one line."""
    offers = []
    for row in table.drop_duplicates("offer_id").to_dict("records"):
        if not _given(row["sample_ratio_p"]):
            offers.append(f"{plain(row['offer_id'])} not checked (give --ratio)")
        else:
            verdict = "BROKEN" if row["status"] == "sample_ratio_mismatch" else "as meant"
            offers.append(f"{plain(row['offer_id'])} {verdict}, p = {row['sample_ratio_p']:.2g}")
    return f"Split: {'; '.join(offers)}"


def _verdict(row: Mapping[Any, Any]) -> str:
    """What an effect says, in words that fit a terminal."""
    if row["status"] in _VERDICTS:
        return _VERDICTS[row["status"]]
    if row["status"] == "measured" and row["significant"]:
        return "beyond chance"
    seen = f", shows {row['detectable_effect']:.2g}" if _given(row["detectable_effect"]) else ""
    return ("within chance" if row["status"] == "measured" else "too few") + seen


def _given(value: float) -> bool:
    """Whether there is a figure."""
    return not np.isnan(value)


def as_json(campaign: OutcomesFile, table: pd.DataFrame) -> dict[str, Any]:
    """All figures of the campaign, ready for JSON."""
    records: list[dict[str, Any]] = [
        {str(k): None if isinstance(v, float) and np.isnan(v) else v for k, v in row.items()} for row in table.to_dict("records")
    ]
    return {
        "file": campaign.file,
        "rows_read": campaign.rows_read,
        "rows_used": len(campaign.table),
        "rows_rejected": len(campaign.rejected),
        "sizes": campaign.sizes,
        "encoding": campaign.encoding,
        "delimiter": campaign.delimiter,
        "formats": campaign.formats,
        "corrected": campaign.corrected,
        "set_aside": campaign.set_aside,
        "ignored_columns": campaign.ignored,
        "effects": records,
        "rejected": [asdict(row) for row in campaign.rejected],
    }
