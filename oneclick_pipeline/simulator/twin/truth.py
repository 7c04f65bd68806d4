"""The known truth: the probability that a customer declines, given everything a model may see."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit, ndtri

from oneclick_pipeline.contracts.customers import FEATURE_NAMES

if TYPE_CHECKING:
    from oneclick_pipeline.simulator.twin.column import Codes, Floats
    from oneclick_pipeline.simulator.twin.profile import Profile


def log_likelihood_ratio(profile: Profile, codes: Codes) -> Floats:
    """Log of how much likelier the features are under the declined copula than under the stable one, shape (rows,).

    Evidence of the marginals (ratios of cell shares) plus evidence of the dependence (ratio of copula densities).

    Args:
        profile: The store.
        codes: Codes of the columns, shape (rows, at least 16); those after the features are ignored.
    """
    columns = profile.columns[: len(FEATURE_NAMES)]
    ratio = sum((c.log_ratio[c.cell(codes[:, k])] for k, c in enumerate(columns)), start=np.zeros(len(codes)))
    for label, sign in ((1, 1.0), (0, -1.0)):
        scores = np.column_stack([ndtri(c.quantile(codes[:, k], label)) for k, c in enumerate(columns)])
        ratio += sign * profile.copulas[label].log_density(scores)
    return ratio


def probability_of_codes(profile: Profile, codes: Codes) -> Floats:
    """The true P(declined | features) of the twin, in (0, 1), shape (rows,): the score that no model can beat.

    Bayes' rule over the two classes: share of decliners x likelihood of the features, where a decliner behaves like a
    stable customer with probability `profile.look_active`. Twin customers' classes are drawn with exactly this
    probability. Profit is not a feature and plays no part. It is rounded to a millionth, so that the truth, and the
    classes drawn from it, are the same on machines whose last bits differ.
    """
    ratio = np.exp(np.clip(log_likelihood_ratio(profile, codes), -30, 30))
    declined = (1 - profile.look_active) * ratio + profile.look_active
    prior = np.log(profile.decline_share / (1 - profile.decline_share))
    result: Floats = np.clip(np.round(expit(prior + np.log(declined)), 6), 1e-6, 1 - 1e-6)
    return result
