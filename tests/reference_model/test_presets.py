"""Presets: the parameter counts that the logs of the competition print."""

from dataclasses import replace

import pytest

from reference_model.model.gpt import GPT
from reference_model.presets import PRESETS, preset

PARAMETERS = {
    "naive_baseline": 17_059_912,
    "pr371": 26_829_913,
    "pr457_claimed": 20_735_074,
    "pr457_logged": 17_060_432,
    "pr1254": 20_549_984,
    "pr1254_fixed": 20_549_984,
    "score_first_1493": 35_944_536,
    "tiny_cpu": 347_148,
    "cpu_baseline": 293_100,
    "cpu_score_first": 293_100,
    "cpu_lora": 293_100,
    "cpu_hash": 293_100,
}


@pytest.mark.parametrize("name", PRESETS)
def test_parameter_counts(name: str) -> None:
    """Every preset has exactly as many parameters as its log, or the arithmetic of its pull request, says."""
    config = preset(name)
    # How weights are drawn changes no count, and orthogonal matrices take seconds.
    model = GPT(replace(config.model, ortho_init=False, spectral_init=False), config.data.train_seq_len)
    assert sum(parameter.numel() for parameter in model.parameters()) == PARAMETERS[name]


def test_an_unknown_preset_names_those_there_are() -> None:
    """The message helps."""
    with pytest.raises(KeyError, match="tiny_cpu"):
        preset("huge")
