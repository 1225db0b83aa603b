"""The network as a whole: causal under every switch, and each switch off is the plain network."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from reference_model.config import ModelConfig
from reference_model.model.gpt import GPT

SMALL = ModelConfig(vocab_size=64, num_layers=4, model_dim=32, num_heads=4, num_kv_heads=2, tied_embed_init_std=0.5)
SWITCHES: dict[str, dict[str, object]] = {
    "plain": {},
    "leaky": {"activation": "leaky_relu2"},
    "no qk norm": {"qk_norm": False},
    "partial rope": {"rope_dims": 4},
    "ntk": {"rope_ntk": True},
    "window": {"attention_window": 5},
    "xsa last": {"xsa_last_n": 2},
    "xsa all": {"xsa_last_n": 4},
    "value residual": {"value_residual": True},
    "value embedding": {"value_embed_layers": 2, "value_embed_dim": 8},
    "weighted norm": {"weighted_norm": True},
    "ln scale": {"ln_scale": True},
    "no scales": {"block_scales": False},
    "no mix": {"resid_mix": "off"},
    "phase mix": {"resid_mix": "phase"},
    "no skips": {"skips": "off"},
    "gated skips": {"skips": "gated"},
    "loop": {"loop_start": 1, "loop_end": 3, "loop_visits": 3},
    "parallel": {"parallel_from": 1},
    "smear": {"smear": True},
    "bigram": {"bigram_buckets": 32, "bigram_dim": 8},
    "untied": {"tie_embeddings": False},
    "no softcap": {"logit_softcap": 0.0},
    "ortho": {"ortho_init": True},
    "spectral": {"spectral_init": True},
}


def alive(config: ModelConfig, seed: int = 0) -> GPT:
    """A network none of whose weights is zero, so that everything in it has an effect."""
    model = GPT(config, train_seq_len=16, seed=seed)
    random = torch.Generator().manual_seed(seed + 1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=random) * 0.2)
    return model


def ids_of(seed: int, length: int = 24) -> Tensor:
    """Token ids (2, length) without document starts."""
    return torch.randint(2, 64, (2, length), generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("switches", SWITCHES.values(), ids=SWITCHES)
def test_no_logit_depends_on_a_later_token(switches: dict[str, object]) -> None:
    """Changing tokens from position 13 on leaves every logit before it as it was, bit for bit."""
    model = alive(replace(SMALL, **switches))  # type: ignore[arg-type]  # fields by name
    first, second = ids_of(0), ids_of(0)
    second[:, 13:] = ids_of(9)[:, 13:]
    with torch.no_grad():
        a, b = (model.logits(model.hidden(ids)) for ids in (first, second))
    assert torch.equal(a[:, :13], b[:, :13])
    assert not torch.equal(a[:, 13:], b[:, 13:])


@pytest.mark.parametrize("switches", SWITCHES.values(), ids=SWITCHES)
def test_every_parameter_learns(switches: dict[str, object]) -> None:
    """A gradient that is not zero reaches every parameter: nothing is built and left unused."""
    model = alive(replace(SMALL, **switches))  # type: ignore[arg-type]  # fields by name
    ids = ids_of(1)
    model(ids[:, :-1], ids[:, 1:]).backward()
    idle = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert idle == []


def test_blocks_start_as_the_identity() -> None:
    """Outputs of blocks are zero at first: without skips and mixing the embedding goes through unchanged."""
    model = GPT(replace(SMALL, skips="off", resid_mix="off"), train_seq_len=16)
    ids = ids_of(2)
    x0 = torch.nn.functional.rms_norm(model.embedding(ids), (32,))
    torch.testing.assert_close(model.hidden(ids), torch.nn.functional.rms_norm(x0, (32,)))


@pytest.mark.parametrize(
    ("switch", "parameter"),
    [
        ({"value_residual": True}, "value_residual.mix"),
        ({"bigram_buckets": 32}, "bigram.project.weight"),
        ({"value_embed_layers": 2}, "value_embedding.scale"),
    ],
    ids=["value residual", "bigram", "value embedding"],
)
def test_a_technique_whose_weight_is_zero_changes_nothing(switch: dict[str, object], parameter: str) -> None:
    """λ = 0, or a zero projection, is the network without the technique."""
    plain, other = alive(SMALL), GPT(replace(SMALL, **switch), train_seq_len=16)  # type: ignore[arg-type]  # as above
    other.load_state_dict({**other.state_dict(), **plain.state_dict()})
    torch.nn.init.zeros_(other.get_parameter(parameter))
    assert torch.equal(plain.hidden(ids_of(3)), other.hidden(ids_of(3)))


def test_skips_of_weight_zero_are_the_plain_stack() -> None:
    """U-Net connections that add nothing."""
    plain = alive(replace(SMALL, skips="off"))
    skipping = GPT(SMALL, train_seq_len=16)
    skipping.load_state_dict({**skipping.state_dict(), **plain.state_dict()})
    assert skipping.skips is not None
    torch.nn.init.zeros_(skipping.skips.weight)
    assert torch.equal(plain.hidden(ids_of(4)), skipping.hidden(ids_of(4)))


def test_a_loop_that_is_off_is_the_plain_stack() -> None:
    """Depth recurrence adds no parameter but skips, and before it is switched on no step."""
    looped = alive(replace(SMALL, loop_start=1, loop_end=3, loop_visits=2, skips="off"))
    plain = GPT(replace(SMALL, skips="off"), train_seq_len=16)
    plain.load_state_dict(looped.state_dict())
    on = looped.hidden(ids_of(5))
    looped.loop.on = False
    assert torch.equal(looped.hidden(ids_of(5)), plain.hidden(ids_of(5)))
    assert not torch.equal(on, plain.hidden(ids_of(5)))


def test_gradient_of_a_looped_layer_is_the_sum_over_its_visits() -> None:
    """Unrolling the loop into layers with copied weights gives gradients that add up to the looped one's."""
    looped = alive(replace(SMALL, num_layers=3, loop_start=1, loop_end=2, loop_visits=2, skips="off"))
    unrolled = GPT(replace(SMALL, num_layers=4, skips="off"), train_seq_len=16)
    state = looped.state_dict()
    for name in list(state):
        if name.startswith("blocks.2."):
            state[name.replace("blocks.2.", "blocks.3.")] = state[name]
    for name in list(state):
        if name.startswith("blocks.1."):
            state[name.replace("blocks.1.", "blocks.2.")] = state[name]
    unrolled.load_state_dict(state)
    ids = ids_of(6)
    for model in (looped, unrolled):
        model(ids[:, :-1], ids[:, 1:]).backward()
    for name, parameter in looped.named_parameters():
        if name.startswith("blocks.1."):
            visits = [unrolled.get_parameter(name.replace("blocks.1.", f"blocks.{i}.")).grad for i in (1, 2)]
            torch.testing.assert_close(parameter.grad, sum(visits), rtol=1e-4, atol=1e-6)


