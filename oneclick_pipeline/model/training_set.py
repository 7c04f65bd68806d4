"""The labelled table that a model learns from, and the order, groups and digest that everything else rests on.

Two facts of the real export decide how it is built. The file is sorted by the label, so neither the id nor the
place of a row may carry anything: rows stand in an order that only their own features decide. Some customers
stand in it twice under different ids, so identical customers get one group number that no fold may split.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.tables import FEATURE_NAMES, FEATURES, TRAINING_SET, check_month

if TYPE_CHECKING:
    import pandas as pd

CLASSES = {"stable": 0, "declined": 1}
TEXTS = tuple(c.name for c in FEATURES if c.kind == "str")
NUMBERS = tuple(c.name for c in FEATURES if c.kind != "str")


def inputs(features: pd.DataFrame) -> pd.DataFrame:
    """What a model is shown of a table: the features and nothing else, numbers as floats, texts as objects.

    Flags become 0 and 1; whatever is missing becomes NaN, which the model fills. Ids, labels, profits and any
    other column are left behind.

    Args:
        features: Table that holds the columns `FEATURE_NAMES`, of any type that pandas reads as their kind.

    Returns:
        A new table, one row an input row, same index, columns `FEATURE_NAMES` in order.

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
        else:
            # by way of pandas' nullable float: it alone takes bools and ints that may be missing
            columns[name] = pd.Series(
                column.convert_dtypes().astype("Float64").to_numpy(dtype=float, na_value=np.nan), index=column.index
            )
    return pd.DataFrame(columns, index=features.index)


def in_canonical_order(table: pd.DataFrame) -> pd.DataFrame:
    """The same rows in the one order that depends on nothing but what they say.

    Rows are ordered by a hash of their features. So the order is the same however the rows came, looks random,
    and would be the same had the store numbered its customers in another way; ids only order identical rows.

    Args:
        table: Rows of `tables.TRAINING_SET`, with or without `copies`.

    Returns:
        The rows, index 0…n-1.
    """
    import pandas as pd

    keys = ["declined", "feature_month", "customer_id"]
    order = table[keys].assign(hash=pd.util.hash_pandas_object(inputs(table), index=False).to_numpy())
    return table.loc[order.sort_values(["hash", *keys]).index].reset_index(drop=True)


def copies(table: pd.DataFrame) -> pd.Series:
    """Number the groups of customers whose features are all identical, 0, 1, … in the order of the rows.

    Two missing values count as identical.
    """
    return inputs(table).groupby(list(FEATURE_NAMES), dropna=False, sort=False, observed=True).ngroup()


def training_set(features: pd.DataFrame, labels: pd.DataFrame, *, feature_month: str, label_month: str) -> pd.DataFrame:
    """Join what was known of the regular customers in one month with what became of them.

    Args:
        features: `customer_features` of `feature_month`.
        labels: Table with `customer_id` and `activity` (declined, stable or empty) of `label_month`; may be
            `features` itself where no later month exists yet.
        feature_month: Snapshot month of the features, YYYY-MM.
        label_month: Snapshot month of the label, YYYY-MM; never before `feature_month`.

    Returns:
        Rows of `tables.TRAINING_SET`: regular customers with a class, in canonical order, `declined` 0 or 1.

    Raises:
        BadInputError: If a month is none, the label lies before the features, or no regular customer has a class.
    """
    if check_month(label_month) < check_month(feature_month):
        raise BadInputError(
            f"the label of {label_month} lies before the features of {feature_month}",
            remedy="take the label from the month of the features or a later one",
        )
    regular = features.loc[features["regular"].astype(bool), ["customer_id", *FEATURE_NAMES]]
    classes = labels.loc[labels["activity"].isin(list(CLASSES)), ["customer_id", "activity"]]
    table = regular.merge(classes, on="customer_id", validate="one_to_one")
    if table.empty:
        raise BadInputError(
            f"no regular customer of {feature_month} has an activity class in {label_month}",
            file="market_file.csv",
            column=TRAINING_SET["declined"].header or "Покупательская активность",
            remedy="deliver the class for at least a part of the customers, or run the job refresh, which does not train",
        )
    table = table.assign(
        feature_month=feature_month,
        label_month=label_month,
        declined=table["activity"].map(CLASSES).astype("int64"),
    )
    table = in_canonical_order(table)
    table["copies"] = copies(table).astype("int64")
    return _with_integers(table)[TRAINING_SET.names]


def digest(training: pd.DataFrame) -> str:
    """Fingerprint of a training set (16 hex digits): the same for the same rows, in whatever order they stand."""
    import hashlib

    import pandas as pd

    rows = in_canonical_order(training)
    told = inputs(rows).assign(
        **{name: rows[name].astype(object) for name in ("feature_month", "label_month", "customer_id", "declined")}
    )
    return hashlib.sha256(pd.util.hash_pandas_object(told, index=False).to_numpy().tobytes()).hexdigest()[:16]


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
            f"all {len(training)} labelled customers have one class, {only}",
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
    """At most about `max_rows` rows: whole groups of copies, both classes in their shares.

    Rows stand in canonical order, which is as good as random, so the first groups of each class are the sample.
    """
    if len(training) <= max_rows:
        return training
    groups = training.groupby("copies", sort=False)["declined"].agg(["size", "max"])
    of_class = groups.groupby("max")["size"]
    kept = of_class.cumsum() <= of_class.transform("sum") * max_rows / len(training)
    return training[training["copies"].isin(groups.index[kept])].reset_index(drop=True)


def _with_integers(table: pd.DataFrame) -> pd.DataFrame:
    """Whole numbers and flags that may be missing, in pandas' nullable types instead of floats and objects."""
    whole = {c.name: "Int64" if table[c.name].isna().any() else "int64" for c in FEATURES if c.kind == "int"}
    flags = {c.name: "boolean" if table[c.name].isna().any() else "bool" for c in FEATURES if c.kind == "bool"}
    return table.astype(whole | flags)
