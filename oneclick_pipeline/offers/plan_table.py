"""A decided plan as the table `contracts.offers.OFFER_PLAN`, batch by batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from oneclick_pipeline.contracts.offers import ARMS, ASSIGNMENTS, OFFER_PLAN, REASONS_OF_PLAN
from oneclick_pipeline.experiment import chances
from oneclick_pipeline.experiment.probabilities import probabilities
from oneclick_pipeline.offers.decision import code

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from oneclick_pipeline.experiment.exploration import Wave
    from oneclick_pipeline.offers.candidates import Candidates, Everybody, OfferArrays
    from oneclick_pipeline.offers.decision import Decision
    from oneclick_pipeline.offers.plan_summary import Summary
    from oneclick_pipeline.settings import Offers

    Numbers = NDArray[np.float64]
    Choice = NDArray[np.int16]
    Flags = NDArray[np.bool_]
    _Number = TypeVar("_Number", np.float64, np.int8, np.int16, np.int64)


@dataclass(frozen=True)
class DecidedPlan:
    """A plan that is decided, to be written batch by batch.

    Attributes:
        summary: The plan in figures.
    """

    summary: Summary
    _everybody: Everybody
    _candidates: Candidates
    _decision: Decision
    _waves: tuple[Wave, ...]
    _offers: OfferArrays
    _settings: Offers

    def tables(self, rows: int) -> Iterator[pd.DataFrame]:
        """The whole plan in batches of so many rows, at least one."""
        for begin in range(0, max(len(self._everybody.ids), 1), rows):
            yield self.table(begin, begin + rows)

    def table(self, begin: int, end: int) -> pd.DataFrame:
        """`contracts.offers.OFFER_PLAN` of some customers, in the order in which they came; texts are categories."""
        import pandas as pd

        first, last = np.searchsorted(self._candidates.among, [begin, end])
        at, within = self._candidates.place[first:last], self._candidates.among[first:last] - begin
        own, made, n = self._everybody, self._decision, len(self._everybody.ids[begin:end])
        case, offer, ids = made.case[at], made.offer[at], self._offers.ids
        chance = probabilities(self._candidates.explorable[at], made.policy[at], made.explored[at], self._waves, self._settings)
        by_case = (chance.withheld, chance.explored, chance.explored, chance.nothing, chance.withheld, chance.plan)
        arm = code(0, ARMS)[case]
        fits = np.unpackbits(self._candidates.fits[at], axis=1, count=len(ids)).astype(bool)
        codes, texts = chances.texts(fits, self._candidates.explorable[at], ids, self._waves, self._settings.control_share)

        def whole(numbers: NDArray[_Number], otherwise: float) -> NDArray[_Number]:
            values = np.full(n, otherwise, numbers.dtype)
            values[within] = numbers
            return values

        return pd.DataFrame(
            {
                "customer_id": own.ids[begin:end],
                "arm": _words(whole(arm, 2), ARMS),
                "offer_id": _words(whole(offer, -1), ids),
                "assignment": _words(whole(code(1, ASSIGNMENTS)[case], 3), ASSIGNMENTS),
                "reason": _words(own.reason[begin:end], REASONS_OF_PLAN),
                "propensity": whole(np.clip(np.choose(case, by_case), 0, 1), np.nan),
                "p_no_offer": whole(np.clip(chance.no_offer, 0, 1), 1.0),
                "p_control": whole(np.clip(chance.control, 0, 1), 0.0),
                "p_explore": whole(np.clip(chance.explore, 0, 1), 0.0),
                "chances": _words(whole(codes, -1), texts),
                "control_share": self._settings.control_share,
                "exploration_share": self.summary.explored_share,
                "offer_control_share": self._settings.offer_control_share,
                "fits": _lists(own.fits[begin:end], ids),
                "segment": _words(own.segment[begin:end], own.segments),
                "p_decline": own.p[begin:end],
                "model_version": own.version[begin:end],
                "value": own.value[begin:end],
                "expected_effect": whole(made.effect[at], np.nan),
                "expected_gain": whole(made.expected[at], np.nan),
                "cost": whole(np.where(arm == 0, self._offers.cost[offer], 0.0) if ids else np.zeros(len(at)), 0.0),
            }
        )[OFFER_PLAN.names]


def _words(codes: NDArray[np.integer], words: Sequence[str]) -> pd.Categorical:
    """Texts of their numbers, none of -1."""
    import pandas as pd

    return pd.Categorical.from_codes(codes, pd.Index(list(words), dtype="str"))


def _lists(fits: Flags, ids: Sequence[str]) -> pd.Categorical:
    """Offers that fit every customer, separated by commas."""
    import pandas as pd

    codes, texts = np.zeros(len(fits), dtype=np.int64), [""]
    for j, name in enumerate(ids):  # few combinations cover many customers
        codes, pairs = pd.factorize(2 * codes + fits[:, j])
        texts = [",".join(filter(None, (texts[pair // 2], name if pair % 2 else ""))) for pair in pairs.tolist()]
    return _words(codes, texts)
