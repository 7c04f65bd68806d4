"""The labelled table that a model learns from, and the order, groups and digest on which everything else depends.

Two facts of the real export decide how it is built. The file is sorted by the label, so neither the id nor the
position of a row may carry information: rows are put into an order that only their own features decide. Some customers
are in it twice under different ids, and over several months one customer is in it under the same id, so all
of these get one group number that no fold may split.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from oneclick_pipeline.contracts.customers import FEATURE_NAMES, FEATURES
from oneclick_pipeline.contracts.exports import CUSTOMERS
from oneclick_pipeline.contracts.model import TRAINING_SET
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.experiment.weights import influencing, weights
from oneclick_pipeline.model.decline import CLASSES
from oneclick_pipeline.model.labels import labels, pairs, refuse_later

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from oneclick_pipeline.settings import Labels

TEXTS = tuple(c.name for c in FEATURES if c.kind == "str")
NUMBERS = tuple(c.name for c in FEATURES if c.kind != "str")
KEY = list(TRAINING_SET.key)


def inputs(features: pd.DataFrame) -> pd.DataFrame:
    """What a model is shown of a table: the features and nothing else, numbers as floats, texts as objects.

    Flags become 0 and 1; whatever is missing becomes NaN, which the model fills. Ids, labels, profits and any
    other column are left behind.

    Args:
        features: Table that holds the columns `FEATURE_NAMES`, of any type that pandas reads as their kind.

    Returns:
        A new table, one row per input row, same index, columns `FEATURE_NAMES` in order.

    Raises:
        BadInputError: If a feature is not there.

    >>> import pandas as pd
    >>> row = {name: 1 for name in FEATURE_NAMES} | {"service_level": "premium", "favourite_category": None, "profit": 7}
    >>> inputs(pd.DataFrame([row])).iloc[:, 1:4].to_numpy().tolist()
    [[1.0, 1.0, 1.0]]
    """
    import numpy as np
    import pandas as pd

    missing = [name for name in FEATURE_NAMES if name not in features.columns]
    if missing:
        raise BadInputError(
            f"features are missing: {', '.join(missing)}",
            remedy="pass a table with every feature column of customer_features",
        )
    columns: dict[str, pd.Series] = {}
    for name in FEATURE_NAMES:
        column = features[name]
        if name in TEXTS:
            text = column.astype(object)
            columns[name] = text.where(text.notna(), np.nan)
        elif column.dtype.kind in "fiub" and isinstance(column.dtype, np.dtype):  # a tenth of the time
            columns[name] = column.astype(float)
        else:
            # by way of pandas' nullable float: it alone takes bools and ints that may be missing
            columns[name] = pd.Series(
                column.convert_dtypes().astype("Float64").to_numpy(dtype=float, na_value=np.nan), index=column.index
            )
    return pd.DataFrame(columns, index=features.index)


def in_canonical_order(table: pd.DataFrame) -> pd.DataFrame:
    """The same rows in the one order that depends only on their content.

    Rows are ordered by a hash of their features. So the order does not depend on the input order, looks
    random, and would be the same if the store numbered its customers differently; ids only order identical rows.

    Args:
        table: Rows of `contracts.model.TRAINING_SET`, with or without `copies`.

    Returns:
        The rows, index 0…n-1.
    """
    return table.iloc[_order(table, hashes(table))].reset_index(drop=True)


def training_set(
    snapshots: Mapping[str, pd.DataFrame],
    *,
    month: str,
    horizon: int,
    settings: Labels,
    drawn: Mapping[str, pd.DataFrame] | None = None,
) -> pd.DataFrame:
    """Join the features of the regular customers with their outcomes, as far as these are known in a month.

    Features of month f meet the label of month f + horizon, for every f that lets the label lie no later than
    `month`; see `labels.labels`. Only where no such month has a label, the features of `month` meet the class of the
    same snapshot. A pair of months in which no customer is found again is skipped: that is not a store whose customers
    all vanished, but one that renumbered them.

    A label says what happens without an offer. Customers who got one in the `horizon` months before the label month are left
    out, and the others represent them; see `experiment.weights`. That holds for the class of the same snapshot as well: it
    is about those months.

    Args:
        snapshots: `customer_features` by month; none after `month`. Each is looked up when it is needed.
        month: Month for which the model is made.
        horizon: Months from features to label.
        settings: Rule of the labels, and how far to go back.
        drawn: By month in which offers were sent the rows of its ledger and plan; at least `experiment.weights.COLUMNS`.

    Returns:
        Rows of `contracts.model.TRAINING_SET`: regular customers with a label, in canonical order, `declined` 0 or 1.

    Raises:
        BadInputError: If a snapshot lies after `month`, no regular customer has a label, or all of them got an offer.
    """
    import pandas as pd

    refuse_later(snapshots, month)
    parts = []
    for feature_month, label_month in pairs(snapshots, month=month, horizon=horizon, history=settings.history_months):
        features = snapshots[feature_month]
        known = labels(features, snapshots[label_month], horizon=horizon, settings=settings)
        if (known["label_source"] != "vanished").any():
            parts.append(_labelled(features, known, feature_month, label_month))
    if not parts:
        parts.append(_of_same_snapshot(snapshots, month))
    table = pd.concat([_without_offered(part, drawn or {}, horizon) for part in parts], ignore_index=True)
    if table.empty:
        raise BadInputError(
            f"every customer with a label got an offer in the {horizon} months before it: no label says what happens without one",
            remedy="hold some customers out: settings.yaml, section offers, control_share",
        )
    hashed = hashes(table)  # once for both, as it takes the most time
    order = _order(table, hashed)
    table = table.iloc[order].reset_index(drop=True)
    table["copies"] = _groups(table, hashed[order])
    return _with_integers(table)[TRAINING_SET.names]


def _labelled(features: pd.DataFrame, known: pd.DataFrame, feature_month: str, label_month: str) -> pd.DataFrame:
    """The features of the customers whose label is known, with it and both months."""
    rows = features[["customer_id", *FEATURE_NAMES]].merge(known, on="customer_id", validate="one_to_one")
    return rows.assign(feature_month=feature_month, label_month=label_month)


def _without_offered(part: pd.DataFrame, drawn: Mapping[str, pd.DataFrame], horizon: int) -> pd.DataFrame:
    """The customers of a pair of months whose label no offer has influenced, with their weights."""
    months = influencing(drawn, part["label_month"].iloc[0], horizon)
    offered, weight = weights(part["customer_id"], [drawn[month] for month in months])
    return part.assign(weight=weight, offered_left_out=int(offered.sum()))[~offered]


def weights_of(rows: pd.DataFrame) -> NDArray[np.float64]:
    """How much every row counts; 1 where a table does not say: one that was written before tables did."""
    import numpy as np

    return rows["weight"].to_numpy(dtype=float) if "weight" in rows else np.ones(len(rows))


def left_out(rows: pd.DataFrame) -> int | None:
    """How many customers were left out because of offers, over all feature months; None where a table does not say."""
    if "offered_left_out" not in rows:
        return None
    return int(rows.drop_duplicates("feature_month")["offered_left_out"].sum())


def _of_same_snapshot(snapshots: Mapping[str, pd.DataFrame], month: str) -> pd.DataFrame:
    """Features and delivered class of one and the same month."""
    rows = []
    if month in snapshots:
        features = snapshots[month]
        classed = features.loc[features["regular"].astype(bool) & features["activity"].isin(list(CLASSES))]
        known = classed[["customer_id"]].assign(
            declined=classed["activity"].map(CLASSES).astype("int64"), label_source="delivered"
        )
        rows = [_labelled(features, known, month, month)]
    if not rows or rows[0].empty:
        raise BadInputError(
            f"no regular customer of {month} has an activity class in {month}, and no earlier month has a label yet",
            file="market_file.csv",
            column=CUSTOMERS["activity"].header,
            remedy="deliver the class for at least some of the customers, or run the job refresh, which does not train",
        )
    return rows[0]


def digest(training: pd.DataFrame) -> str:
    """Fingerprint of a training set (16 hex digits): the same for the same rows, whatever their order."""
    import pandas as pd

    rows = in_canonical_order(training)
    content = inputs(rows).assign(
        **{name: rows[name].astype(object) for name in ("feature_month", "label_month", "customer_id", "declined")}
    )
    if (weights_of(rows) != 1).any():  # else as it was before rows had weights: recorded digests stay true
        content["weight"] = rows["weight"]
    return hashlib.sha256(pd.util.hash_pandas_object(content, index=False).to_numpy().tobytes()).hexdigest()[:16]


def require_enough(training: pd.DataFrame, *, folds: int, inner_folds: int) -> None:
    """Refuse a training set on which the folds cannot be built.

    Every outer fold needs both classes, and what is left of them every inner fold; copies count once, because
    they share a fold.

    Raises:
        BadInputError: If there is one class only, or too few distinct customers of either.
    """
    groups = training.groupby("declined")["copies"].nunique()
    if len(groups) < len(CLASSES):
        only = next((name for name, value in CLASSES.items() if value in groups.index), "none")
        raise BadInputError(
            f"all {len(training)} labelled customers have the same class, {only}",
            file="market_file.csv",
            column="Покупательская активность",
            remedy="deliver customers of both classes: a model learns from the difference",
        )
    needed = next(n for n in range(folds, folds * (inner_folds + 2)) if n - -(-n // folds) >= inner_folds)
    if groups.min() < needed:
        raise BadInputError(
            f"the smaller class has {groups.min()} distinct customers; {folds} folds with {inner_folds} inside need {needed}",
            file="market_file.csv",
            column="Покупательская активность",
            remedy="deliver more labelled customers, or lower model.folds and model.inner_folds in settings.yaml",
        )


def sample(training: pd.DataFrame, max_rows: int) -> pd.DataFrame:
    """At most about `max_rows` rows, both classes in their shares.

    Rows are in canonical order, which is as good as random, so the first groups of copies of each class are the sample. Where
    some represent more customers than others, see `_sample_by_weight`.
    """
    if len(training) <= max_rows:
        return training
    weight = weights_of(training)
    if (weight != 1).any():
        return _sample_by_weight(training, weight, max_rows)
    groups = training.groupby("copies", sort=False)["declined"].agg(["size", "max"])
    of_class = groups.groupby("max")["size"]
    kept = of_class.cumsum() <= of_class.transform("sum") * max_rows / len(training)
    return training[training["copies"].isin(groups.index[kept])].reset_index(drop=True)


def _sample_by_weight(training: pd.DataFrame, weight: NDArray[np.float64], max_rows: int) -> pd.DataFrame:
    """A sample in which a row is the likelier, the more customers it represents, so that those drawn count about alike.

    Sampled alike, the few customers who were held out of offers, who represent ten each, would be still fewer, and the scores
    of those offered would depend on which (mean error 2.9 points instead of 0.5, *measured* at 20,000 customers). Systematic
    sampling, class after class in the order of the rows (Madow 1949); a row that is certain to be drawn keeps what it counts
    beyond that.
    """
    import numpy as np

    certain = np.zeros(len(weight), dtype=bool)
    scale = max_rows / weight.sum()
    while (more := ~certain & (weight * scale >= 1)).any():
        certain |= more
        scale = (max_rows - certain.sum()) / weight[~certain].sum()
    share = np.where(certain, 1.0, weight * scale)
    order = np.argsort(training["declined"].to_numpy(), kind="stable")
    drawn = np.diff(np.floor(np.cumsum(share[order]) + 0.5), prepend=0.0) > 0
    kept = np.sort(order[drawn])
    return training.iloc[kept].reset_index(drop=True).assign(weight=np.maximum(weight * scale, 1.0)[kept])


def hashes(table: pd.DataFrame) -> NDArray[np.uint64]:
    """A 64-bit hash of the features of every row, the same for equal features of whatever type."""
    import numpy as np
    import pandas as pd

    features = inputs(table)
    features[list(NUMBERS)] += 0.0  # the hash of -0.0 is not that of 0.0
    return np.asarray(pd.util.hash_pandas_object(features, index=False), dtype=np.uint64)


def _order(table: pd.DataFrame, hashed: NDArray[np.uint64]) -> NDArray[np.intp]:
    """Places of the rows in canonical order."""
    import numpy as np

    keys = ["declined", "feature_month", "customer_id"]
    numbered = table[keys].reset_index(drop=True).assign(hash=hashed)
    return np.asarray(numbered.sort_values(["hash", *keys]).index, dtype=np.intp)


def _groups(table: pd.DataFrame, hashed: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Number the groups of rows that no fold may split, 0, 1, … in the order of the rows.

    Rows with identical features belong together, and so do all months of a customer, and whatever those two link.
    Two missing values count as identical. Features are compared by a 64-bit hash: equal ones never differ in it, and
    different ones meet with a chance of n²/2⁶⁵ (3e-8 for a million rows), which would only put unrelated customers together.
    """
    import numpy as np
    import pandas as pd
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    row, _ = pd.factorize(hashed)
    customer, _ = pd.factorize(table["customer_id"])
    # a graph whose nodes are customers and rows that differ: a component is a connected group
    nodes = len(table) + row.max(initial=-1) + 1
    edges = coo_array((np.ones(len(table), dtype=np.int8), (customer, len(table) + row)), shape=(nodes, nodes))
    _, component = connected_components(edges, directed=False)
    return pd.factorize(component[customer])[0].astype(np.int64)


def _with_integers(table: pd.DataFrame) -> pd.DataFrame:
    """Whole numbers and flags that may be missing, in pandas' nullable types instead of floats and objects."""
    columns = [c for c in FEATURES if c.kind in ("int", "bool")]
    return table.astype({c.name: c.type.pandas_with_gaps if table[c.name].isna().any() else c.type.pandas for c in columns})
