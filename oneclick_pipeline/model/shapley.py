"""Shapley values of a model's output, by sampling orders in which features are switched on."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_BATCH = 65_536
"""Most rows of one prediction: few calls, and memory that does not grow with the sample."""


def shapley(
    output: Callable[[pd.DataFrame], Floats], customers: pd.DataFrame, background: pd.DataFrame, *, seed: list[int]
) -> Floats:
    """Interventional Shapley values of every customer against the background.

    The value of a set of features is the mean output over the background rows with the customer's values put in for
    the set. For every customer and background row one random order of the features is walked forwards and backwards, and a
    feature is worth what the output changes by when the customer's value is put in. The estimate is unbiased; since
    the two walks mirror each other it is exact, whatever the orders, for outputs in which at most two features
    interact, and the values of a customer always add up to their output less the background's mean. Source: Štrumbelj,
    Kononenko (2014), Explaining prediction models; mirrored orders: Mitchell, Cooper, Frank, Holmes (2022), Sampling
    permutations for Shapley value estimation.

    Args:
        output: What to explain: output of every row of a frame with the columns of `customers`.
        customers: n rows to explain.
        background: m rows to compare with, same columns; the cost is 2 · n · m · (features − 1) rows at most.
        seed: Seed of the orders.

    Returns:
        Values in the unit of the output, shape (n, features).
    """
    import numpy as np

    rng = np.random.default_rng(seed)
    table = _Codes(customers, background)
    n, m, features = len(customers), len(background), customers.shape[1]
    from_, to = table.codes[n:], table.codes[:n]
    ends = output(customers), output(background)
    total = np.zeros((n, features))
    at_once = max(1, _BATCH // (2 * m * (features - 1)))
    for first in range(0, n, at_once):
        x = np.arange(first, min(first + at_once, n)).repeat(m)  # customer and background row of every walk
        b = np.tile(np.arange(m), len(x) // m)
        order = rng.permuted(np.tile(np.arange(features), (len(x), 1)), axis=1)
        for walk in (order, order[:, ::-1]):
            np.add.at(total, (x[:, None], walk), _gains(output, table, (to[x], from_[b]), (ends[0][x], ends[1][b]), walk))
    return total / (2 * m)


def _gains(
    output: Callable[[pd.DataFrame], Floats],
    table: _Codes,
    rows: tuple[NDArray[np.int_], NDArray[np.int_]],
    ends: tuple[Floats, Floats],
    walk: NDArray[np.int_],
) -> Floats:
    """What the output changes by at every step of every walk, shape (walks, features)."""
    import numpy as np

    to, from_ = rows
    features = walk.shape[1]
    place = np.argsort(walk, axis=1)
    step = np.arange(1, features)[None, :, None]
    codes = np.where(place[:, None, :] < step, to[:, None, :], from_[:, None, :])  # walk, step, feature
    # A step that changes nothing needs no prediction, and the last change leads to the customer, whose output is known.
    changed = np.take_along_axis(to != from_, walk, axis=1)
    later = np.cumsum(changed[:, ::-1], axis=1)[:, ::-1] - changed
    asked = changed[:, :-1] & (later[:, :-1] > 0)
    height = np.column_stack([ends[1], np.full((len(walk), features - 1), np.nan), ends[0]])
    height[:, 1:-1][asked] = output(table.frame(codes[asked]))
    height[:, 1:-1][~asked & (later[:, :-1] == 0)] = np.repeat(ends[0], (~asked & (later[:, :-1] == 0)).sum(axis=1))
    last = np.maximum.accumulate(np.where(np.isnan(height), 0, np.arange(features + 1)), axis=1)
    gains: Floats = np.diff(np.take_along_axis(height, last, axis=1), axis=1)
    return gains


class _Codes:
    """Rows as integer codes of their values: one array operation then mixes numbers and texts."""

    def __init__(self, customers: pd.DataFrame, background: pd.DataFrame) -> None:
        import numpy as np
        import pandas as pd

        both = pd.concat([customers, background], ignore_index=True)
        factors = [pd.factorize(both[name], use_na_sentinel=False) for name in both]
        self.codes = np.column_stack([codes for codes, _ in factors])
        self._values = {str(name): np.asarray(values) for name, (_, values) in zip(both, factors, strict=True)}

    def frame(self, codes: NDArray[np.int_]) -> pd.DataFrame:
        """The rows that the codes denote."""
        import pandas as pd

        return pd.DataFrame({name: values[codes[:, i]] for i, (name, values) in enumerate(self._values.items())})
