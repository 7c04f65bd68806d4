"""Guards against a training set that contains its own answer.

A feature that alone separates the classes is the label in disguise, or was recorded after it. A column that repeats
what a later month holds was filled from that month. Both stop the training. The order in which the store delivers its
rows, and the ids that follow it, give the label away too (ROC-AUC 0.98 in the real export): that is measured and reported,
and does no harm, since rows are put into an order of their own and no model sees an id.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from oneclick_pipeline.contracts.customers import FEATURE_NAMES
from oneclick_pipeline.contracts.exports import CUSTOMERS, REVENUE, SITE_MINUTES
from oneclick_pipeline.contracts.model import TRAINING_SET
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.home.months import add_months
from oneclick_pipeline.model.folds import fold_numbers, splits
from oneclick_pipeline.model.metrics import roc_auc
from oneclick_pipeline.model.training_set import NUMBERS, TEXTS, inputs, sample

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from oneclick_pipeline.settings import Labels

MAX_ROWS = 200_000
"""Rows that the guards use: with this many, an AUC is accurate to 0.001."""
ENOUGH = 20
"""Customers (of each class, for an AUC) below which a guard is silent: chance alone would trigger it."""
CHANCE = 0.5
FEATURE_BINS = 20
POSITION_BINS = 50
_FOLDS = 5
_SEED = [20261]

MONTHLY = {"revenue": ("revenue_m0", "revenue_m1", "revenue_m2"), "minutes": ("minutes_m0", "minutes_m1")}
"""The columns that describe one month each: m0 the snapshot's, m1 the one before, m2 the one before that."""
COLUMNS = ("customer_id", *(name for names in MONTHLY.values() for name in names))
"""The columns of later snapshots that the guards compare with."""


def _origin(feature: str) -> tuple[str, str]:
    """The file and the header that a feature comes from."""
    if feature in CUSTOMERS.names:
        return f"{CUSTOMERS.file}.csv", CUSTOMERS[feature].header
    source = REVENUE if feature in MONTHLY["revenue"] else SITE_MINUTES
    return f"{source.file}.csv", source.columns[-1].header


@dataclass(frozen=True)
class Leaks:
    """What may have leaked into a training set.

    Attributes:
        aucs: See `single_feature_auc`.
        shares: See `future_shares`.
        disguised: The error if a feature is the label in disguise; None otherwise.
        future: The error if a column is unknown or comes from a later month; None otherwise.
    """

    aucs: pd.Series
    shares: pd.DataFrame
    disguised: BadInputError | None
    future: BadInputError | None

    @property
    def error(self) -> BadInputError | None:
        """Why nothing may be trained on the set; None if all is well."""
        return self.disguised or self.future


def leaks(training: pd.DataFrame, snapshots: Mapping[str, pd.DataFrame], *, horizon: int, settings: Labels) -> Leaks:
    """Look for leaks in a training set.

    Args:
        training: The training set.
        snapshots: Features by month, with `COLUMNS`.
        horizon: Months from features to label.
        settings: The limits.
    """
    aucs = single_feature_auc(training)
    shares = future_shares(training, snapshots, horizon=horizon)
    future = unknown_columns(training) or column_from_the_future(shares, limit=settings.max_future_share)
    return Leaks(aucs, shares, disguised_label(aucs, limit=settings.max_single_auc), future)


def unknown_columns(training: pd.DataFrame) -> BadInputError | None:
    """The error to raise where a training set holds a column that its contract does not know; None where none."""
    unknown = [name for name in training.columns if name not in TRAINING_SET.names]
    if not unknown:
        return None
    return BadInputError(
        f"the training set holds columns that are not known to predate the label: {', '.join(unknown)}",
        remedy="drop them, or declare them in tables.TRAINING_SET",
    )


def single_feature_auc(training: pd.DataFrame) -> pd.Series:
    """How well every feature alone separates declined from stable.

    The larger of two figures: the ROC-AUC of the values' order, whichever way it points (missing ones are below
    all others), and that of the share of decliners in the feature's bin (20 quantile bins, or its categories, missing
    ones a bin of their own), learned on other folds, which also detects non-monotone relations.

    Args:
        training: Rows of `contracts.model.TRAINING_SET`; of more than `MAX_ROWS` a sample is judged.

    Returns:
        ROC-AUC, at least 0.5, by feature, highest first; empty with fewer than `ENOUGH` distinct customers of a class.
    """
    import pandas as pd

    rows = sample(training, MAX_ROWS)
    if not _enough(rows):
        return pd.Series(dtype=float)
    declined, folds = _judged_by(rows)
    features = inputs(rows)
    aucs = {name: _binned_auc(_categories(features[name]), declined, folds) for name in TEXTS}
    for name in NUMBERS:
        values = features[name].to_numpy()
        ordered = roc_auc(declined, features[name].fillna(features[name].min() - 1).fillna(0).to_numpy())
        aucs[name] = max(ordered, 1 - ordered, _binned_auc(_bins(values, FEATURE_BINS), declined, folds))
    return pd.Series(aucs)[list(FEATURE_NAMES)].sort_values(ascending=False, kind="stable")


