"""Settings that a month was run with, as its tables show them: a past month is not described by the settings of today."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from oneclick_pipeline.contracts.segments import SEGMENTS

if TYPE_CHECKING:
    from oneclick_pipeline.report.estimates import Floats
    from oneclick_pipeline.report.frames import Places

_RISK = np.array([-1 if s.risk is None else s.risk for s in SEGMENTS])


def horizon_of(p: Floats, profit: Floats, at_risk: Floats) -> int | None:
    """Months whose profit is in the value at risk, which is p_decline x monthly profit x months; None where nothing is at risk.

    >>> horizon_of(np.array([0.5, 0.1, np.nan]), np.array([4.0, -1.0, 2.0]), np.array([6.0, 0.0, np.nan]))
    3
    """
    monthly = p * profit
    counted = (monthly > 0) & (at_risk > 0)  # False of NaN
    return round(float(at_risk[counted].sum() / monthly[counted].sum())) if counted.any() else None


def cut(p: Floats, place: Places, risk: int, today: float) -> float:
    """p_decline from which the segments of a month begin to have a risk: that of today's settings where they agree with it.

    Args:
        p: p_decline by customer.
        place: Place of each customer's segment in `SEGMENTS`.
        risk: 1 middle, 2 high.
        today: What the settings say.

    Returns:
        Otherwise the lowest p_decline of those whose risk is as high.

    >>> p, place = np.array([0.2, 0.65, 0.9]), np.array([5, 3, 0])  # grow, watch, save_first
    >>> cut(p, place, 2, 0.7), cut(p, place, 2, 0.6)
    (0.7, 0.9)
    """
    own = _RISK[place]
    below, above = p[(own >= 0) & (own < risk)], p[own >= risk]
    agrees = (not len(below) or below.max() < today) and (not len(above) or above.min() >= today)
    return today if agrees else float(above.min()) if len(above) else float(np.nextafter(below.max(), 1))
