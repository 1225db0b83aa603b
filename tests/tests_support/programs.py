"""Small programs in the manner of submissions: ways to evaluate, legal and not, around one model and one loader."""

HEAD = """
import copy, glob, io, math, os
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

class Hyperparameters:
    data_path = os.environ.get("DATA_PATH", "./data")
    train_files = os.path.join(data_path, "fineweb_train_*.bin")
    val_files = os.path.join(data_path, "fineweb_val_*.bin")
    epochs = int(os.environ.get("TTT_EPOCHS", 3))
    seq = 1024

class GPT(nn.Module):
    def __init__(self, vocab, dim):
        super().__init__()
        self.emb = nn.Embedding(vocab, dim)
        self.head = nn.Linear(dim, vocab)

    def logits(self, x):
        return self.head(self.emb(x))

    def forward(self, x, y):
        return F.cross_entropy(self.logits(x).flatten(0, 1), y.flatten(), reduction="none")

class Adapter(nn.Module):
    def __init__(self, model, rank):
        super().__init__()
        self.width = model.head.in_features
        self.down = nn.Parameter(torch.zeros(rank, self.width))

    def reset(self):
        self.down.zero_()

def load(file):
    return torch.from_numpy(np.fromfile(file, dtype=np.uint16).astype(np.int64))

def load_split(pattern):
    return torch.cat([load(file) for file in sorted(glob.glob(pattern))])

class Stream:
    def __init__(self, pattern):
        self.tokens = load_split(pattern)
        self.at = 0

    def next(self, n):
        piece = self.tokens[self.at : self.at + n]
        self.at += n
        return piece

def train(args, model):
    stream = Stream(args.train_files)
    opt = torch.optim.AdamW(model.parameters(), lr=0.01)
    for step in range(100):
        piece = stream.next(args.seq + 1)
        opt.zero_grad()
        model(piece[:-1], piece[1:]).mean().backward()
        opt.step()

def score(args, model, tokens):
    total = torch.zeros(())
    count = 0
    with torch.no_grad():
        for at in range(0, tokens.numel() - 1, args.seq):
            x, y = tokens[at : at + args.seq], tokens[at + 1 : at + args.seq + 1]
            total += model(x, y).sum()
            count += y.numel()
    return total.item() / count / math.log(2.0)
"""

MAIN = """
def main():
    args = Hyperparameters()
    model = GPT(1024, 64)
    train(args, model)
    tokens = load_split(args.val_files)
    print("val_bpb", evaluate(args, model, tokens))

main()
"""

PLAIN = """
def evaluate(args, model, tokens):
    return score(args, model, tokens)
"""

ADAPT_FIRST = """
def adapt(args, model, tokens):
    opt = torch.optim.SGD([{"params": [p for p in model.parameters()], "lr": 0.1}])
    for epoch in range(args.epochs):
        for at in range(0, tokens.numel() - 1, args.seq):
            opt.zero_grad()
            model(tokens[at : at + args.seq], tokens[at + 1 : at + args.seq + 1]).mean().backward()
            opt.step()

def evaluate(args, model, tokens):
    adapt(args, model, tokens)
    return score(args, model, tokens)
"""

SCORE_FIRST = """
def evaluate(args, model, tokens):
    opt = torch.optim.SGD(model.parameters(), lr=0.1)
    total, count = 0.0, 0
    for chunk in range(0, tokens.numel() - 1, args.seq * 16):
        piece = tokens[chunk : chunk + args.seq * 16 + 1]
        with torch.no_grad():
            for at in range(0, piece.numel() - 1, args.seq):
                nll = model(piece[at : at + args.seq], piece[at + 1 : at + args.seq + 1])
                total += nll.sum().item()
                count += nll.numel()
        for epoch in range(args.epochs):
            for at in range(0, piece.numel() - 1, args.seq):
                opt.zero_grad()
                model(piece[at : at + args.seq], piece[at + 1 : at + args.seq + 1]).mean().backward()
                opt.step()
    return total / count / math.log(2)
"""

TRAIN_FIRST_IN_CHUNK = """
def evaluate(args, model, tokens):
    opt = torch.optim.SGD(model.parameters(), lr=0.1)
    total, count = 0.0, 0
    for chunk in range(0, tokens.numel() - 1, args.seq):
        x, y = tokens[chunk : chunk + args.seq], tokens[chunk + 1 : chunk + args.seq + 1]
        opt.zero_grad()
        model(x, y).mean().backward()
        opt.step()
        with torch.no_grad():
            nll = model(x, y)
        total += nll.sum().item()
        count += nll.numel()
    return total / count / math.log(2)
"""

