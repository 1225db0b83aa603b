"""Plain baseline for two CPU cores: a small transformer, trained, quantised to int8 and scored from its artifact.

Every floating point number is a float64: processors differ in the last bits of a sum (vector width, number of
threads), and in float64 those bits stay far below the printed digits and below a rounding step of the quantiser.
"""
# ruff: noqa: PLW1508  (numbers as defaults of environment variables are the competition's style)

import glob
import json
import math
import os
import sys
import time
import uuid
import zlib
from pathlib import Path

import numpy as np
import sentencepiece as spm
import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Hyperparameters:
    run_id = os.environ.get("RUN_ID", str(uuid.uuid4()))
    seed = int(os.environ.get("SEED", 1337))
    data_path = os.environ.get("DATA_PATH", "./data/datasets/english_sp512")
    tokenizer_path = os.environ.get("TOKENIZER_PATH", "./data/tokenizers/english_512_bpe.model")

    # Model
    vocab_size = int(os.environ.get("VOCAB_SIZE", 512))
    num_layers = int(os.environ.get("NUM_LAYERS", 2))
    model_dim = int(os.environ.get("MODEL_DIM", 96))
    num_heads = int(os.environ.get("NUM_HEADS", 4))
    num_kv_heads = int(os.environ.get("NUM_KV_HEADS", 2))
    mlp_mult = int(os.environ.get("MLP_MULT", 2))
    rope_base = float(os.environ.get("ROPE_BASE", 10000.0))
    logit_softcap = float(os.environ.get("LOGIT_SOFTCAP", 30.0))
    qk_gain_init = float(os.environ.get("QK_GAIN_INIT", 1.5))

    # Training; the schedule counts steps, not seconds, so that a slow machine gives the same model
    train_seq_len = int(os.environ.get("TRAIN_SEQ_LEN", 128))
    train_batch_tokens = int(os.environ.get("TRAIN_BATCH_TOKENS", 2048))
    iterations = int(os.environ.get("ITERATIONS", 600))
    warmup_steps = int(os.environ.get("WARMUP_STEPS", 2))
    warmdown_iters = int(os.environ.get("WARMDOWN_ITERS", 300))
    max_wallclock_seconds = float(os.environ.get("MAX_WALLCLOCK_SECONDS", 600.0))
    val_batch_size = int(os.environ.get("VAL_BATCH_SIZE", 8192))
    val_loss_every = int(os.environ.get("VAL_LOSS_EVERY", 100))
    train_log_every = int(os.environ.get("TRAIN_LOG_EVERY", 20))

    # Optimiser
    matrix_lr = float(os.environ.get("MATRIX_LR", 0.04))
    scalar_lr = float(os.environ.get("SCALAR_LR", 0.04))
    tied_embed_lr = float(os.environ.get("TIED_EMBED_LR", 0.05))
    tied_embed_init_std = float(os.environ.get("TIED_EMBED_INIT_STD", 0.005))
    beta1 = float(os.environ.get("BETA1", 0.9))
    beta2 = float(os.environ.get("BETA2", 0.95))
    muon_momentum = float(os.environ.get("MUON_MOMENTUM", 0.95))
    muon_backend_steps = int(os.environ.get("MUON_BACKEND_STEPS", 5))


def load_tokens(pattern: str) -> Tensor:
    """Token ids (tokens,) of all shards: each is 256 int32 (magic, version, count), then uint16."""
    shards = []
    for path in sorted(glob.glob(pattern)):
        header = np.fromfile(path, dtype="<i4", count=256)
        tokens = np.fromfile(path, dtype="<u2", offset=1024)
        if header.size != 256 or header.tolist()[:3] != [20240520, 1, tokens.size]:
            raise ValueError(f"{path}: header and size are not those of a token shard; write it again (see README)")
        shards.append(torch.from_numpy(tokens.astype(np.int64)))
    if not shards:
        raise FileNotFoundError(f"{pattern}: no such shard; prepare the data with the commands of the README")
    return torch.cat(shards)


