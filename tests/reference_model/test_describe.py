"""Descriptions: every preset says what it is, and what it is not stays unsaid."""

import pytest

from reference_model.describe import techniques
from reference_model.presets import PRESETS


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_says_its_sizes_and_its_evaluation(name: str) -> None:
    """First the network, last how it is scored; no phrase twice, none empty."""
    config = PRESETS[name]
    said = techniques(config)
    assert said[0].startswith(f"{config.model.num_layers} layers, width {config.model.model_dim}")
    assert "scor" in said[-1]
    assert len(set(said)) == len(said)
    assert all(said)


def test_techniques_are_named_where_they_are() -> None:
    """A switch that is off is not mentioned."""
    plain = "; ".join(techniques(PRESETS["naive_baseline"]))
    rich = "; ".join(techniques(PRESETS["score_first_1493"]))
    for words in ("XSA", "visited 3 times", "parallel residuals", "EMA", "SGD TTT"):
        assert words in rich
        assert words not in plain
