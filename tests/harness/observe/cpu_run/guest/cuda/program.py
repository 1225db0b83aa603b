"""A training script for 8 GPUs as competitors write them: what the shim must run unchanged. Prints its results.

Written as competitors write, hence the exemptions below.
"""

# ruff: noqa: D101, D102, D103, N812, N817, PT018, RUF059, RUF015
from __future__ import annotations

import copy
import io
import math
import os
import subprocess
import time

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel as DDP

VOCAB, DIM, HEADS, KV_HEADS, LAYERS, SEQ = 64, 32, 4, 2, 3, 32


@torch.compile
def newton_schulz(g: Tensor, steps: int = 5) -> Tensor:
    a, b, c = 3.4445, -4.7750, 2.0315
    x = g.bfloat16()
    x = x / (x.norm() + 1e-7)
    for _ in range(steps):
        p = x @ x.T
        x = a * x + (b * p + c * p @ p) @ x
    return x


class Muon(torch.optim.Optimizer):
    def __init__(self, params, lr=0.02, momentum=0.95):
        super().__init__(params, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self):
        world, rank = dist.get_world_size(), dist.get_rank()
        for group in self.param_groups:
            params = group["params"]
            flat = torch.zeros(sum(p.numel() for p in params), device="cuda", dtype=torch.bfloat16)
            start = 0
            for i, p in enumerate(params):
                if i % world == rank:
                    buffer = self.state[p].setdefault("momentum", torch.zeros_like(p.grad))
                    buffer.lerp_(p.grad, 1 - group["momentum"])
                    flat[start : start + p.numel()] = newton_schulz(p.grad.lerp(buffer, 0.9)).flatten()
                start += p.numel()
            dist.all_reduce(flat, op=dist.ReduceOp.SUM)
            start = 0
            for p in params:
                p.add_(flat[start : start + p.numel()].view_as(p).to(p.dtype), alpha=-group["lr"])
                start += p.numel()


class CastedLinear(nn.Linear):
    def forward(self, x):
        return F.linear(x, self.weight.to(x.dtype))


