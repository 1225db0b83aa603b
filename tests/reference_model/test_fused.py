"""Fused kernels: what a GPU runs is the plain network, in every phase of a run.

They are made for a CPU here, which takes a C++ compiler. With GOLF_COMPILER set the tests fail without one instead of
being skipped, as continuous integration does.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch._dynamo.utils import counters

from reference_model.config import ModelConfig
from reference_model.model.gpt import GPT
from reference_model.model.linear import Linear
from reference_model.quant.grid import dequantized, fake_quantized, quantized
from reference_model.runtime import fused

pytestmark = [
    pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning"),  # the compiler's own
    pytest.mark.timeout(1_200),  # a minute of one core; this leaves room for a busy machine
]

RICH = ModelConfig(
    vocab_size=64,
    num_layers=1,
    model_dim=16,
    num_heads=2,
    num_kv_heads=1,
    activation="leaky_relu2",
    tied_embed_init_std=0.5,
    xsa_last_n=1,
    rope_dims=4,
    rope_ntk=True,
    ln_scale=True,
    skips="gated",
    smear=True,
    bigram_buckets=32,
    bigram_dim=8,
    loop_end=1,
    loop_visits=2,
    parallel_from=0,
)
"""One layer, visited twice, with most of what a layer may have."""


@pytest.fixture(autouse=True)
def compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Skips where no C++ compiler is found; starts and ends with nothing compiled, not even by a run before."""
    if shutil.which(os.environ.get("CXX", "g++")) is None:
        assert not os.environ.get("GOLF_COMPILER"), "GOLF_COMPILER is set, but there is no C++ compiler: install g++"
        pytest.skip("fused kernels for a CPU take a C++ compiler: install g++")
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    torch.compiler.reset()
    counters.clear()
    yield
    torch.compiler.reset()


def network(config: ModelConfig) -> GPT:
    """With all weights alive."""
    model, random = GPT(config, 16), torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=random))
    return model


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    """Inputs and targets (2, 24), longer than the sequences of training."""
    ids = torch.randint(0, 64, (2, 25), generator=torch.Generator().manual_seed(2))
    return ids[:, :-1], ids[:, 1:]


def test_loss_and_gradients_are_those_of_the_plain_network() -> None:
    """In one graph without a break: the loss to 1e-5, each gradient to 1e-4 of its largest element."""
    model = network(RICH)
    plain = model(*batch())
    plain.backward()
    gradients = {name: p.grad for name, p in model.named_parameters()}
    model.zero_grad(set_to_none=True)
    found = fused(model)(*batch())
    found.backward()
    assert counters["stats"]["unique_graphs"] == 1
    assert not counters["graph_break"]
    assert found.item() == pytest.approx(plain.item(), rel=1e-5)
    for name, parameter in model.named_parameters():
        expected, ours = gradients[name], parameter.grad
        assert expected is not None
        assert ours is not None
        assert (ours - expected).abs().max() <= 1e-4 * expected.abs().max(), name


def test_switches_of_a_run_reach_the_fused_network() -> None:
    """What is switched on late is no constant of the first graph: fake quantisation, then the loop, change the loss."""
    model, losses = network(RICH), []
    made = fused(model)
    for looping, bits in ((False, 0), (False, 6), (True, 6)):
        model.loop.on = looping
        for module in model.modules():
            if isinstance(module, Linear):
                module.qat_bits = bits
        with torch.no_grad():
            losses.append(made(*batch()).item())
            assert losses[-1] == pytest.approx(model(*batch()).item(), rel=1e-5)
    assert len({round(loss, 4) for loss in losses}) == 3


@pytest.mark.parametrize("bits", [6, 8])
def test_fused_fake_quantisation_is_the_exporters_bit_for_bit(bits: int) -> None:
    """No cast on the way is left out: the scales are those of float16."""
    weight = torch.randn(24, 40, generator=torch.Generator().manual_seed(0))
    found = fused(lambda w: fake_quantized(w, bits))(weight)
    assert torch.equal(found, dequantized(quantized(weight, bits)))
