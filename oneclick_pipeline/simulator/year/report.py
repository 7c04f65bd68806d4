"""What the policies earned in the year, and measured effects compared with the truth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.table import Table

from oneclick_pipeline.pictures import DECLINED, GREY, INK, PALE, SMALL, STABLE, TEXT, TITLE, figure, png, printable, tidy
from oneclick_pipeline.simulator.year.gains import gains

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from oneclick_pipeline.simulator.year.our_policy import OurPolicy
    from oneclick_pipeline.simulator.year.play import Play
    from oneclick_pipeline.simulator.year.worth import Worth

NOBODY, OURS, ORACLE = "nobody", "ours", "oracle"
_COLOURS = {OURS: STABLE, ORACLE: INK, "risk_profit": DECLINED, "random": GREY, NOBODY: PALE}
_TARGETED, _FITTING = ("plan", "hold_out"), ("exploration",)


@dataclass(frozen=True)
class Report:
    """The year in tables.

    Attributes:
        policies: One row per policy: gain (profit over that of nobody, less cost), of_oracle (share of the oracle's gain),
            regret (what the oracle gains more), cost, offers, saved (expected declines less), harmful (share of offers sent
            that truly raise the probability of declining).
        months: One row per policy and month: `Play.months`, with gain (profit over nobody's, less cost) and its sum so far.
        effects: See `compare`.
        gains: See `gains.gains`.
    """

    policies: pd.DataFrame
    months: pd.DataFrame
    effects: pd.DataFrame
    gains: pd.DataFrame


def report(plays: Mapping[str, Play], ours: OurPolicy, worth: Worth) -> Report:
    """Bring the plays together.

    Args:
        plays: Year by policy, `nobody` and `oracle` among them.
        ours: Our policy after its year, with what it measured.
        worth: The true worth of a customer.
    """
    base = plays[NOBODY]
    best = plays[ORACLE].profit() - base.profit()
    rows, parts = [], []
    for name, play in plays.items():
        gain = play.profit() - base.profit()
        by_month = (play.months["profit"] - base.months["profit"] - play.months["cost"]).to_numpy()
        parts.append(play.months.assign(policy=name, gain=by_month, gain_so_far=by_month.cumsum()))
        rows.append(
            {
                "policy": name,
                "gain": gain,
                "of_oracle": gain / best if best > 0 else np.nan,
                "regret": best - gain,
                "cost": play.months["cost"].sum(),
                "offers": len(play.sent),
                "saved": play.months["saved"].sum(),
                "harmful": (play.sent["effect"] > 0).mean() if len(play.sent) else np.nan,
            }
        )
    return Report(
        pd.DataFrame(rows),
        pd.concat(parts, ignore_index=True),
        compare(ours.effects, ours.outcomes, ours.truths),
        gains(ours.promises, plays[OURS].sent, worth),
    )


def compare(effects: pd.DataFrame, outcomes: pd.DataFrame, truths: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Measured effects on decline, campaign by campaign, beside the true ones.

    The truth of a comparison is the mean true effect on the customers who are offered in it. Over several comparisons
    (`pooled`, all campaigns) it is weighted as the measurement is: by n_offered x n_controls / n.

    Args:
        effects: `contracts.campaigns.OFFER_EFFECTS`.
        outcomes: `contracts.campaigns.CAMPAIGN_OUTCOMES` they were measured on.
        truths: True effects by month: customer_id as index, one column per offer.

    Returns:
        campaigns, offer_id, comparison, interval, effect, effect_low, effect_high, true_effect, inside: the measured ones of
        single offers in all segments, in the order of `effects`.
    """
    columns = ["campaigns", "offer_id", "comparison", "interval", "effect", "effect_low", "effect_high"]
    if effects.empty:
        return pd.DataFrame(columns=[*columns, "true_effect", "inside"])
    measured = effects[
        (effects["outcome"] == "declined")
        & (effects["status"] == "measured")
        & (effects["segment"] == "all")
        & (effects["offer_id"] != "all")
    ][columns].reset_index(drop=True)
    parts = _true_parts(outcomes[outcomes["declined"].notna()], truths)
    measured["true_effect"] = [_truth(parts, *row) for row in measured[columns[:3]].itertuples(index=False)]
    inside = measured["true_effect"].between(measured["effect_low"], measured["effect_high"])
    return measured.assign(inside=inside.where(measured["true_effect"].notna()))


def _true_parts(outcomes: pd.DataFrame, truths: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """One row per month, offer and comparison (targeted, fitting): weight and mean true effect on the offered."""
    rows = []
    for month, group in outcomes.groupby("campaign_month"):
        truth = truths[str(month)]
        offered = group["arm"].to_numpy() == "offer"
        for offer in truth.columns:
            chosen = group["offer_id"].to_numpy() == offer
            fitting = group["fits"].fillna("").str.split(",").map(lambda fits, name=offer: name in fits).to_numpy()
            for comparison, kinds in (("targeted", _TARGETED), ("fitting", _FITTING)):
                drawn = group["assignment"].isin(kinds).to_numpy()
                got = drawn & offered & chosen
                held = drawn & ~offered & (fitting if comparison == "fitting" else chosen)
                if got.any() and held.any():
                    weight = got.sum() * held.sum() / (got.sum() + held.sum())
                    mean = truth.loc[group["customer_id"].to_numpy()[got], offer].mean()
                    rows.append((str(month), offer, comparison, weight, mean))
    return pd.DataFrame(rows, columns=["campaigns", "offer_id", "comparison", "weight", "mean"])


def _truth(parts: pd.DataFrame, campaigns: str, offer: str, comparison: str) -> float:
    """The true effect of a comparison; NaN if no one was offered anything in it."""
    mine = parts[parts["offer_id"] == offer]
    if campaigns != "all":
        mine = mine[mine["campaigns"] == campaigns]
    if comparison != "pooled":
        mine = mine[mine["comparison"] == comparison]
    return float(np.average(mine["mean"], weights=mine["weight"])) if len(mine) else float("nan")


def write(folder: Path, result: Report, beliefs: Mapping[str, pd.DataFrame]) -> Path:
    """Write the tables (Parquet and CSV) and the picture into a folder; returns the path of the picture."""
    folder.mkdir(parents=True, exist_ok=True)
    believed = [table.assign(month=month) for month, table in beliefs.items() if len(table)]
    tables = {"policies": result.policies, "months": result.months, "effects": result.effects, "gains": result.gains}
    if believed:
        tables["beliefs"] = pd.concat(believed, ignore_index=True)
    for name, table in tables.items():
        table.to_parquet(folder / f"{name}.parquet", index=False)
        table.to_csv(folder / f"{name}.csv", index=False, lineterminator="\n")
    path = folder / "year.png"
    path.write_bytes(png(picture(result)))
    return path


def picture(result: Report) -> Figure:
    """Gain so far and declines by month, all policies' gain, measured against true effects, promised against true gains."""
    drawn = figure(11, 11)
    axes_of = drawn.subplot_mosaic("gd;tf;pp")
    so_far, declines, totals, forest = (axes_of[name] for name in "gdtf")
    for name, months in result.months.groupby("policy", sort=False):
        colour = _COLOURS.get(str(name), GREY)
        width = 2 if name == OURS else 1
        if name != NOBODY:
            so_far.plot(months["month"], months["gain_so_far"], color=colour, linewidth=width, label=str(name))
        # beside each other: without offers the share moves by chance alone, alike for all policies
        declines.plot(months["month"], 100 * months["declined"], color=colour if name != NOBODY else GREY, linewidth=width)
    so_far.legend(frameon=False, fontsize=SMALL, labelcolor=INK)
    _titled(so_far, "Cumulative gain over no offers, less cost, finance units")
    _titled(declines, "Customers who decline in the next three months, %")
    for axes in (so_far, declines):
        axes.tick_params(axis="x", labelrotation=90)
    shown = result.policies[result.policies["policy"] != NOBODY].sort_values("gain")
    totals.barh(shown["policy"], shown["gain"], color=[_COLOURS.get(name, GREY) for name in shown["policy"]])
    for place, (gain, share) in enumerate(zip(shown["gain"], shown["of_oracle"], strict=True)):
        totals.text(max(gain, 0), place, f"  {gain:,.0f} ({share:.0%})", va="center", fontsize=SMALL, color=INK)
    totals.margins(x=0.25)
    _titled(totals, "Gain of the year, finance units (share of the oracle's)")
    _forest(forest, result.effects)
    _promises(axes_of["p"], result.gains)
    return drawn


def _promises(axes: Axes, gains: pd.DataFrame) -> None:
    """What every month's plan promised with its interval, and the truth."""
    middle, low, high = (gains[name].to_numpy(dtype=float) for name in ("expected_gain", "low", "high"))
    ends = [middle - low, high - middle]
    axes.errorbar(gains["month"], middle, yerr=ends, fmt="o", markersize=4, color=STABLE, label="expected, 95 %")
    axes.plot(gains["month"], gains["true_gain"], "D", markersize=4, color=DECLINED, label="true")
    axes.axhline(0, color=PALE, zorder=0)
    axes.legend(frameon=False, fontsize=SMALL, labelcolor=INK)
    _titled(axes, "Our plans: expected and true gain of the month's offers, less cost, finance units")


def _forest(axes: Axes, effects: pd.DataFrame) -> None:
    """Each offer's effect over all campaigns with its interval, and the truth."""
    rows = effects[(effects["campaigns"] == "all") & (effects["comparison"] == "pooled")].sort_values("offer_id", ascending=False)
    place = np.arange(len(rows))
    middle, low, high = (100 * rows[name].to_numpy(dtype=float) for name in ("effect", "effect_low", "effect_high"))
    axes.errorbar(middle, place, xerr=[middle - low, high - middle], fmt="o", markersize=4, color=STABLE, label="measured, 95 %")
    axes.plot(100 * rows["true_effect"], place, "D", markersize=4, color=DECLINED, label="true")
    axes.axvline(0, color=PALE, zorder=0)
    axes.set_yticks(place, [printable(name) for name in rows["offer_id"]])
    if len(rows):
        axes.legend(frameon=False, fontsize=SMALL, labelcolor=INK)
    share = effects["inside"].dropna()
    coverage = f" ({share.mean():.0%} of {len(share)} intervals hold the truth)" if len(share) else ""
    _titled(axes, f"Change of P(decline), percentage points{coverage}")


def _titled(axes: Axes, title: str) -> None:
    tidy(axes).set_title(
        title, loc="left", fontsize=TITLE if len(title) < len("Change of P(decline), percentage points") else TEXT, color=INK
    )


def render(result: Report) -> Table:
    """The policies as a table for a terminal."""
    table = Table(title="The year", title_justify="left", header_style="bold", box=SIMPLE_HEAD)
    table.add_column("Policy", no_wrap=True)
    for name in ("Gain", "Of oracle", "Regret", "Cost", "Offers", "Declines less", "Harmful offers"):
        table.add_column(name, justify="right")
    for row in result.policies.sort_values("gain", ascending=False).to_dict("records"):
        counts = [f"{row[name]:,.0f}" for name in ("gain", "regret", "cost", "offers", "saved")]
        of_oracle, harmful = ("–" if np.isnan(row[name]) else f"{row[name]:.0%}" for name in ("of_oracle", "harmful"))
        table.add_row(str(row["policy"]), counts[0], of_oracle, *counts[1:], harmful)
    return table


def lines(result: Report, left: Mapping[str, str | None], control_share: float) -> Iterable[str]:
    """A summary of the tables, in sentences."""
    gain = result.policies.set_index("policy")["gain"]
    share = gain[OURS] / (gain[ORACLE] * (1 - control_share)) if gain[ORACLE] > 0 else float("nan")
    yield f"Our policy gained {share:.0%} of what the oracle gains, less the hold-out's share."
    if gain.get("risk_profit", 0) > 0:
        yield f"It gained {gain[OURS] / gain['risk_profit']:.2f} times what risk x profit gains."
    months = result.gains
    if len(months):
        expected, true = months["expected_gain"].sum(), months["true_gain"].sum()
        yield f"Its plans expected {expected:,.0f} and gained {true:,.0f} by the true effects and worth."
        yield f"{months['covered'].sum()} of {len(months)} intervals of a month's gain hold the truth."
    for kind, meaning in (("fixed", "of one campaign, read once"), ("always_valid", "of all campaigns, read every month")):
        inside = result.effects.loc[result.effects["interval"] == kind, "inside"].dropna()
        if len(inside):
            yield f"{inside.mean():.1%} of {len(inside)} intervals of effects {meaning}, hold the truth."
    gone = [f"{name} from {month}" for name, month in left.items() if month is not None]
    yield f"No longer in the plan: {', '.join(gone) or 'none'}."
