"""Threads that each work on one core, and leave the warning filters of the process alone."""

from __future__ import annotations

import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from threadpoolctl import threadpool_limits

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def pool(threads: int) -> Iterator[ThreadPoolExecutor]:
    """A pool of threads for work of scikit-learn, which mostly happens outside of Python's lock.

    OpenMP counts its threads per thread, so every thread of the pool limits its own to one.

    The filters of warnings belong to the process. scikit-learn's wrapper of what it runs in parallel, in every forest and every
    `ColumnTransformer`, clears them and sets them again: another thread that looks at that moment sees none, warns that
    scikit-learn is used wrongly, and no filter of ours catches it. The wrapper only hands configuration and filters on to
    workers, which threads have anyway: here it calls its function and nothing else. Python 3.14 gives every thread filters of
    its own. Where other guards of the filters overlap, the last to end may leave those of another: they are restored at the end.

    Args:
        threads: Number of threads.
    """
    _call_directly()
    with warnings.catch_warnings(), ThreadPoolExecutor(threads, initializer=threadpool_limits, initargs=(1,)) as executor:
        yield executor


def _call_directly() -> None:
    """Take the handling of filters out of scikit-learn's wrapper (1.9, private)."""
    from sklearn.utils import parallel

    def call(self: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - whatever scikit-learn runs
        return self.function(*args, **kwargs)

    parallel._FuncWrapper.__call__ = call  # noqa: SLF001 - there is no public way
