import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from oneclick_pipeline.model.folds import fold_numbers, splits
from oneclick_pipeline_tests.model.conftest import copies, make_features

FOLDS = st.integers(2, 6)
KINDS = make_features(16)
"""Customers who differ from each other."""


@st.composite
def labelled_groups(draw):
    groups = draw(st.lists(st.integers(0, 40), min_size=30, max_size=120))
    return np.array(draw(st.lists(st.integers(0, 1), min_size=len(groups), max_size=len(groups)))), np.array(groups)


@given(labelled_groups(), FOLDS, st.integers(0, 99))
def test_groups_never_straddle_and_every_row_is_judged_once(data, folds, seed):
    declined, copies = data
    numbers = fold_numbers(declined, copies, folds=folds, seed=[seed])
    assert all(len(set(numbers[copies == g])) == 1 for g in set(copies))
    judged = np.concatenate([judge for _, judge in splits(numbers)])
    assert sorted(judged) == list(range(len(declined)))
    assert all(not set(copies[a]) & set(copies[b]) for a, b in splits(numbers))


@settings(max_examples=40, deadline=None)  # a table of customers takes longer than a list of numbers
@given(st.lists(st.tuples(st.integers(0, 15), st.integers(0, 15)), min_size=4, max_size=40), FOLDS, st.integers(0, 99))
def test_no_customer_and_no_copy_straddles_folds(rows, folds, seed):
    """Whoever the rows belong to and whichever of them are alike: the groups are made so that folds cannot part them."""
    customer, kind = np.array(rows).T
    groups = copies(KINDS.iloc[kind].assign(customer_id=customer)).to_numpy()
    numbers = fold_numbers(kind % 2, groups, folds=folds, seed=[seed])
    for same in (customer, kind):
        assert all(len(set(numbers[same == one])) == 1 for one in set(same))


@given(st.integers(6, 60), st.integers(6, 60), FOLDS, st.integers(0, 99))
def test_folds_are_stratified(positives, negatives, folds, seed):
    declined = np.repeat([1, 0], [positives, negatives])
    numbers = fold_numbers(declined, np.arange(len(declined)), folds=folds, seed=[seed])
    for label, count in ((1, positives), (0, negatives)):
        per_fold = np.bincount(numbers[declined == label], minlength=folds)
        assert per_fold.max() - per_fold.min() <= 1, count


def test_folds_depend_on_the_seed_and_on_nothing_else():
    declined, copies = np.tile([0, 1], 50), np.arange(100)
    one, same, other = (fold_numbers(declined, copies, folds=5, seed=s) for s in ([1, 0], [1, 0], [1, 1]))
    assert (one == same).all()
    assert (one != other).any()
    assert (fold_numbers(declined, copies * 7 + 3, folds=5, seed=[1, 0]) == one).all()
