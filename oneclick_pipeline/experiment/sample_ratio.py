"""The sample-ratio check: whether as many customers are in either arm as the draw intended."""

from __future__ import annotations

from functools import lru_cache


@lru_cache(maxsize=10_000)  # the outcomes of a campaign have the same counts
def sample_ratio_p(offered: int, controls: int, expected_share: float) -> float:
    """p-value of these numbers of offered and controls if `expected_share` of them should be offered.

    >>> round(sample_ratio_p(500, 500, 0.5), 2), sample_ratio_p(600, 400, 0.5) < 1e-6
    (1.0, True)
    """
    import tea_tasting
    from tea_tasting.aggr import Aggregates

    check = tea_tasting.SampleRatio(expected_share / (1 - expected_share))
    return float(check.analyze({0: Aggregates(controls), 1: Aggregates(offered)}, control=0, treatment=1).pvalue)
