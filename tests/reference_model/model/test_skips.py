"""U-Net connections: pairs in reverse order, gates half open at first."""

import torch
from torch import Tensor

from reference_model.config import ModelConfig
from reference_model.model.gpt import GPT
from reference_model.model.skips import Skips


def test_gates_start_half_open() -> None:
    """Gated, the skip and the stream enter with a half each; without gates the skip is added."""
    x, skip = torch.randn(2, 1, 3, 4, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(Skips(2, 4, gated=True)(x, skip, 1), (x + skip) / 2)
    assert torch.equal(Skips(2, 4, gated=False)(x, skip, 1), x + skip)


def test_the_last_output_of_the_first_half_enters_first() -> None:
    """Of six layers, what 2, 1 and 0 put out enters 3, 4 and 5."""
    model = GPT(ModelConfig(vocab_size=32, num_layers=6, model_dim=16, num_heads=2, num_kv_heads=2), 8)
    assert model.skips is not None
    put_out: list[Tensor] = []
    entered: list[tuple[Tensor, int]] = []
    for block in model.blocks[:3]:
        block.register_forward_hook(lambda _, __, out: put_out.append(out))
    model.skips.register_forward_pre_hook(lambda _, given: entered.append((given[1], given[2])))
    model.hidden(torch.arange(8)[None])
    assert [index for _, index in entered] == [0, 1, 2]
    assert all(skip is out for (skip, _), out in zip(entered, reversed(put_out), strict=True))
