import numpy as np
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from oneclick_pipeline.experiment.room import room


@examples(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(-1, 2), max_size=12), st.integers(0, 8), st.lists(st.integers(0, 4), min_size=3, max_size=3), st.data()
)
def test_room_is_what_a_walk_finds(choices, budget, capacity, data):
    cost, is_open = np.array([1.0, 2.0, 0.0]), np.array(data.draw(st.lists(st.booleans(), min_size=3, max_size=3)))
    choices = np.array([j if j >= 0 and is_open[j] else -1 for j in choices], dtype=np.int16)
    steps, left, space = 0, float(budget), list(capacity)
    for j in choices:
        if not is_open.any() or any(cost[k] > left or space[k] < 1 for k in np.flatnonzero(is_open)):
            break
        steps += 1
        if j >= 0:
            left, space[j] = left - cost[j], space[j] - 1
    assert room(choices, cost, float(budget), np.array(capacity, dtype=float), is_open) == steps
