"""Which customers may be compared: only those separated by chance alone.

- *targeted*: customers for whom the plan chose the offer, who got it or were held out of it (for the month, or
  permanently), expected offer : control = (1-h)(1-e)(1-c) : h + (1-h)(1-e)c with the shares h and c of hold-out and control
  per offer that the month was drawn with, and the part e of the others that explored, which the stored probabilities
  hold (an offer has room for part of the exploration only, and not everyone has an offer that is still open);
- *fitting*: explored customers who could draw the offer, and drew it or control, expected 1 : 1.

`parts` are such comparisons of one offer in one month, for effects of offers; `pairs` the same customer by customer,
for effects on customers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from oneclick_pipeline.contracts.offers import P_EXPLORE, SHARES
from oneclick_pipeline.experiment.probabilities import targeted_share
from oneclick_pipeline.experiment.sample_ratio import sample_ratio_p

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from oneclick_pipeline.settings import Campaigns

    Flags = NDArray[np.bool_]
    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]


class Part(NamedTuple):
    """One offer's comparison in one month."""

    month: str
    offer: str
    comparison: Literal["targeted", "fitting"]
    rows: Ints
    share: Floats  # probability of the offer for each of the rows, given that they are in the part
    sound: bool  # whether the sample-ratio check holds
    own: Part | None = None  # the same with the controls of the month's own draw only


def parts(outcomes: pd.DataFrame, settings: Campaigns) -> list[Part]:
    """All parts, whether or not their outcomes are known.

    Customers who are held out permanently were drawn once, and the plan chooses later offers by what became of them
    without any: over the months they may drift apart from those who got some. Where the sample-ratio check sees it, in
    a month or over all, the controls of the month's own draw remain, for whom chance decided after the plan had chosen.
    """
    offered = (outcomes["arm"] == "offer").to_numpy()
    assignment, offer = outcomes["assignment"].to_numpy(), outcomes["offer_id"].to_numpy(dtype=object, na_value="")
    months = outcomes["campaign_month"].to_numpy()
    withheld, share = 1 - outcomes["offer_control_share"].to_numpy(dtype=float), _targeted_share(outcomes)
    fits = outcomes["fits"].to_numpy(dtype=object, na_value="")
    sets = {text: frozenset(text.split(",")) for text in set(fits)}
    licensed = []
    for month in sorted(set(months)):
        here = np.flatnonzero(months == month)
        planned = here[assignment[here] == "plan"]
        held = here[assignment[here] == "hold_out"]
        explored = here[assignment[here] == "exploration"]
        for name in sorted(set(offer[here]) - {""}):
            drawn = planned[offer[planned] == name]
            both = np.concatenate([drawn, held[offer[held] == name]])
            part: Part | None = None
            for chosen, aimed in ((drawn, withheld), (both, share)):
                if len(chosen) and 0 < aimed[chosen].mean() < 1:  # else no one is held out that way
                    wider = Part(
                        month, name, "targeted", chosen, aimed[chosen], _sound(offered[chosen], aimed[chosen], settings), part
                    )
                    part = wider if wider.sound or part is None or not part.sound else part
            licensed += [part] if part else []
            took = explored[offered[explored] & (offer[explored] == name)]
            if len(took):  # else the offer was not in the draw: those whom it fits are controls of other offers
                could = np.array([name in sets[text] for text in fits[explored]], dtype=bool)
                rows = np.concatenate([took, explored[could & ~offered[explored]]])
                even = np.full(len(rows), 0.5)
                licensed.append(Part(month, name, "fitting", rows, even, _sound(offered[rows], even, settings)))
    return licensed


def _sound(offered: Flags, share: Floats, settings: Campaigns) -> bool:
    """Whether the sample-ratio check holds."""
    expected = round(float(share.mean()), 12)
    return sample_ratio_p(int(offered.sum()), int((~offered).sum()), expected) >= settings.sample_ratio_level


def _targeted_share(outcomes: pd.DataFrame) -> Floats:
    """Probability that a customer of the plan's choice who did not explore was offered it, hold-outs among them; (n,).

    By the probability of exploring that is stored for each; outcomes that an earlier version wrote do not hold it: there
    it is that of the month.
    """
    h, e, c = (outcomes[column.name].to_numpy(dtype=float) for column in SHARES)
    if P_EXPLORE.name in outcomes:
        e = np.divide(outcomes[P_EXPLORE.name].to_numpy(dtype=float), 1 - h, out=np.zeros_like(h), where=h < 1)
    return targeted_share(h, e, c)


@dataclass(frozen=True)
class Pairs:
    """Who is compared for which offer: one entry per customer of a campaign and offer.

    Attributes:
        row: Place in the outcomes.
        offer: Number of the offer.
        offered: Whether the customer was offered it, or held out.
        odds: Probability of the former, given that it was one of the two.
    """

    row: NDArray[np.intp]
    offer: NDArray[np.intp]
    offered: NDArray[np.bool_]
    odds: NDArray[np.float64]

    def where(self, kept: NDArray[np.bool_]) -> Pairs:
        """Some of the entries."""
        return Pairs(self.row[kept], self.offer[kept], self.offered[kept], self.odds[kept])


def pairs(outcomes: pd.DataFrame, offers: Sequence[str]) -> Pairs:
    """The comparisons that chance permits, customer by customer.

    An offer that no one explored in a month was not among those drawn: that month's explored controls are not its controls.

    Args:
        outcomes: Rows of `contracts.campaigns.CAMPAIGN_OUTCOMES` with the probabilities of their draw.
        offers: Ids of the offers.
    """
    import pandas as pd

    number = {offer: j for j, offer in enumerate(offers)}
    own = outcomes["offer_id"].map(number).fillna(-1).to_numpy(dtype=np.intp)
    offered = (outcomes["arm"] == "offer").to_numpy()
    explored = (outcomes["assignment"] == "exploration").to_numpy()
    month = pd.factorize(outcomes["campaign_month"])[0]
    fitting = np.flatnonzero(explored)
    row, offer = np.nonzero(fits(outcomes["fits"].iloc[fitting], offers))
    row = fitting[row]
    drawn = np.zeros((month.max(initial=-1) + 1, len(offers)), dtype=bool)
    got = explored & offered & (own >= 0)
    drawn[month[got], own[got]] = True
    kept = drawn[month[row], offer] & (~offered[row] | (own[row] == offer))
    row, offer = row[kept], offer[kept]
    share = _targeted_share(outcomes)
    targeted = np.flatnonzero(~explored & (own >= 0) & (share < 1))  # if no one is held out there is no comparison
    places = np.concatenate([row, targeted])
    odds = np.concatenate([np.full(len(row), 0.5), share[targeted]])
    return Pairs(places, np.concatenate([offer, own[targeted]]), offered[places], odds)


def fits(lists: pd.Series, offers: Sequence[str]) -> NDArray[np.bool_]:
    """Which offers are in the comma-separated lists: (n, m).

    >>> import pandas as pd
    >>> fits(pd.Series(["a,b", "", "b"]), ["b", "a"]).tolist()
    [[True, True], [False, False], [True, False]]
    """
    import pandas as pd

    code, texts = pd.factorize(lists)
    named = [set(text.split(",")) for text in texts]
    return np.array([[offer in names for offer in offers] for names in named], dtype=bool).reshape(len(named), len(offers))[code]
