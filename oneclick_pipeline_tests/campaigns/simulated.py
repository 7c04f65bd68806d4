"""Campaigns with known effects: what the learner and the policy value are held against."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from oneclick_pipeline.contracts.customers import FEATURE_NAMES, FEATURES
from oneclick_pipeline.settings import Offers

OFFERS = ("voucher", "bundle", "premium", "apology")
MEANS = np.array([-0.06, -0.03, 0.0, -0.04])
COSTS = dict(zip(OFFERS, (0.05, 0.03, 0.1, 0.02), strict=True))


@dataclass(frozen=True)
class Campaigns:
    """What happened, what was known, and what nobody knows: the true effects, row by row, NaN where an offer did not fit."""

    outcomes: pd.DataFrame
    snapshots: dict[str, pd.DataFrame]
    effects: np.ndarray
    p_control: np.ndarray


def campaigns(customers, months=("2026-01", "2026-02"), *, seed, spread=1.0, shares=None):
    """Customers whom the plan, exploration or the hold-out got, in every month; `spread` is the heterogeneity."""
    rng = np.random.default_rng(seed)
    shares = shares or Offers(control_share=0.1, exploration_share=0.5, offer_control_share=0.3)
    ids = rng.permutation(np.arange(1, customers + 1))
    held_out = rng.random(customers) < shares.control_share
    tables, effects, controls, snapshots = [], [], [], {}
    for month in months:
        snapshot = pd.DataFrame({name: rng.random(customers) for name in FEATURE_NAMES})
        texts = {c.name: rng.choice(list("abc"), customers) for c in FEATURES if c.kind == "str"}
        snapshot = snapshot.assign(customer_id=ids, **texts)
        snapshots[month] = snapshot
        z = snapshot["tenure_days"].to_numpy()
        p = 0.15 + 0.6 * (0.5 * z + 0.5 * snapshot["pages_per_visit"].to_numpy())
        # each offer moves some customers much and others not, by the score and by one feature of their own
        own = snapshot[["promo_share", "unpaid_items", "minutes_m0", "service_errors"]].to_numpy() - 0.5
        effect = MEANS - spread * (0.3 * own + 0.15 * (p[:, None] - p.mean()))
        effect = np.clip(effect, 0.01 - p[:, None], 0.99 - p[:, None])
        fit = rng.random((customers, len(OFFERS))) < 0.7
        fit[:, 0] |= ~fit.any(axis=1)
        best = np.where(fit, -MEANS + 0.05 * rng.random(fit.shape), -np.inf).argmax(axis=1)
        k = fit.sum(axis=1)
        explored = ~held_out & (rng.random(customers) < shares.exploration_share)
        draw = (rng.random(customers) * (k + 1)).astype(int)  # 0: nothing; else the offer of that rank among those that fit
        rank = np.cumsum(fit, axis=1) * fit
        drawn = np.where(draw > 0, (rank == draw[:, None]).argmax(axis=1), -1)
        kept_back = rng.random(customers) < shares.offer_control_share
        given = np.where(explored, drawn, np.where(held_out | kept_back, -1, best))
        true = np.where(given >= 0, effect[np.arange(customers), given], 0.0)
        h, e, c = shares.control_share, shares.exploration_share, shares.offer_control_share
        by_chance = (1 - h) * e / (k + 1)
        propensity = np.select(
            [explored & (given == best), explored | held_out, given >= 0],
            [by_chance + (1 - h) * (1 - e) * (1 - c), by_chance, by_chance + (1 - h) * (1 - e) * (1 - c)],
            h + (1 - h) * (1 - e) * c,
        )
        propensity = np.where(held_out, h + (1 - h) * (1 - e) * c, propensity)
        named = np.where(explored, given, best)
        tables.append(
            pd.DataFrame(
                {
                    "campaign_month": month,
                    "customer_id": ids,
                    "arm": np.where(given >= 0, "offer", "control"),
                    "offer_id": [OFFERS[j] if j >= 0 else None for j in named],
                    "assignment": np.select([held_out, explored], ["hold_out", "exploration"], "plan"),
                    "propensity": propensity,
                    "p_control": h + by_chance,
                    "p_explore": (1 - h) * e,
                    "control_share": h,
                    "exploration_share": e,
                    "offer_control_share": c,
                    "fits": [",".join(np.array(OFFERS)[f]) for f in fit],
                    "segment": "all",
                    "p_decline": np.clip(p + rng.normal(0, 0.03, customers), 0.01, 0.99),
                    "value": 1 + 2 * snapshot["revenue_m0"].to_numpy(),
                    "cost": [COSTS[OFFERS[j]] if j >= 0 else 0.0 for j in given],
                    "revenue_before": 100 * snapshot["revenue_m0"].to_numpy(),
                    "profit_before": 10 * snapshot["revenue_m1"].to_numpy(),
                    "months_observed": 3,
                    "revenue_after": 50.0,
                    "profit_after": 5.0,
                    "declined": pd.array((rng.random(customers) < p + true).astype(int), dtype="Int64"),
                    "vanished": False,
                }
            )
        )
        effects.append(np.where(fit, effect, np.nan))
        controls.append(p)
    return Campaigns(pd.concat(tables, ignore_index=True), snapshots, np.concatenate(effects), np.concatenate(controls))
