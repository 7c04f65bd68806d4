"""The month as one script: the same steps with pandas and scikit-learn, without Dagster, contracts or MLflow.

It is what a careful notebook author would write for this very sample: files in the known format, misspellings
repaired by hand. It searches the same families over the same ranges, with as many draws, folds and repeats.
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import phik  # noqa: F401 - adds the phik methods to pandas
from scipy import stats
from scipy.stats import loguniform
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import RocCurveDisplay, log_loss, roc_auc_score
from sklearn.model_selection import RandomizedSearchCV, StratifiedGroupKFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, RobustScaler, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

SEED = 20261
FOLDS, REPEATS, INNER_FOLDS = 5, 2, 3
DRAWS, NESTED_DRAWS = 4, 2  # a family: 16 and 8 draws in all, as in the settings
MISSPELT = {
    "стандартт": "стандарт",
    "предыдцщий_месяц": "предыдущий_месяц",
    "Косметика и аксесуары": "Косметика и аксессуары",
}
TARGET, PROFIT = "Покупательская активность", "Прибыль"


class IntegerLogUniform:
    """`loguniform`, rounded."""

    def __init__(self, low: int, high: int) -> None:
        self._distribution = loguniform(low, high)

    def rvs(self, *, random_state: np.random.RandomState) -> int:
        return round(self._distribution.rvs(random_state=random_state))


FAMILIES = {
    "knn": (
        KNeighborsClassifier(),
        {"model__n_neighbors": IntegerLogUniform(15, 80), "model__weights": ["uniform", "distance"]},
    ),
    "decision_tree": (
        DecisionTreeClassifier(criterion="log_loss", random_state=SEED),
        {"model__max_depth": [3, 4, 5, 6], "model__min_samples_leaf": IntegerLogUniform(8, 40)},
    ),
    "logistic_regression": (LogisticRegression(solver="newton-cholesky"), {"model__C": loguniform(0.03, 3)}),
    "svc": (SVC(random_state=SEED), {"model__C": loguniform(0.3, 3), "model__gamma": loguniform(0.015, 0.12)}),
}


def load(folder: Path) -> pd.DataFrame:
    """Read, repair, pivot, merge."""
    market = pd.read_csv(folder / "market_file.csv").replace(MISSPELT)
    revenue = pd.read_csv(folder / "market_money.csv").replace(MISSPELT)
    minutes = pd.read_csv(folder / "market_time.csv").replace(MISSPELT)
    profit = pd.read_csv(folder / "money.csv", sep=";", decimal=",")
    limit = revenue["Выручка"].median() * 5
    revenue.loc[revenue["Выручка"] > limit, "Выручка"] = revenue["Выручка"].median()
    wide = revenue.pivot_table(index="id", columns="Период", values="Выручка").add_prefix("выручка_")
    time = minutes.pivot_table(index="id", columns="Период", values="минут").add_prefix("минут_")
    table = market.merge(wide, on="id").merge(time, on="id").merge(profit, on="id")
    for column in table.select_dtypes("str"):
        table[column] = table[column].astype(object)
    return table[(table[list(wide)] > 0).all(axis=1)].reset_index(drop=True)


def explore(table: pd.DataFrame, out: Path) -> None:
    """Profile, normality, phik with significance, a picture of each."""
    known = table.drop(columns="id")
    numbers = [c for c in known.select_dtypes("number") if known[c].nunique() > 2]
    profile = known.describe(include="all").T
    profile["normality_p"] = pd.Series({c: stats.shapiro(known[c])[1] for c in numbers})
    profile.to_csv(out / "profile.csv")
    matrix = known.phik_matrix(interval_cols=numbers, verbose=False)
    matrix.to_csv(out / "phik.csv")
    known.significance_matrix(interval_cols=numbers, significance_method="asymptotic", verbose=False).to_csv(
        out / "significance.csv"
    )
    figure, axes = plt.subplots(figsize=(9, 8))
    axes.imshow(matrix, cmap="Blues")
    axes.set_xticks(range(len(matrix)), matrix.columns, rotation=90)
    axes.set_yticks(range(len(matrix)), matrix.index)
    figure.tight_layout()
    figure.savefig(out / "phik.png")
    figure, grid = plt.subplots(4, 4, figsize=(12, 9))
    for axes, column in zip(grid.ravel(), numbers, strict=False):
        for label, group in known.groupby(TARGET):
            axes.hist(group[column], bins=24, alpha=0.5, density=True, label=label)
        axes.set_title(column, fontsize=8)
    figure.tight_layout()
    figure.savefig(out / "distributions.png")


def searches(features: pd.DataFrame, draws: int) -> list[RandomizedSearchCV]:
    """A random search a family, over its parameters, two encoders and two scalers."""
    texts = list(features.select_dtypes(object))
    numbers = [c for c in features if c not in texts]
    encoders = [
        OneHotEncoder(handle_unknown="infrequent_if_exist", max_categories=20, sparse_output=False),
        OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
    ]
    found = []
    for model, space in FAMILIES.values():
        number = Pipeline([("fill", SimpleImputer(strategy="median")), ("scale", StandardScaler())])
        text = Pipeline([("fill", SimpleImputer(strategy="most_frequent")), ("encode", encoders[0])])
        pipeline = Pipeline([("prepare", ColumnTransformer([("n", number, numbers), ("t", text, texts)])), ("model", model)])
        choices = {"prepare__t__encode": encoders, "prepare__n__scale": [StandardScaler(), RobustScaler()]}
        folds = StratifiedGroupKFold(INNER_FOLDS, shuffle=True, random_state=SEED)
        found.append(RandomizedSearchCV(pipeline, space | choices, n_iter=draws, scoring="roc_auc", cv=folds, random_state=SEED))
    return found


def fit(features: pd.DataFrame, declined: pd.Series, groups: pd.Series, draws: int) -> CalibratedClassifierCV:
    """Search all families, take the one with the best ROC-AUC, calibrate it on grouped folds."""
    done = [search.fit(features, declined, groups=groups) for search in searches(features, draws)]
    best = max(done, key=lambda search: search.best_score_).best_estimator_
    folds = list(StratifiedGroupKFold(INNER_FOLDS, shuffle=True, random_state=SEED).split(features, declined, groups))
    return CalibratedClassifierCV(best, method="sigmoid", ensemble=False, cv=folds).fit(features, declined)


def evaluate(features: pd.DataFrame, declined: pd.Series, groups: pd.Series) -> tuple[np.ndarray, pd.DataFrame]:
    """Repeated, grouped, nested cross-validation: out-of-fold probabilities and the scores of every fold."""
    total, scores = np.zeros(len(features)), []
    for repeat in range(REPEATS):
        for learn, judge in StratifiedGroupKFold(FOLDS, shuffle=True, random_state=repeat).split(features, declined, groups):
            x = features.iloc[learn].reset_index(drop=True)
            model = fit(x, declined.iloc[learn].reset_index(drop=True), groups.iloc[learn].reset_index(drop=True), NESTED_DRAWS)
            p = model.predict_proba(features.iloc[judge])[:, 1]
            total[judge] += p / REPEATS
            scores.append({"roc_auc": roc_auc_score(declined.iloc[judge], p), "log_loss": log_loss(declined.iloc[judge], p)})
    return total, pd.DataFrame(scores)


def main(folder: Path, out: Path) -> None:
    """Run the month of `folder` into `out`."""
    out.mkdir(parents=True, exist_ok=True)
    table = load(folder)
    explore(table, out)
    table = table.sample(frac=1, random_state=SEED, ignore_index=True)
    features = table.drop(columns=["id", TARGET, PROFIT])
    declined = (table[TARGET] == "Снизилась").astype(int)
    groups = features.groupby(list(features), sort=False).ngroup()
    p, scores = evaluate(features, declined, groups)
    model = fit(features, declined, groups, DRAWS)
    pd.to_pickle(model, out / "model.pkl")
    risk = np.digitize(p, [0.3, 0.6])
    rich = table[PROFIT] >= table[PROFIT].median()
    table = table.assign(p_decline=p, value_at_risk=p * table[PROFIT].clip(lower=0) * 3, risk=risk, rich=rich)
    table.to_parquet(out / "segments.parquet")
    table.groupby(["risk", "rich"]).agg(
        customers=("id", "size"), p=("p_decline", "mean"), at_risk=("value_at_risk", "sum")
    ).to_csv(out / "profiles.csv")
    figure, axes = plt.subplots(1, 2, figsize=(9, 4))
    RocCurveDisplay.from_predictions(declined, p, ax=axes[0])
    axes[1].scatter(table[PROFIT], p, c=risk, s=6)
    figure.savefig(out / "segments.png")
    print(f"ROC-AUC {scores['roc_auc'].mean():.3f}, log loss {scores['log_loss'].mean():.3f}, customers {len(table)}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
