"""How far a sum of probabilities may be off because the model is: its own error, beside the chance of who declines.

Of the customers who were trained on, in a band of p_decline, the mean residual (declined less out-of-fold p_decline) says how
far the model's mean there may be off: by chance of the training sample, and by what the model cannot follow. Its second moments
hold both. No model is fitted again.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from oneclick_pipeline.model.metrics import BINS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


@dataclass(frozen=True)
class BandErrors:
    """The error of the model's mean probability in tenths of p_decline.

    Attributes:
        moments: Second moments of the errors of every two bands, shape (BINS, BINS).
    """

    moments: tuple[tuple[float, ...], ...]

    def variance(self, p: Floats, weights: Floats, everybody: NDArray[np.int_]) -> float:
        """Variance that the model's error gives a weighted sum of probabilities of a part of a month's customers.

        The moments are those of whole bands. The mean of a part of a band may be off by more, as that of a smaller sample is:
        its variance is that of the band over the share of the band's customers who are in the part.

        Args:
            p: Probabilities of the part, shape (n,).
            weights: How much each counts, shape (n,).
            everybody: Customers of the month by band, see `counts`.

        >>> import numpy as np
        >>> errors = BandErrors(((0.01, 0.0), (0.0, 0.04)))
        >>> everybody = errors.counts(np.array([0.2, 0.3, 0.7, 0.9]))
        >>> round(errors.variance(np.array([0.2, 0.7, 0.9]), np.ones(3), everybody), 6)
        0.18
        """
        import numpy as np

        moments = np.array(self.moments)
        by_band = np.bincount(bands(p, len(moments)), weights, len(moments))
        share = self.counts(p) / np.maximum(everybody, 1)
        apart = np.diag(moments) * by_band**2 * (1 / np.where(share > 0, share, 1.0) - 1)
        return float(by_band @ moments @ by_band + apart.sum())

    def counts(self, p: Floats) -> NDArray[np.int_]:
        """Customers by band."""
        import numpy as np

        by_band: NDArray[np.int_] = np.bincount(bands(p, len(self.moments)), minlength=len(self.moments))
        return by_band

    def to_json(self) -> str:
        """As text, to be kept with a version of the model."""
        return json.dumps({"moments": self.moments})

    @classmethod
    def from_json(cls, text: str) -> BandErrors:
        """From the text of `to_json`."""
        return cls(tuple(tuple(map(float, row)) for row in json.loads(text)["moments"]))


def band_errors(p: Floats, declined: Floats, groups: NDArray[np.int_], weight: Floats, bins: int = BINS) -> BandErrors:
    """Estimate the errors from predictions out of fold.

    Rows of one customer, and of copies, are not independent: their residuals are added up before they are squared. A band's
    variance is never less than that of independent customers with its probabilities; a band of which nothing is known may be
    off by a half.

    Args:
        p: Out-of-fold probabilities, shape (n,).
        declined: 1 declined, 0 stable, shape (n,).
        groups: Number of each row's customer, with copies; shape (n,).
        weight: How many customers each row represents, shape (n,).
        bins: Bands.
    """
    import numpy as np

    band = bands(p, bins)
    rows = np.bincount(band, weight, bins)
    numbers, place = np.unique(groups, return_inverse=True)
    sums = np.zeros((len(numbers), bins))
    np.add.at(sums, (place, band), weight * (declined - p))
    moments = sums.T @ sums
    np.fill_diagonal(moments, np.maximum(np.diag(moments), np.bincount(band, weight**2 * p * (1 - p), bins)))
    total = sums.sum(axis=0)
    bias = np.sign(total) * np.sqrt(np.maximum(total**2 - np.diag(moments), 0))  # what chance alone does not explain
    moments += np.outer(bias, bias)
    moments = np.divide(moments, np.outer(rows, rows), out=np.zeros((bins, bins)), where=np.outer(rows, rows) > 0)
    moments[rows == 0, rows == 0] = 0.25
    return BandErrors(tuple(tuple(map(float, row)) for row in moments))


def bands(p: Floats, bins: int) -> NDArray[np.int_]:
    """The band of every probability, from 0.

    >>> import numpy as np
    >>> bands(np.array([0.0, 0.19, 1.0]), 10).tolist()
    [0, 1, 9]
    """
    import numpy as np

    places: NDArray[np.int_] = np.minimum((p * bins).astype(int), bins - 1)
    return places
