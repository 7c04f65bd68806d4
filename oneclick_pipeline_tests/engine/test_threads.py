"""Threads: scikit-learn works in them, and the warning filters of the process stay as they are."""

import threading
import warnings

import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.preprocessing import FunctionTransformer
from threadpoolctl import threadpool_info

from oneclick_pipeline.engine.threads import pool


def test_no_thread_sees_other_filters_while_scikit_learn_works_in_another():
    inside, looked = threading.Event(), threading.Event()

    def slow(rows):
        inside.set()
        assert looked.wait(timeout=60)
        return rows

    def transform():
        return ColumnTransformer([("slow", FunctionTransformer(slow), ["x"])]).fit_transform(pd.DataFrame({"x": [1.0, 2.0]}))

    def look():
        assert inside.wait(timeout=60)
        try:
            return warnings.filters is filters
        finally:
            looked.set()

    with pool(2) as executor:
        filters = warnings.filters
        transformed, seen = executor.submit(transform), executor.submit(look)
        assert seen.result()
        assert transformed.result().tolist() == [[1.0], [2.0]]


def test_filters_are_restored_and_every_thread_works_on_one_core():
    before = list(warnings.filters)

    def work(_):
        warnings.simplefilter("ignore")
        return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "openmp"}

    with pool(2) as executor:
        limits = set().union(*executor.map(work, range(4)))
    assert limits <= {1}
    assert warnings.filters == before
