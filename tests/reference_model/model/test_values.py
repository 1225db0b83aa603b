"""Values from elsewhere: the first layer's, and those of the token."""

from dataclasses import replace

import torch

from reference_model.config import ModelConfig
from reference_model.model.gpt import GPT
from reference_model.model.values import ValueEmbedding, ValueResidual

CONFIG = ModelConfig(vocab_size=64, num_layers=3, model_dim=32, num_heads=4, num_kv_heads=2, tied_embed_init_std=0.5)


def test_every_layer_but_the_first_gets_its_share() -> None:
    """λ has one number a layer after the first."""
    residual = ValueResidual(3)
    torch.nn.init.constant_(residual.mix, 0.5)
    first = torch.ones(1, 2, 4)
    assert residual(first, 0) is None
    assert torch.equal(residual(first, 2), first / 2)  # type: ignore[arg-type]  # not None for a later layer


def test_what_joins_is_what_the_first_layer_itself_uses() -> None:
    """v_0 is the output of the first layer's value matrix in the same pass, whatever is mixed in before it."""
    model = GPT(replace(CONFIG, value_residual=True, resid_mix="phase", ln_scale=True), 16)
    made: list[torch.Tensor] = []
    given: list[torch.Tensor] = []
    assert model.value_residual is not None
    model.get_submodule("blocks.0.attention.value").register_forward_hook(lambda _, __, out: made.append(out))
    model.value_residual.register_forward_pre_hook(lambda _, inputs: given.append(inputs[0]))
    model.hidden(torch.arange(2, 12)[None])
    assert len(given) == 3
    assert all(torch.equal(first, made[-1]) for first in given)


def test_gradient_reaches_the_first_value_matrix_from_the_last_layer() -> None:
    """With λ alive the first layer's values matter to the last layer's attention."""
    model = GPT(replace(CONFIG, value_residual=True, resid_mix="off", skips="off"), 16)
    assert model.value_residual is not None
    torch.nn.init.constant_(model.value_residual.mix, 1.0)
    torch.nn.init.normal_(model.get_parameter("blocks.2.attention.output.weight"), std=0.3)
    ids = torch.arange(2, 12)[None]
    model(ids[:, :-1], ids[:, 1:]).backward()
    gradient = model.get_parameter("blocks.0.attention.value.weight").grad
    assert gradient is not None
    assert gradient.abs().sum() > 0


def test_only_the_last_layers_get_embedded_values() -> None:
    """Their number is `value_embed_layers`."""
    embedding = ValueEmbedding(replace(CONFIG, value_embed_layers=2, value_embed_dim=8))
    torch.nn.init.normal_(embedding.project.weight)
    embedded = embedding(torch.tensor([[3, 4]]))
    assert [embedding.of(embedded, layer) is None for layer in range(3)] == [True, False, False]