class TrainLoader:
    """Batches of inputs and targets (rows, seq_len) in an order that depends on nothing but the data.

    Every row reads the stream from a start of its own, so that a batch mixes passages from the whole text.
    """

    def __init__(self, tokens: Tensor, batch_tokens: int, seq_len: int):
        rows, rest = divmod(batch_tokens, seq_len)
        if rest or not rows:
            raise ValueError(f"TRAIN_BATCH_TOKENS is {batch_tokens}; make it a multiple of TRAIN_SEQ_LEN, {seq_len}")
        self.tokens, self.seq_len = tokens, seq_len
        self.starts = torch.arange(rows) * (tokens.numel() // rows)

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        positions = (self.starts + step * self.seq_len)[:, None] + torch.arange(self.seq_len + 1)
        window = self.tokens[positions % self.tokens.numel()]
        return window[:, :-1], window[:, 1:]


def build_sentencepiece_luts(sp: spm.SentencePieceProcessor, vocab_size: int) -> tuple[Tensor, Tensor, Tensor]:
    """Per token id (vocab,): bytes without a leading space, whether it has one, whether it is a boundary token."""
    if sp.vocab_size() != vocab_size:
        raise ValueError(f"VOCAB_SIZE is {vocab_size}, but the tokenizer has {sp.vocab_size()} pieces; set them equal")
    base_bytes = torch.zeros(vocab_size, dtype=torch.int64)
    leading_space = torch.zeros(vocab_size, dtype=torch.bool)
    boundary = torch.zeros(vocab_size, dtype=torch.bool)
    for token in range(vocab_size):
        if sp.is_control(token) or sp.is_unknown(token) or sp.is_unused(token):
            boundary[token] = True
        elif sp.is_byte(token):
            base_bytes[token] = 1
        else:
            piece = sp.id_to_piece(token)
            leading_space[token] = piece.startswith("\u2581")
            base_bytes[token] = len(piece.removeprefix("\u2581").replace("\u2581", " ").encode("utf-8"))
    return base_bytes, leading_space, boundary


def rms_norm(x: Tensor) -> Tensor:
    return F.rms_norm(x, (x.size(-1),))


def rotate(x: Tensor, base: float) -> Tensor:
    """Rotary position embedding of x (batch, heads, seq, head_dim)."""
    half = x.size(-1) // 2
    frequency = base ** -(torch.arange(half, dtype=x.dtype) / half)
    angle = torch.outer(torch.arange(x.size(-2), dtype=x.dtype), frequency)
    cos, sin = angle.cos(), angle.sin()
    a, b = x[..., :half], x[..., half:]
    return torch.cat((a * cos + b * sin, b * cos - a * sin), dim=-1)


class Attention(nn.Module):
    def __init__(self, h: Hyperparameters):
        super().__init__()
        self.heads, self.kv_heads, self.head_dim = h.num_heads, h.num_kv_heads, h.model_dim // h.num_heads
        self.rope_base = h.rope_base
        self.c_q = nn.Linear(h.model_dim, h.model_dim, bias=False)
        self.c_k = nn.Linear(h.model_dim, self.kv_heads * self.head_dim, bias=False)
        self.c_v = nn.Linear(h.model_dim, self.kv_heads * self.head_dim, bias=False)
        self.proj = nn.Linear(h.model_dim, h.model_dim, bias=False)
        self.q_gain = nn.Parameter(torch.full((h.num_heads,), h.qk_gain_init))

    def forward(self, x: Tensor) -> Tensor:
        batch, seq, dim = x.shape
        q = self.c_q(x).view(batch, seq, self.heads, self.head_dim).transpose(1, 2)
        k = self.c_k(x).view(batch, seq, self.kv_heads, self.head_dim).transpose(1, 2)
        v = self.c_v(x).view(batch, seq, self.kv_heads, self.head_dim).transpose(1, 2)
        q = rotate(rms_norm(q), self.rope_base) * self.q_gain[:, None, None]
        k = rotate(rms_norm(k), self.rope_base)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
        return self.proj(y.transpose(1, 2).reshape(batch, seq, dim))


class MLP(nn.Module):
    def __init__(self, h: Hyperparameters):
        super().__init__()
        self.fc = nn.Linear(h.model_dim, h.mlp_mult * h.model_dim, bias=False)
        self.proj = nn.Linear(h.mlp_mult * h.model_dim, h.model_dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.proj(F.relu(self.fc(x)).square())


class Block(nn.Module):
    def __init__(self, h: Hyperparameters):
        super().__init__()
        self.attn, self.mlp = Attention(h), MLP(h)
        self.attn_scale = nn.Parameter(torch.ones(h.model_dim))
        self.mlp_scale = nn.Parameter(torch.ones(h.model_dim))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn_scale * self.attn(rms_norm(x))
        return x + self.mlp_scale * self.mlp(rms_norm(x))


class GPT(nn.Module):
    """Token ids (batch, seq) to next-token logits (batch, seq, vocab); the embedding is also the output matrix."""

    def __init__(self, h: Hyperparameters):
        super().__init__()
        self.softcap = h.logit_softcap
        self.tok_emb = nn.Embedding(h.vocab_size, h.model_dim)
        self.blocks = nn.ModuleList(Block(h) for _ in range(h.num_layers))
        # The stream of this legacy generator is frozen for good, while torch's may change with its version.
        random = np.random.RandomState(h.seed)
        with torch.no_grad():
            for name, parameter in self.named_parameters():
                if name.endswith("proj.weight"):
                    parameter.zero_()  # every block starts as the identity
                elif parameter.ndim == 2:
                    std = h.tied_embed_init_std if name == "tok_emb.weight" else parameter.size(1) ** -0.5
                    parameter.copy_(torch.from_numpy(random.standard_normal(tuple(parameter.shape)) * std))

    def logits(self, input_ids: Tensor) -> Tensor:
        x = rms_norm(self.tok_emb(input_ids))
        for block in self.blocks:
            x = block(x)
        return self.softcap * torch.tanh(F.linear(rms_norm(x), self.tok_emb.weight) / self.softcap)

    def forward(self, input_ids: Tensor, target_ids: Tensor, reduction: str = "mean") -> Tensor:
        return F.cross_entropy(self.logits(input_ids).flatten(0, 1), target_ids.flatten(), reduction=reduction)


def orthogonalise(g: Tensor, steps: int) -> Tensor:
    """Newton-Schulz iteration: pulls all singular values of g towards 1."""
    a, b, c = 3.4445, -4.7750, 2.0315
    x = g.T if g.size(0) > g.size(1) else g
    x = x / (x.norm() + 1e-7)
    for _ in range(steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if g.size(0) > g.size(1) else x


class Muon(torch.optim.Optimizer):
    """Nesterov momentum whose update is orthogonalised, for the matrices of the blocks."""

    def __init__(self, parameters, lr: float, momentum: float, backend_steps: int):
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "backend_steps": backend_steps})

    @torch.no_grad()
    def step(self) -> None:
        for group in self.param_groups:
            for p in group["params"]:
                buffer = self.state[p].setdefault("momentum_buffer", torch.zeros_like(p))
                buffer.mul_(group["momentum"]).add_(p.grad)
                update = orthogonalise(p.grad + group["momentum"] * buffer, group["backend_steps"])
                p.add_(update, alpha=-group["lr"] * max(1.0, p.size(0) / p.size(1)) ** 0.5)


def build(h: Hyperparameters) -> tuple[GPT, list[torch.optim.Optimizer]]:
    """Model and optimisers as they are before the first step."""
    model = GPT(h)
    matrices = [p for p in model.blocks.parameters() if p.ndim == 2]
    scalars = [p for p in model.blocks.parameters() if p.ndim == 1]
    tokens = {"params": [model.tok_emb.weight], "lr": h.tied_embed_lr}
    adam = torch.optim.Adam([tokens, {"params": scalars, "lr": h.scalar_lr}], betas=(h.beta1, h.beta2))
    return model, [adam, Muon(matrices, h.matrix_lr, h.muon_momentum, h.muon_backend_steps)]


def train_step(model: GPT, optimizers: list, batch: tuple[Tensor, Tensor], lr_scale: float) -> Tensor:
    loss = model(*batch)
    loss.backward()
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group.setdefault("base_lr", group["lr"]) * lr_scale
        optimizer.step()
        optimizer.zero_grad()
    return loss.detach()


@torch.inference_mode()
def eval_val(h: Hyperparameters, model: GPT, tokens: Tensor, luts: tuple[Tensor, ...]) -> tuple[float, float]:
    """(val_loss in nats per token, val_bpb in bits per byte) over every token of the shard but its first."""
    base_bytes, leading_space, boundary = luts
    inputs, targets = tokens[:-1], tokens[1:]
    rows = max(1, h.val_batch_size // h.train_seq_len)
    full = inputs.numel() // h.train_seq_len * h.train_seq_len  # the rest is one shorter window: no token is left out
    parts = [(*t[:full].view(-1, h.train_seq_len).split(rows), t[None, full:]) for t in (inputs, targets)]
    nll = sum(model(x, y, reduction="sum").item() for x, y in zip(*parts, strict=True) if x.numel())
    # A leading space counts only after a token that is text: at a document's start the tokenizer puts none.
    byte_count = (base_bytes[targets] + (leading_space[targets] & ~boundary[inputs])).sum().item()
    return nll / targets.numel(), nll / math.log(2) / byte_count


def quantize(state: dict[str, Tensor]) -> dict[str, np.ndarray]:
    """Matrices as int8 with one float16 scale a row, vectors as float16.

    Codes and float16 scales are coarse: weights that differ in their last bits give the same artifact.
    """
    arrays = {}
    for name, tensor in state.items():
        if tensor.ndim == 2:
            scale = (tensor.abs().amax(dim=1) / 127).clamp_min(1e-7).half()
            arrays[name + ".scale"] = scale.numpy()
            tensor = (tensor / scale.double()[:, None]).round().clamp(-127, 127).to(torch.int8)
        arrays[name] = (tensor.half() if tensor.is_floating_point() else tensor).numpy()
    return arrays


def dequantize(arrays: dict[str, np.ndarray]) -> dict[str, Tensor]:
    tensors = {name: torch.from_numpy(array).double() for name, array in arrays.items()}
    scales = {name: tensors.pop(name) for name in list(tensors) if name.endswith(".scale")}
    return {name: t * scales[name + ".scale"][:, None] if t.ndim == 2 else t for name, t in tensors.items()}


def pack(arrays: dict[str, np.ndarray]) -> bytes:
    """Container: length of the manifest (4 bytes), JSON manifest [[name, dtype, shape], ...], raw buffers in order."""
    manifest = json.dumps([[name, a.dtype.str, a.shape] for name, a in arrays.items()], separators=(",", ":")).encode()
    return len(manifest).to_bytes(4, "little") + manifest + b"".join(a.tobytes() for a in arrays.values())


def unpack(data: bytes) -> dict[str, np.ndarray]:
    position = 4 + int.from_bytes(data[:4], "little")
    arrays = {}
    for name, dtype, shape in json.loads(data[4:position]):
        arrays[name] = np.frombuffer(data, dtype, math.prod(shape), position).reshape(shape).copy()
        position += arrays[name].nbytes
    if position != len(data):
        raise ValueError(f"artifact: manifest describes {position} bytes of {len(data)}; pack it again")
    return arrays


def main() -> None:
    h = Hyperparameters()
    torch.set_default_dtype(torch.float64)
    code = Path(__file__).read_text(encoding="utf-8")
    logfile = Path("logs", f"{h.run_id}.txt")
    logfile.parent.mkdir(exist_ok=True)
    logfile.unlink(missing_ok=True)
    print(logfile.as_posix())

    def log(message: str, console: bool = True) -> None:
        if console:
            print(message, flush=True)
        with logfile.open("a", encoding="utf-8") as file:
            print(message, file=file)

    bar = "=" * 100
    for line in (code, bar, f"Running Python {sys.version}", f"Running PyTorch {torch.__version__}", bar):
        log(line, console=False)

    luts = build_sentencepiece_luts(spm.SentencePieceProcessor(model_file=h.tokenizer_path), h.vocab_size)
    train_files, val_files = (os.path.join(h.data_path, f"fineweb_{part}_*.bin") for part in ("train", "val"))
    val_tokens = load_tokens(val_files)
    loader = TrainLoader(load_tokens(train_files), h.train_batch_tokens, h.train_seq_len)
    model, optimizers = build(h)
    log(f"val_bpb:enabled tokenizer_kind=sentencepiece tokenizer_path={h.tokenizer_path}")
    log(f"train_loader:dataset:{Path(h.data_path).name} train_shards:{len(glob.glob(train_files))}")
    log(f"val_loader:shards pattern={val_files} tokens:{val_tokens.numel() - 1}")
    log(f"model_params:{sum(p.numel() for p in model.parameters())}")
    log("world_size:1 grad_accum_steps:1")
    log(f"attention_mode:gqa num_heads:{h.num_heads} num_kv_heads:{h.num_kv_heads}")
    log(f"tie_embeddings:True embed_lr:{h.tied_embed_lr} head_lr:0.0 matrix_lr:{h.matrix_lr} scalar_lr:{h.scalar_lr}")
    log(
        f"train_batch_tokens:{h.train_batch_tokens} train_seq_len:{h.train_seq_len} iterations:{h.iterations} "
        f"warmup_steps:{h.warmup_steps} max_wallclock_seconds:{h.max_wallclock_seconds:.3f}"
    )
    log(f"seed:{h.seed}")

    # Warm-up wakes thread pools and allocators before the clock starts; what it learned is thrown away.
    for step in range(h.warmup_steps):
        train_step(model, optimizers, loader.batch(step), 1.0)
        log(f"warmup_step:{step + 1}/{h.warmup_steps}")
    model, optimizers = build(h)

    train_ms, stop, step = 0.0, h.iterations, 0
    started = time.perf_counter()
    while True:
        if step == stop or (h.val_loss_every and step % h.val_loss_every == 0):
            train_ms += 1000 * (time.perf_counter() - started)
            val_loss, val_bpb = eval_val(h, model, val_tokens, luts)
            log(
                f"step:{step}/{h.iterations} val_loss:{val_loss:.4f} val_bpb:{val_bpb:.4f} "
                f"train_time:{train_ms:.0f}ms step_avg:{train_ms / max(step, 1):.2f}ms"
            )
            started = time.perf_counter()
        if step == stop:
            break
        lr_scale = min(1.0, (h.iterations - step) / max(h.warmdown_iters, 1))
        train_loss = train_step(model, optimizers, loader.batch(step), lr_scale)
        step += 1
        elapsed_ms = train_ms + 1000 * (time.perf_counter() - started)
        if step <= 10 or step % h.train_log_every == 0:
            log(
                f"step:{step}/{h.iterations} train_loss:{train_loss.item():.4f} "
                f"train_time:{elapsed_ms:.0f}ms step_avg:{elapsed_ms / step:.2f}ms"
            )
        if step < stop and 0 < h.max_wallclock_seconds <= elapsed_ms / 1000:
            stop = step
            log(f"stopping_early: wallclock_cap train_time:{elapsed_ms:.0f}ms step:{step}/{h.iterations}")

    arrays = quantize(model.state_dict())
    container = pack(arrays)
    artifact = Path("final_model.int8.ptz")
    artifact.write_bytes(zlib.compress(container, 9))
    full_bytes = len(pack({name: tensor.numpy() for name, tensor in model.state_dict().items()}))
    payload = sum(array.nbytes for array in arrays.values())
    code_bytes, model_bytes = len(code.encode("utf-8")), artifact.stat().st_size
    log(f"Serialized model: {full_bytes} bytes")
    log(f"Code size: {code_bytes} bytes")
    log(f"Total submission size: {full_bytes + code_bytes} bytes")
    log(
        f"Serialized model int8+zlib: {model_bytes} bytes "
        f"(payload:{payload} raw_container:{len(container)} payload_ratio:{full_bytes / payload:.2f}x)"
    )
    log(f"Total submission size int8+zlib: {model_bytes + code_bytes} bytes")

    # The score is that of the file on disk, in a model that never saw the training.
    started = time.perf_counter()
    scored = GPT(h)
    scored.load_state_dict(dequantize(unpack(zlib.decompress(artifact.read_bytes()))))
    val_loss, val_bpb = eval_val(h, scored, val_tokens, luts)
    eval_ms = 1000 * (time.perf_counter() - started)
    log(f"final_int8_zlib_roundtrip val_loss:{val_loss:.4f} val_bpb:{val_bpb:.4f} eval_time:{eval_ms:.0f}ms")
    log(f"final_int8_zlib_roundtrip_exact val_loss:{val_loss:.8f} val_bpb:{val_bpb:.8f}")


if __name__ == "__main__":
    main()
