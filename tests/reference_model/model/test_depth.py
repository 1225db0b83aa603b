"""Depth: the order in which layers are visited."""

from hypothesis import given
from hypothesis import strategies as st

from reference_model.config import ModelConfig
from reference_model.model.depth import depth_of
from reference_model.presets import SCORE_FIRST_1493


def test_three_visits_of_three_layers() -> None:
    """The order of pull request 1493."""
    depth = depth_of(SCORE_FIRST_1493.model, looping=True)
    assert depth.encoder == (0, 1, 2, 3, 4, 5, 3, 4)
    assert depth.decoder == (5, 3, 4, 5, 6, 7, 8, 9, 10)
    assert depth.pairs == 8
    assert depth_of(SCORE_FIRST_1493.model, looping=False).encoder == (0, 1, 2, 3, 4)


@given(st.integers(1, 12), st.integers(0, 12), st.integers(0, 12), st.integers(1, 4))
def test_every_layer_is_visited_as_often_as_said(layers: int, a: int, b: int, visits: int) -> None:
    """Inside the loop `loop_visits` times, outside once."""
    start, end = sorted((min(a, layers), min(b, layers)))
    config = ModelConfig(num_layers=layers, loop_start=start, loop_end=end, loop_visits=visits)
    depth = depth_of(config, looping=True)
    order = depth.encoder + depth.decoder
    assert all(order.count(i) == (visits if start <= i < end else 1) for i in range(layers))
    assert 0 <= len(depth.decoder) - len(depth.encoder) <= 1