def test_tied_logits_are_products_with_the_embedding() -> None:
    """Without a cap, norm(x) Eᵀ; with an output matrix of its own, that of x."""
    hidden = torch.randn(2, 3, 32, generator=torch.Generator().manual_seed(0))
    tied = alive(replace(SMALL, logit_softcap=0.0))
    torch.testing.assert_close(tied.logits(hidden), hidden @ tied.embedding.weight.T)
    free = alive(replace(SMALL, logit_softcap=0.0, tie_embeddings=False))
    torch.testing.assert_close(free.logits(hidden), hidden @ free.get_parameter("head.weight").T)


def test_logits_are_capped() -> None:
    """No logit leaves ±cap."""
    model = alive(replace(SMALL, logit_softcap=3.0))
    with torch.no_grad():
        assert model.logits(model.hidden(ids_of(7)) * 1e4).abs().max() <= 3.0


def test_a_document_before_does_not_smear_into_the_next() -> None:
    """With resets, the gate is shut at a document's first token."""
    model = alive(replace(SMALL, smear=True))
    ids = ids_of(8)
    ids[:, 10] = SMALL.bos_id
    assert model.smear is not None
    x = torch.randn(2, 24, 32, generator=torch.Generator().manual_seed(0))
    assert torch.equal(model.smear(x, ids)[:, 10], x[:, 10])


def test_nll_is_that_of_the_softmax() -> None:
    """Losses are -log of one full, normalised distribution."""
    model = alive(SMALL)
    ids = ids_of(9)
    with torch.no_grad():
        rows = model.logits(model.hidden(ids[:, :-1])).log_softmax(-1)
        nll = model.nll(ids[:, :-1], ids[:, 1:])
    torch.testing.assert_close(nll, -rows.gather(-1, ids[:, 1:, None])[..., 0])
