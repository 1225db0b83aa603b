"""A small script in the style of real ones, against the same model in plain torch."""

import sys

import pytest
import torch
from torch import nn
from torch.nn import functional

from harness.observe.cpu_run.guest.stand_ins import install
from harness.observe.cpu_run.guest.stand_ins.finder import StandInFinder

SCRIPT = """
import torch, triton
import triton.language as tl
from torch import nn
from torch.nn import functional as F
from triton.tools.tensor_descriptor import TensorDescriptor
try:
    import wandb
except ImportError:
    wandb = None
try:
    from flash_attn_interface import flash_attn_func, flash_attn_varlen_func
except ImportError:
    raise SystemExit("no flash attention")
from tqdm import trange

@triton.jit
def _mlp(a_desc, b_desc, c_desc, s_desc, M, N, K,
         BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr, FORWARD: tl.constexpr):
    pid = tl.program_id(0)
    columns = tl.cdiv(N, BN)
    row, column = pid // columns * BM, pid % columns * BN
    total = tl.zeros((BM, BN), dtype=tl.float32)
    for k in range(tl.cdiv(K, BK)):
        total = tl.dot(a_desc.load([row, k * BK]), b_desc.load([column, k * BK]).T, total)
    c = total.to(c_desc.dtype)
    if FORWARD:
        active = tl.where(c > 0, c, 0.3 * c)
        s_desc.store([row, column], active * active)
    else:
        pre = s_desc.load([row, column])
        c = c * tl.where(pre > 0, 2.0 * pre, 2.0 * 0.3 * 0.3 * pre)
    c_desc.store([row, column], c)

def mlp(a, b, pre=None):
    (M, K), N = a.shape, b.shape[0]
    c = torch.empty(M, N, dtype=a.dtype)
    s = torch.empty_like(c) if pre is None else pre
    sizes = [16, 32, 16]
    describe = TensorDescriptor.from_tensor
    grid = lambda meta: (triton.cdiv(M, meta["BM"]) * triton.cdiv(N, meta["BN"]),)
    _mlp[grid](describe(a, [16, 16]), describe(b, [32, 16]), describe(c, [16, 32]), describe(s, [16, 32]), M, N, K,
               BM=16, BN=32, BK=16, FORWARD=pre is None, num_warps=4, num_stages=3)
    return (c, s) if pre is None else c

class MLP(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, up, down):
        pre, post = mlp(x, up)
        ctx.save_for_backward(x, up, down, pre, post)
        return post @ down.T

    @staticmethod
    def backward(ctx, grad):
        x, up, down, pre, post = ctx.saved_tensors
        dpre = mlp(grad, down.T.contiguous(), pre)
        return dpre @ up, dpre.T @ x, grad.T @ post

def attention(q, k, v, starts):
    if starts is None:
        return flash_attn_func(q, k, v, causal=True, window_size=(6, 0))
    return flash_attn_varlen_func(q[0], k[0], v[0], cu_seqlens_q=starts, cu_seqlens_k=starts, max_seqlen_q=9,
                                  max_seqlen_k=9, causal=True)[None]

def losses(model, data, starts, steps):
    run = wandb.init(project="x") if wandb else None
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    for step in trange(steps):
        loss = model(data[:, :-1], data[:, 1:], starts, attention, MLP.apply)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if run: run.log({"loss": loss.item()})
        yield loss.item()
"""


class Model(nn.Module):
    """One layer, with grouped queries and an untied head."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(23, 32)
        self.qkv = nn.Linear(32, 64, bias=False)
        self.up, self.down = nn.Linear(32, 48, bias=False), nn.Linear(48, 32, bias=False)
        self.head = nn.Linear(32, 23, bias=False)

    def forward(self, x, y, starts, attention, mlp):
        """Mean loss of y (1, T) after x (1, T)."""
        h = self.embedding(x)
        q, k, v = self.qkv(h).split([32, 16, 16], dim=-1)
        q, k, v = q.unflatten(-1, (4, 8)), k.unflatten(-1, (2, 8)), v.unflatten(-1, (2, 8))
        h = h + attention(q, k, v, starts).flatten(2)
        h = h + mlp(h.flatten(0, 1), self.up.weight, self.down.weight).view_as(h)
        return functional.cross_entropy(self.head(h).flatten(0, 1), y.flatten())


def plain_attention(q, k, v, starts):
    """The same attention by a mask of its own."""
    place = torch.arange(q.shape[1])
    if starts is None:
        seen = (place[None] <= place[:, None]) & (place[None] >= place[:, None] - 6)
    else:
        document = torch.bucketize(place, starts, right=True)
        seen = (place[None] <= place[:, None]) & (document[None] == document[:, None])
    q, k, v = q.transpose(1, 2), *(x.repeat_interleave(2, dim=2).transpose(1, 2) for x in (k, v))
    return (((q @ k.mT) * 8**-0.5).masked_fill(~seen, -torch.inf).softmax(-1) @ v).transpose(1, 2)


def plain_mlp(x, up, down):
    """The same activation in torch."""
    return functional.leaky_relu(x @ up.T, 0.3).square() @ down.T


@pytest.mark.parametrize("starts", [None, [0, 5, 5, 14, 20]])
def test_a_script_trains_as_in_plain_torch(starts):
    """Losses over steps equal those of the same model without any stand-in, so values and gradients are right."""
    before, finders = set(sys.modules), list(sys.meta_path)
    install()
    try:
        names = {}
        exec(SCRIPT, names)
    finally:
        sys.meta_path[:] = finders
        for name in set(sys.modules) - before:
            if isinstance(getattr(sys.modules[name].__spec__, "loader", None), StandInFinder):
                del sys.modules[name]
    cu = None if starts is None else torch.tensor(starts, dtype=torch.int32)
    torch.manual_seed(0)
    model = Model()
    twin = Model()
    twin.load_state_dict(model.state_dict())
    data = torch.randint(0, 23, (1, 21))
    found = list(names["losses"](model, data, cu, 6))
    optimizer = torch.optim.SGD(twin.parameters(), lr=0.5)
    for loss in found:
        want = twin(data[:, :-1], data[:, 1:], cu, plain_attention, plain_mlp)
        optimizer.zero_grad()
        want.backward()
        optimizer.step()
        assert loss == pytest.approx(want.item(), rel=1e-5)
    assert found[-1] < found[0]