def disguised_label(aucs: pd.Series, *, limit: float) -> BadInputError | None:
    """The error to raise where one feature alone predicts the label almost perfectly; None where none does.

    Args:
        aucs: What `single_feature_auc` returned.
        limit: ROC-AUC from which a feature counts as the label in disguise.
    """
    if aucs.empty or aucs.iloc[0] < limit:
        return None
    feature = str(aucs.index[0])
    file, header = _origin(feature)
    return BadInputError(
        f"{feature} alone tells declined from stable with ROC-AUC {aucs.iloc[0]:.3f} (limit {limit:g}): "
        "it is the label in disguise, or was recorded after it",
        file=file,
        column=header,
        remedy="deliver the column as it stood at the end of the month, before the class was known; "
        "if the column really is that strong, raise labels.max_single_auc in settings.yaml",
    )


def future_shares(training: pd.DataFrame, snapshots: Mapping[str, pd.DataFrame], *, horizon: int) -> pd.DataFrame:
    """How often a monthly value of the features equals what a later snapshot holds of a month after the features.

    Honest values meet again in later snapshots, but as what they are: revenue_m0 of May is revenue_m1 of June. Only
    values that describe a month after that of the features are compared. Customers whose value is the same in all months of
    the features carry no information (they may always pay the same) and are left out, as are zeros and unknown values.

    Args:
        training: Rows of `contracts.model.TRAINING_SET`; of more than `MAX_ROWS` of a month the first are judged.
        snapshots: `customer_features` by month; at least `COLUMNS`.
        horizon: Months from features to label: how far the comparison goes.

    Returns:
        One row per comparison with at least `ENOUGH` customers, highest share first: `feature`, `feature_month`,
        `later`, `later_month`, `customers` (compared), `share` (of them equal).
    """
    import pandas as pd

    rows = []
    for feature_month, part in training.groupby("feature_month"):
        for ahead in range(1, horizon + 1):
            later_month = add_months(str(feature_month), ahead)
            if later_month in snapshots:
                rows += _equal_shares(part.head(MAX_ROWS), snapshots[later_month], str(feature_month), later_month, ahead)
    names = ["feature", "feature_month", "later", "later_month", "customers", "share"]
    return pd.DataFrame(rows, columns=names).sort_values("share", ascending=False, kind="stable", ignore_index=True)


def column_from_the_future(shares: pd.DataFrame, *, limit: float) -> BadInputError | None:
    """The error to raise where a column repeats a later month; None where none does.

    Args:
        shares: What `future_shares` returned.
        limit: Share from which a column counts as taken from the later month.
    """
    if shares.empty or shares["share"].iloc[0] < limit:
        return None
    worst = shares.iloc[0]
    file, header = _origin(worst["feature"])
    return BadInputError(
        f"{worst['feature']} of {worst['feature_month']} equals {worst['later']} of {worst['later_month']}, a later month's "
        f"value, for {worst['share']:.1%} of {worst['customers']} customers (limit {limit:.0%}): it comes from the future",
        file=file,
        column=header,
        remedy=f"deliver {worst['feature_month']} again as it was at its end (or was one export delivered for two months?), "
        f"and materialize the month again; labels.max_future_share in settings.yaml is the limit",
    )


def order_leaks(training: pd.DataFrame, market_file: pd.DataFrame, market_money: pd.DataFrame) -> dict[str, float]:
    """How well ids and the order of the raw files give the label away, learned on other folds.

    The real file is in blocks of classes, so positions are cut into 50 bins and every bin has its share.

    Args:
        training: Rows of `contracts.model.TRAINING_SET` of one label month; of more than `MAX_ROWS` a sample is judged.
        market_file: `line` and `customer_id` of the raw file of that month.
        market_money: `line`, `customer_id` and `period` of the raw file of that month.

    Returns:
        ROC-AUC, at least 0.5, by what gives it away; empty with fewer than `ENOUGH` distinct customers of a class.
    """
    import pandas as pd

    rows = sample(training.drop_duplicates("customer_id"), MAX_ROWS)
    if not _enough(rows):
        return {}
    ids = pd.Index(rows["customer_id"])
    first = _rows_of(ids, market_file).drop_duplicates("customer_id").set_index("customer_id")
    place = first["line"].reindex(ids).to_numpy(dtype=float)
    codes = {
        "customer_id": _bins(rows["customer_id"].to_numpy(dtype=float), POSITION_BINS),
        "line in market_file": _bins(place, POSITION_BINS),
        "order of periods in market_money": _orders(_rows_of(ids, market_money), ids),
    }
    declined, folds = _judged_by(rows)
    return {name: _binned_auc(code, declined, folds) for name, code in codes.items()}