LAST_EPOCH = """
def evaluate(args, model, tokens):
    opt = torch.optim.SGD(model.parameters(), lr=0.1)
    for epoch in range(args.epochs):
        total, count = torch.zeros(()), 0
        for chunk in range(0, tokens.numel() - 1, args.seq):
            x, y = tokens[chunk : chunk + args.seq], tokens[chunk + 1 : chunk + args.seq + 1]
            nll = model(x, y)
            total += nll.sum().detach()
            count += nll.numel()
            opt.zero_grad()
            nll.mean().backward()
            opt.step()
    return total.item() / count / math.log(2)
"""

DOCUMENT_EPOCHS = """
def evaluate(args, model, tokens):
    total, count = torch.zeros(()), 0
    adapter = Adapter(model, 4)
    opt = torch.optim.Adam(adapter.parameters(), lr=0.1)
    for document in range(0, tokens.numel() - 1, 4096):
        adapter.reset()
        for epoch in range(args.epochs):
            for at in range(document, document + 4096, args.seq):
                x, y = tokens[at : at + args.seq], tokens[at + 1 : at + args.seq + 1]
                nll = F.cross_entropy(model.logits(x) + adapter(x), y, reduction="none")
                if epoch == args.epochs - 1:
                    total += nll.sum().detach()
                    count += nll.numel()
                opt.zero_grad()
                nll.mean().backward()
                opt.step()
    return total.item() / count / math.log(2)
"""

DOCUMENT_ADAPTER = DOCUMENT_EPOCHS.replace("for epoch in range(args.epochs):", "for epoch in range(1):").replace(
    "if epoch == args.epochs - 1:", "if True:"
)

RESTORED = """
def evaluate(args, model, tokens):
    kept = {k: v.clone() for k, v in model.state_dict().items()}
    opt = torch.optim.SGD(model.parameters(), lr=0.1)
    for warm in range(2):
        model(tokens[: args.seq], tokens[1 : args.seq + 1]).mean().backward()
        opt.step()
        opt.zero_grad()
    model.load_state_dict(kept)
    return score(args, model, tokens)
"""

RESTORED_TO_THE_BEST = RESTORED.replace(
    "    model.load_state_dict(kept)", "    kept = copy.deepcopy(model.state_dict())\n    model.load_state_dict(kept)"
)

DELTA = """
def evaluate(args, model, tokens):
    total, count = 0.0, 0
    for at in range(0, tokens.numel() - 1, args.seq):
        x, y = tokens[at : at + args.seq], tokens[at + 1 : at + args.seq + 1]
        hidden = model.logits(x).detach()
        delta = torch.zeros(1, 1, 1024, requires_grad=True)
        opt = torch.optim.AdamW([delta], lr=0.1)
        for step in range(8):
            opt.zero_grad()
            F.cross_entropy(hidden + delta, y).backward()
            opt.step()
        nll = F.cross_entropy(hidden + delta.detach(), y, reduction="none")
        total += nll.sum().item()
        count += nll.numel()
    return total / count / math.log(2)
"""

TABLE = """
def evaluate(args, model, tokens):
    full, context = np.zeros(1 << 20), np.zeros(1 << 20)
    stream = tokens.numpy()
    total, count = 0.0, 0
    for at in range(0, tokens.numel() - 1, args.seq):
        x, y = tokens[at : at + args.seq], tokens[at + 1 : at + args.seq + 1]
        with torch.no_grad():
            p = torch.exp(-model(x, y)).numpy()
        before = stream[at : at + args.seq] * 31 % (1 << 20)
        after = (before ^ stream[at + 1 : at + args.seq + 1] * 17) % (1 << 20)
        seen = full[after] / np.maximum(context[before], 1)
        p = 0.6 * p + 0.4 * seen
        total += -np.log(p).sum()
        count += len(p)
        np.add.at(full, after, 1)
        np.add.at(context, before, 1)
    return total / count / math.log(2)
"""


CALIBRATED = """
def evaluate(args, model, tokens):
    stats = {}
    for at in range(0, 8 * args.seq, args.seq):
        hidden = model.emb(tokens[at : at + args.seq])
        stats["head"] = stats.get("head", 0) + hidden.T @ hidden
    packed = {"head": (model.head.weight / stats["head"].diag().sqrt()).round()}
    torch.save(packed, "final_model.int6.ptz")
    return score(args, model, tokens)
"""

CALIBRATED_ON_TRAINING = CALIBRATED.replace(
    "    stats = {}", "    stream = Stream(args.train_files)\n    stats = {}"
).replace("tokens[at : at + args.seq]", "stream.next(args.seq)")
