"""Which offers fit each customer, and how likely exploration gives each of them: one text per customer, in plan and ledger.

Exploration draws from fewer offers than fit: those that could pay off for the customer, while they have room. What fits does
not depend on the draw, so that another way of choosing can be judged on customers who explored as on those who did not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from oneclick_pipeline.contracts.offers import CHANCES

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from oneclick_pipeline.experiment.exploration import Wave

    Flags = NDArray[np.bool_]
    Numbers = NDArray[np.float64]


def texts(
    fits: Flags, explorable: Flags, offers: Sequence[str], waves: tuple[Wave, ...], control_share: float
) -> tuple[NDArray[np.int64], list[str]]:
    """The texts of n customers: number of each one's text, and the texts, which are few.

    Args:
        fits: Offers that fit each customer, shape (n, m).
        explorable: Those that each may explore, shape (n, m).
        offers: Ids of the offers.
        waves: See `exploration.explore`.
        control_share: Share held out permanently.

    >>> from oneclick_pipeline.experiment.exploration import Wave
    >>> waves = Wave(0.0, 0.1, np.array([True, True])), Wave(0.1, 0.2, np.array([False, True]))
    >>> texts(np.array([[True, True]]), np.array([[True, False]]), ["a", "b"], waves, 0.5)[1]
    ['a=0.025,b=0.0']
    """
    import pandas as pd

    code = np.zeros(len(fits), dtype=np.int64)
    for column in np.concatenate([fits, explorable], axis=1).T:
        code = pd.factorize(2 * code + column)[0]
    first = np.empty(code.max(initial=-1) + 1, dtype=np.int64)
    first[code[::-1]] = np.arange(len(code))[::-1]
    chance = (1 - control_share) * _explored(explorable[first], waves)
    number, different = pd.factorize(
        np.array(
            [
                ",".join(f"{offer}={p!r}" for offer, p, fit in zip(offers, own, fitting, strict=True) if fit)
                for own, fitting in zip(chance.tolist(), fits[first].tolist(), strict=True)
            ],
            dtype=object,
        )
    )
    return number[code], list(different)


def _explored(explorable: Flags, waves: tuple[Wave, ...]) -> Numbers:
    """Probability that exploration gives each offer to a customer who is not held out, see `probabilities`."""
    total = np.zeros(explorable.shape)
    for wave in waves:
        could = explorable & wave.is_open
        total += could * ((wave.end - wave.begin) / (could.sum(axis=1, keepdims=True) + 1))
    return total


def chances(drawn: pd.DataFrame, offers: Sequence[str]) -> Numbers:
    """The probability with which exploration gives each offer to each customer, NaN where the offer does not fit; (n, m).

    Args:
        drawn: Rows of plan, ledger or outcomes: `chances`, and where it is missing (ledgers that do not hold it) `fits` and
            `p_explore`, from which it is inferred: all that fits as likely as control.
        offers: Ids of the offers.

    >>> import pandas as pd
    >>> drawn = pd.DataFrame({"chances": ["a=0.04,b=0.0", None], "fits": ["a", "b"], "p_explore": [0.08, 0.1]})
    >>> chances(drawn, ["a", "b"]).tolist()
    [[0.04, 0.0], [nan, 0.05]]
    """
    import pandas as pd

    stored = drawn[CHANCES.name].astype(object) if CHANCES.name in drawn else pd.Series(None, index=drawn.index, dtype=object)
    lacking = stored.isna().to_numpy()
    result = _read(stored.where(~lacking, ""), offers)
    if lacking.any():
        rows = drawn[lacking]
        names = rows["fits"].fillna("").map(lambda text: ",".join(f"{name}=1" for name in text.split(",") if name))
        number = rows["fits"].fillna("").map(lambda text: len([name for name in text.split(",") if name]))
        each = rows["p_explore"].to_numpy(dtype=float) / (number.to_numpy(dtype=float) + 1)
        result[lacking] = _read(names, offers) * each[:, None]
    return result


def _read(column: pd.Series, offers: Sequence[str]) -> Numbers:
    """The numbers of texts, each distinct one read once."""
    import pandas as pd

    code, different = pd.factorize(column)
    read = [dict(pair.split("=") for pair in text.split(",") if pair) for text in different]
    numbers = [[float(own.get(offer, "nan")) for offer in offers] for own in read]
    return np.array(numbers, dtype=np.float64).reshape(len(read), len(offers))[code]