def _enough(rows: pd.DataFrame) -> bool:
    groups = rows.groupby("declined")["copies"].nunique()
    return len(groups) > 1 and bool(groups.min() >= ENOUGH)


def _judged_by(rows: pd.DataFrame) -> tuple[NDArray[np.int_], NDArray[np.int_]]:
    """Label and fold of every row; folds keep copies together."""
    declined = rows["declined"].to_numpy(dtype=int)
    return declined, fold_numbers(declined, rows["copies"].to_numpy(dtype=int), folds=_FOLDS, seed=_SEED)


def _categories(values: pd.Series) -> NDArray[np.int_]:
    """Number of the category of every row, from 1; 0 where it is missing."""
    import pandas as pd

    codes: NDArray[np.int_] = pd.factorize(values)[0] + 1
    return codes


def _bins(values: NDArray[np.float64], bins: int) -> NDArray[np.int_]:
    """Number of the quantile bin of every value, from 1; 0 where it is missing. Equal values share a bin."""
    import numpy as np

    known = ~np.isnan(values)
    codes = np.zeros(len(values), dtype=int)
    if known.any():
        edges = np.unique(np.quantile(values[known], np.linspace(0, 1, bins + 1)[1:-1]))
        codes[known] = np.searchsorted(edges, values[known], side="right") + 1
    return codes


def _binned_auc(codes: NDArray[np.int_], declined: NDArray[np.int_], folds: NDArray[np.int_]) -> float:
    """ROC-AUC, in the mean of the folds, of the share of decliners that the other folds show for a row's bin.

    Every fold is evaluated separately, so that an uninformative feature gets 0.5: pooled over the folds it would get
    less. Less than 0.5 is chance, and counts as 0.5.
    """
    import numpy as np

    size, aucs = codes.max() + 1, []
    for learn, judge in splits(folds):
        if len(np.unique(declined[judge])) < 2 or not len(learn):  # noqa: PLR2004 - the two classes
            continue
        rows = np.bincount(codes[learn], minlength=size)
        hits = np.bincount(codes[learn], weights=declined[learn], minlength=size)
        share = np.where(rows > 0, hits / np.maximum(rows, 1), declined[learn].mean())
        aucs.append(roc_auc(declined[judge], share[codes[judge]]))
    return max(CHANCE, float(np.mean(aucs))) if aucs else CHANCE


def _equal_shares(
    part: pd.DataFrame, later: pd.DataFrame, feature_month: str, later_month: str, ahead: int
) -> list[tuple[str, str, str, str, int, float]]:
    """The comparisons of one month of features with one later snapshot; see `future_shares`."""
    import numpy as np

    merged = part[list(COLUMNS)].merge(later[list(COLUMNS)], on="customer_id", suffixes=("", "_later"), validate="one_to_one")
    rows = []
    for names in MONTHLY.values():
        own = merged[list(names)].astype(float).to_numpy()
        moves = (own != own[:, :1]).any(axis=1)
        after = merged[[f"{name}_later" for name in names[:ahead]]].astype(float).to_numpy()
        for i, name in enumerate(names):
            for j, later_name in enumerate(names[:ahead]):
                compared = moves & (own[:, i] != 0) & ~np.isnan(own[:, i]) & ~np.isnan(after[:, j])
                customers = int(compared.sum())
                if customers >= ENOUGH:
                    share = float((own[compared, i] == after[compared, j]).mean())
                    rows.append((name, feature_month, later_name, later_month, customers, share))
    return rows


def _rows_of(ids: pd.Index, raw: pd.DataFrame) -> pd.DataFrame:
    """The customers' rows of a raw table, in the order of their lines, with the id as a number."""
    import pandas as pd

    # as objects: pandas looks the texts of Arrow up one by one, which takes ten times as long
    wanted = pd.Index(ids.astype(str), dtype=object)
    rows: pd.DataFrame = raw[wanted.get_indexer(pd.Index(raw["customer_id"], dtype=object)) >= 0].sort_values("line")
    return rows.assign(customer_id=rows["customer_id"].astype("int64"))


def _orders(market_money: pd.DataFrame, ids: pd.Index) -> NDArray[np.int_]:
    """Number of the order of a customer's periods, for every id; 0 where it is not in the file."""
    import numpy as np
    import pandas as pd

    period = pd.factorize(market_money["period"])[0] + 2  # from 2, and 1 where missing: no digit is 0
    place = market_money.groupby("customer_id").cumcount().clip(upper=5)  # there are three; more are an error in the file
    digit = period * (period.max(initial=1) + 1.0) ** place.to_numpy()
    order = pd.Series(digit).groupby(market_money["customer_id"].to_numpy()).sum().reindex(ids)
    return np.asarray(pd.factorize(order)[0] + 1)
