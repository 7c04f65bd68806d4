from __future__ import annotations

import subprocess
import sys

import pandas as pd
import pytest

from oneclick_pipeline import pictures
from oneclick_pipeline.contracts.customers import FEATURE_NAMES
from oneclick_pipeline.contracts.exploration import CORRELATIONS
from oneclick_pipeline.exploration import distributions, phik_matrix, phik_with_target
from oneclick_pipeline.settings import Exploration

SETTINGS = Exploration()
PAIRS = [
    ("activity", "promo_share", 0.3, 1.2, False),
    ("activity", "revenue_m0", 0.7, 9.5, False),
    ("activity", "profit", 0.9, 20.0, False),
    ("promo_share", "revenue_m0", 0.9, 8.0, True),
]


def table(*pairs: tuple[str, str, float, float, bool]) -> pd.DataFrame:
    return pd.DataFrame(pairs, columns=CORRELATIONS.names)


def texts(picture) -> list[str]:
    from matplotlib.text import Text

    return [t.get_text() for t in picture.findobj(Text) if t.get_text()]


def legend(picture) -> list[str]:
    return [t.get_text() for t in picture.legends[0].get_texts()]


def test_distributions_every_feature_both_classes(features):
    picture = distributions(features, SETTINGS)
    assert {*FEATURE_NAMES} <= {*texts(picture)}
    stable = (features["activity"] == "stable").sum()
    assert legend(picture) == [f"declined ({300 - stable})", f"stable ({stable})"]
    assert len(pictures.png(picture)) < 150_000


def test_distributions_shares_of_each_class(features):
    """A class ten times as large looks the same."""
    from matplotlib.patches import StepPatch

    picture = distributions(features, SETTINGS)
    axes = picture.axes[FEATURE_NAMES.index("minutes_m0")]
    assert [p.get_data().values.sum() for p in axes.patches if isinstance(p, StepPatch)] == pytest.approx([100] * 4)


@pytest.mark.parametrize(
    ("columns", "shown"),
    [
        ({"activity": None}, "activity unknown (300)"),
        ({"activity": "stable"}, "stable (300)"),
        ({"regular": False}, "activity unknown (0)"),
    ],
)
def test_distributions_of_one_class_or_of_nobody(features, columns, shown):
    picture = distributions(features.assign(**columns), SETTINGS)
    assert legend(picture) == [shown]
    assert ("no values" in texts(picture)) == ("regular" in columns)
    assert pictures.png(picture).startswith(b"\x89PNG")


def test_distributions_odd_values_draw(features):
    """Constant, empty, extreme columns, and names of categories that a picture cannot show as they are."""
    frame = features.assign(
        unpaid_items=7,
        minutes_m0=None,
        revenue_m0=features["revenue_m0"].where(features.index > 0, 1e12),
        favourite_category=[f"Всё по $5 и $9 🎁 {'очень ' * 9} {i % 12}" for i in range(300)],
    )
    picture = distributions(frame, SETTINGS)
    assert pictures.png(picture).startswith(b"\x89PNG")


def test_distributions_rare_categories_together(features):
    picture = distributions(features.assign(favourite_category=[f"К{i % 12}" for i in range(300)]), SETTINGS)
    assert "6 others" in texts(picture)


def test_distributions_one_bin_a_step(features):
    picture = distributions(features.assign(minutes_m0=[float(5 + i % 18) for i in range(300)]), SETTINGS)
    patch = picture.axes[FEATURE_NAMES.index("minutes_m0")].patches[0]
    assert patch.get_data().edges.tolist() == [4.5 + i for i in range(19)]


def test_phik_matrix_names_in_order_values_frame():
    from matplotlib.patches import Rectangle

    picture = phik_matrix(table(*PAIRS))
    axes = picture.axes[0]
    assert [t.get_text() for t in axes.get_yticklabels()] == ["activity", "promo_share", "revenue_m0", "profit"]
    assert {t.get_text() for t in axes.texts} == {"0.30", "0.70", "0.90"}
    framed = [p.get_xy() for p in axes.patches if isinstance(p, Rectangle)]
    assert framed == [(0.5, 1.5)]
    assert len(pictures.png(picture)) < 150_000


def test_phik_matrix_of_one_pair_is_drawn_and_of_none_says_so():
    assert pictures.png(phik_matrix(table(PAIRS[0]))).startswith(b"\x89PNG")
    picture = phik_matrix(table())
    assert texts(picture) == ["there are not two columns with different values"]
    assert pictures.png(picture).startswith(b"\x89PNG")


def test_phik_with_target_features_strongest_on_top():
    picture = phik_with_target(table(*PAIRS))
    axes = picture.axes[0]
    assert [t.get_text() for t in axes.get_yticklabels()] == ["promo_share", "revenue_m0"]
    assert [t.get_text() for t in axes.texts] == ["0.30  (1.2 sd)", "0.70  (9.5 sd)"]
    assert len(pictures.png(picture)) < 150_000
    assert pictures.png(phik_with_target(table(*PAIRS))) == pictures.png(picture)
    assert phik_with_target(table(PAIRS[-1])) is None  # the class is not known


def python(code: str) -> None:
    """Run `code` in an interpreter that has imported nothing yet."""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_pictures_leave_pyplot_alone():
    draw = "import sys; from oneclick_pipeline import pictures; pictures.png(pictures.figure(1, 1))"
    python(f"{draw}; assert 'matplotlib.pyplot' not in sys.modules")


def test_exploration_import_is_light():
    heavy = {"numpy", "pandas", "scipy", "matplotlib", "phik"}
    python(f"import sys, oneclick_pipeline.exploration; assert not {heavy} & set(sys.modules)")