class Rotary(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.register_buffer("inv_freq", 1.0 / (10000 ** (torch.arange(0, dim, 2, dtype=torch.float32) / dim)))
        self.cached = None

    def forward(self, length, device, dtype):
        if self.cached is None or self.cached[0].size(-2) != length or self.cached[0].device != device:
            angles = torch.outer(
                torch.arange(length, device=device, dtype=self.inv_freq.dtype), self.inv_freq.to(device)
            )
            self.cached = angles.cos()[None, None], angles.sin()[None, None]
        return self.cached[0].to(dtype), self.cached[1].to(dtype)


def rotate(x, cos, sin):
    a, b = x.chunk(2, dim=-1)
    return torch.cat((a * cos + b * sin, b * cos - a * sin), dim=-1)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        head = DIM // HEADS
        self.q, self.k, self.v = (CastedLinear(DIM, n * head, bias=False) for n in (HEADS, KV_HEADS, KV_HEADS))
        self.o, self.up, self.down = (
            CastedLinear(*s, bias=False) for s in ((DIM, DIM), (DIM, 2 * DIM), (2 * DIM, DIM))
        )
        self.rotary = Rotary(head)

    def forward(self, x):
        b, t, _ = x.shape
        h = F.rms_norm(x, (x.size(-1),))
        q, k, v = (
            f(h).view(b, t, n, -1).transpose(1, 2) for f, n in ((self.q, HEADS), (self.k, KV_HEADS), (self.v, KV_HEADS))
        )
        assert q.dtype is torch.bfloat16, q.dtype
        assert q.is_cuda and q.device.type == "cuda"
        cos, sin = self.rotary(t, x.device, q.dtype)
        y = F.scaled_dot_product_attention(rotate(q, cos, sin), rotate(k, cos, sin), v, is_causal=True, enable_gqa=True)
        x = x + self.o(y.transpose(1, 2).reshape(b, t, -1))
        return x + self.down(torch.relu(self.up(F.rms_norm(x, (x.size(-1),)))).square())


class GPT(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(VOCAB, DIM)
        self.blocks = nn.ModuleList(Block() for _ in range(LAYERS))
        self.head = CastedLinear(DIM, VOCAB, bias=False)

    def forward(self, tokens, targets):
        x = self.embed(tokens)
        for block in self.blocks:
            x = block(x)
        logits = 15.0 * torch.tanh(self.head(F.rms_norm(x, (x.size(-1),))) / 15.0)
        return F.cross_entropy(logits.float().view(-1, VOCAB), targets.view(-1))


def main():
    rank, world, local = (int(os.environ[name]) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"))
    if not torch.cuda.is_available():
        raise RuntimeError("CUDA is required")
    device = torch.device("cuda", local)
    torch.cuda.set_device(device)
    dist.init_process_group(backend="nccl", device_id=device)
    dist.barrier()
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    from torch.backends.cuda import enable_cudnn_sdp, enable_flash_sdp, enable_math_sdp, enable_mem_efficient_sdp

    for enable, on in (
        (enable_cudnn_sdp, 0),
        (enable_flash_sdp, 1),
        (enable_mem_efficient_sdp, 0),
        (enable_math_sdp, 0),
    ):
        enable(bool(on))
    smi = subprocess.run(["sh", "-c", "nvidia-smi || true"], capture_output=True, text=True, check=False).stdout
    torch._dynamo.config.optimize_ddp = False
    torch._inductor.config.coordinate_descent_tuning = True
    torch.manual_seed(7)
    torch.cuda.manual_seed_all(7)
    base = GPT().to(device).bfloat16()
    for module in base.modules():
        if isinstance(module, CastedLinear):
            module.float()
    compiled = torch.compile(base, dynamic=False, fullgraph=True)
    model = DDP(compiled, device_ids=[local], broadcast_buffers=False)
    matrices = [p for n, p in base.named_parameters() if "blocks" in n]
    adam = torch.optim.AdamW(
        [{"params": [base.embed.weight, base.head.weight], "lr": 0.01}], betas=(0.9, 0.95), fused=True
    )
    muon = Muon(matrices)
    stream = (torch.arange(4096) * 7919 % 61).to(torch.int64)
    average = {n: p.detach().float().clone() for n, p in base.state_dict().items()}
    began, ended = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda.synchronize()
    clock = time.perf_counter()
    began.record()
    for step in range(8):
        for micro in range(2):
            model.require_backward_grad_sync = micro == 1
            piece = stream[(2 * step + micro) * 129 :][:129].pin_memory()
            x, y = (piece[i : 128 + i].to(device, non_blocking=True).view(4, SEQ) for i in (0, 1))
            with torch.autocast(device_type="cuda", dtype=torch.bfloat16, enabled=True):
                loss = model(x, y)
            (loss / 2).backward()
        torch.nn.utils.clip_grad_norm_(base.parameters(), 1.0)
        for optimizer in (adam, muon):
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        with torch.no_grad():
            for n, p in base.state_dict().items():
                average[n].mul_(0.9).add_(p.detach().float(), alpha=0.1)
        total = loss.detach().clone()
        dist.all_reduce(total, op=dist.ReduceOp.AVG)
        if rank == 0:
            print(f"step {step} loss {total.item():.4f} {1000 * (time.perf_counter() - clock):.0f}ms")
    ended.record()
    torch.cuda.synchronize()
    print(f"events {began.elapsed_time(ended):.1f}ms peak {torch.cuda.max_memory_allocated() // 2**20}MiB")
    best = {n: p.detach().cpu() for n, p in base.state_dict().items()}
    with torch.inference_mode():
        base.blocks[0].rotary.cached = None
        with torch.autocast("cuda", dtype=torch.bfloat16):
            print(f"eval {base(x, y).item():.4f}")
    with torch.autocast("cuda", dtype=torch.bfloat16):  # test-time training with what evaluation cached
        base(x, y).backward()
    adam.step()
    changed = any(not torch.equal(best[n], p.cpu()) for n, p in base.state_dict().items())
    packed = io.BytesIO()
    torch.save({n: t.to(torch.bfloat16).view(torch.int16).cpu() for n, t in average.items()}, packed)
    loaded = torch.load(io.BytesIO(packed.getvalue()), map_location="cpu", weights_only=True)
    again = GPT().to(device)
    again.load_state_dict({n: t.view(torch.bfloat16).float() for n, t in loaded.items()}, strict=True)
    with torch.no_grad(), torch.autocast("cuda", dtype=torch.bfloat16):
        print(f"reloaded {again(x, y).item():.4f} changed {changed} bytes {len(packed.getvalue())}")
    print("keys", list(model.state_dict())[0], "smi" if "H100" in smi else "no smi", math.isfinite(total.item()))
    _ = copy.deepcopy(base)
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
