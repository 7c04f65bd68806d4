"""A clock that was set back is noticed, one that goes on, jumps ahead or is adjusted is not."""

from hypothesis import example, given
from hypothesis import strategies as st

from oneclick_pipeline.orchestration.clock import STEP_SECONDS, Watch

STEPS = st.lists(st.floats(-1e9, 1e9), max_size=20)


@example([0.0, 1e8, -20.0, -31.0])
@given(STEPS)
def test_clock_was_set_back_exactly_when_it_went_back_by_more_than_an_adjustment(steps):
    now, steady = [1.8e9], [0.0]
    watch = Watch(lambda: now[0], lambda: steady[0])
    for step in steps:
        steady[0] += 5
        before, now[0] = now[0], now[0] + 5 + step
        went_back = (now[0] - before) - 5
        if abs(went_back + STEP_SECONDS) < 1e-3:
            return
        assert watch.was_set_back() is (went_back < -STEP_SECONDS)
