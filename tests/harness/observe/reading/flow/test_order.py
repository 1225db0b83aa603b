"""The flow of validation tokens: what had learnt from the tokens that a score scores. Each cheat has a legal twin."""

from __future__ import annotations

import textwrap

import pytest
from tests_support.programs import (
    ADAPT_FIRST,
    DELTA,
    DOCUMENT_ADAPTER,
    DOCUMENT_EPOCHS,
    HEAD,
    LAST_EPOCH,
    MAIN,
    PLAIN,
    RESTORED,
    RESTORED_TO_THE_BEST,
    SCORE_FIRST,
    TABLE,
    TRAIN_FIRST_IN_CHUNK,
)
from tests_support.rename import rename_identifiers

from harness.model.order import OrderFacts, UpdateKind
from harness.observe.reading.flow.read import read_order
from harness.observe.reading.launch import read_launch
from harness.observe.reading.source.script import read_script


def order(evaluate: str, main: str = MAIN, *, renamed: bool = False, **environment: str) -> OrderFacts:
    """Facts of order of the base script with this evaluation."""
    source = HEAD + textwrap.dedent(evaluate) + main
    for name, value in environment.items():
        source = source.replace(f'"{name}", 3', f'"{name}", {value}')
    if renamed:
        source = rename_identifiers(source, seed=5)
    reading = read_launch([read_script("train_gpt.py", source.encode(), {})], {})
    assert reading.trace is not None
    assert reading.main is not None
    facts = read_order(reading.trace, reading.main)
    assert facts.complete, facts.notes
    assert facts.validation_at is not None
    return facts


def knowing(facts: OrderFacts, kind: UpdateKind = UpdateKind.STEP) -> set[bool]:
    """Whether updates knew just the piece (True) or the whole stretch (False) that a reported score scores."""
    return {e.same_piece for s in facts.scores for e in s.exposures if facts.updates[e.update].kind is kind}


@pytest.mark.parametrize("renamed", [False, True])
@pytest.mark.parametrize(
    ("evaluate", "known"),
    [
        (PLAIN, set()),
        (ADAPT_FIRST, {False}),
        (SCORE_FIRST, set()),
        (TRAIN_FIRST_IN_CHUNK, {True}),
        (LAST_EPOCH, {False}),
        (DOCUMENT_EPOCHS, {True}),
        (DOCUMENT_ADAPTER, set()),
        (RESTORED, set()),
        (RESTORED_TO_THE_BEST, {False}),
        (DELTA, {True}),
    ],
    ids=["plain", "adapt", "score_first", "train", "last_epoch", "epochs", "adapter", "restored", "best", "delta"],
)
def test_what_the_score_knew(evaluate: str, known: set[bool], *, renamed: bool) -> None:
    """Learning before the score of the same tokens is seen, whatever the names; score-first and resets pass."""
    assert knowing(order(evaluate, renamed=renamed)) == known


PLANNED = """
class Window(typing.NamedTuple):
    start: int
    stop: int

class Batch:
    def __init__(self, tokens, windows):
        starts = torch.tensor([window.start for window in windows])
        rows = tokens[starts[:, None] + torch.arange(windows[0].stop - windows[0].start + 1)]
        self.x, self.y = rows[:, :-1], rows[:, 1:]

def windows(length, seq):
    for start in range(0, length - 1, seq):
        yield Window(start, min(start + seq, length - 1))

def evaluate(args, model, tokens):
    opt = torch.optim.SGD(model.parameters(), lr=0.1)
    planned = list(windows(tokens.numel(), args.seq))
    plan = [planned[at : at + 16] for at in range(0, len(planned), 16)]
    total, count = 0.0, 0
    for chunk in plan:
        batch = Batch(tokens, chunk)
        SCORE
        LEARN
    return total / count / math.log(2)
"""
_SCORE = """with torch.no_grad():
            nll = model(batch.x, batch.y)
        total += nll.sum().item()
        count += nll.numel()"""
_LEARN = """opt.zero_grad()
        model(batch.x, batch.y).mean().backward()
        opt.step()"""


@pytest.mark.parametrize("renamed", [False, True])
@pytest.mark.parametrize(
    ("first", "second", "chosen", "known"),
    [
        (_SCORE, _LEARN, "chunk", set()),
        (_LEARN, _SCORE, "chunk", {True}),
        (_SCORE, _LEARN, "plan[0]", {False}),
    ],
    ids=["score_first", "train_first", "always_the_first"],
)
def test_pieces_chosen_through_objects(
    first: str, second: str, chosen: str, known: set[bool], *, renamed: bool
) -> None:
    """Windows that are planned before the loop are pieces of it; a window that the loop does not choose is none."""
    evaluate = PLANNED.replace("Batch(tokens, chunk)", f"Batch(tokens, {chosen})")
    evaluate = "import typing\n" + evaluate.replace("SCORE", first).replace("LEARN", second)
    assert knowing(order(evaluate, renamed=renamed)) == known


def test_who_learns() -> None:
    """A module that learns is told from loose tensors, and the backward pass is named."""
    adapt, delta = order(ADAPT_FIRST), order(DELTA)
    assert [update.model for update in adapt.updates] == [True]
    assert [update.model for update in delta.updates] == [False]
    assert all(update.learnt_at is not None and update.learnt_at.line <= update.at.line for update in adapt.updates)


ACCUMULATED = ADAPT_FIRST.replace(
    "            model(tokens", "            for part in range(4):\n                model(tokens"
).replace("            opt.step()", "            for one in (opt, opt):\n                one.step()")
UNCOUNTED = ADAPT_FIRST.replace("for epoch in range(args.epochs):", "while unsure():").replace(
    "def adapt", "def unsure():\n    return float(torch.rand(1)) > 0.5\n\ndef adapt"
)


@pytest.mark.parametrize("renamed", [False, True])
@pytest.mark.parametrize(
    ("evaluate", "environment", "passes"),
    [
        (ADAPT_FIRST, {}, 3),
        (ADAPT_FIRST, {"TTT_EPOCHS": "20"}, 20),
        (ADAPT_FIRST, {"TTT_EPOCHS": "1"}, 1),
        (SCORE_FIRST, {}, 3),
        (TRAIN_FIRST_IN_CHUNK, {}, 1),
        (DELTA, {}, 8),
        (RESTORED, {}, 2),
        (ACCUMULATED, {}, 3),
        (UNCOUNTED, {}, None),
    ],
    ids=["epochs", "twenty", "one", "score_first", "chunk", "delta", "warm", "accumulated", "uncounted"],
)
def test_passes(evaluate: str, environment: dict[str, str], passes: int | None, *, renamed: bool) -> None:
    """Counted are loops that come back to the same tokens: not those that gather gradients or go over optimizers."""
    assert [update.passes for update in order(evaluate, renamed=renamed, **environment).updates] == [passes]


def test_artifact() -> None:
    """Weights that learnt from validation tokens and are written are seen in the write, and through the file."""
    main = """
def main():
    args = Hyperparameters()
    model = GPT(1024, 64)
    train(args, model)
    tokens = load_split(args.val_files)
    adapt(args, model, tokens)
    torch.save(model.state_dict(), "final_model.pt")
    fresh = GPT(1024, 64)
    fresh.load_state_dict(torch.load("final_model.pt"))
    print("val_bpb", score(args, fresh, tokens))

main()
"""
    facts = order(ADAPT_FIRST, main)
    assert [write.updates for write in facts.artifacts] == [(0,)]
    assert knowing(facts) == {False}
    clean = order(ADAPT_FIRST, main.replace("    adapt(args, model, tokens)\n", ""))
    assert clean.artifacts == ()
    assert knowing(clean) == set()


def test_dead_code_says_nothing() -> None:
    """Adaptation that the launch switches off is not met."""
    guarded = ADAPT_FIRST.replace(
        "    adapt(args, model, tokens)\n    return",
        '    if int(os.environ.get("TTT", "0")):\n        adapt(args, model, tokens)\n    return',
    )
    assert knowing(order(guarded)) == set()
    assert knowing(order(guarded.replace('"TTT", "0"', '"TTT", "1"'))) == {False}


def test_table() -> None:
    """A cache of earlier pieces is causal, but mixing it with the realised token's probability alone is noted."""
    facts = order(TABLE)
    assert knowing(facts, UpdateKind.TABLE) == set()
    assert facts.mixtures
    assert order(SCORE_FIRST).mixtures == ()


def test_table_in_the_logits() -> None:
    """A table that shifts the logits is normalised by the loss: no mixture."""
    inside = """
def evaluate(args, model, tokens):
    bias = torch.zeros(1024, 1024)
    total, count = 0.0, 0
    for at in range(0, tokens.numel() - 1, args.seq):
        x, y = tokens[at : at + args.seq], tokens[at + 1 : at + args.seq + 1]
        with torch.no_grad():
            nll = F.cross_entropy(model.logits(x) + bias[x], y, reduction="none")
        total += nll.sum().item()
        count += nll.numel()
        bias.index_add_(0, x, F.one_hot(y, 1024).float())
    return total / count / math.log(2)
"""
    facts = order(inside)
    assert any(update.kind is UpdateKind.TABLE for update in facts.updates)
    assert facts.mixtures == ()
    assert knowing(facts, UpdateKind.TABLE) == set()


def test_second_pass() -> None:
    """A table filled over the whole stretch and then asked knows what it is asked about."""
    two = TABLE.replace("        np.add.at(full, after, 1)\n        np.add.at(context, before, 1)\n", "").replace(
        "    total, count = 0.0, 0\n",
        "    total, count = 0.0, 0\n    for at in range(0, len(stream) - 1):\n"
        "        full[(stream[at] * 31 ^ stream[at + 1] * 17) % (1 << 20)] += 1\n",
    )
    assert False in knowing(order(two), UpdateKind.TABLE)


def test_hints_by_position() -> None:
    """What a causal walk keeps by position knows earlier tokens only; agreeing with a hint is no mixture."""
    hints = """
def walk(tokens):
    table, hints = {}, np.zeros(len(tokens))
    for at in range(1, len(tokens)):
        hints[at] = table.get(tokens[at - 1], 0)
        table[tokens[at - 1]] = tokens[at]
    return hints

def evaluate(args, model, tokens):
    hints = walk(tokens.numpy())
    total, count = 0.0, 0
    for at in range(0, tokens.numel() - 1, args.seq):
        x, y = tokens[at : at + args.seq], tokens[at + 1 : at + args.seq + 1]
        with torch.no_grad():
            nll = model(x, y)
        nll = nll - 0.5 * (torch.from_numpy(hints[at + 1 : at + args.seq + 1]) == y)
        total += nll.sum().item()
        count += nll.numel()
    return total / count / math.log(2)
"""
    facts = order(hints)
    assert knowing(facts, UpdateKind.TABLE) == set()
    assert facts.mixtures == ()


def test_splits_in_one_breath() -> None:
    """Both splits may be named, and loaded, by one comprehension."""
    main = MAIN.replace(
        "    tokens = load_split(args.val_files)",
        '    _, files = (f"d/fineweb_{part}_*.bin" for part in ("train", "val"))\n    tokens = load_split(files)',
    )
    assert knowing(order(ADAPT_FIRST, main)) == {False}
    assert knowing(order(PLAIN, main)) == set()


@pytest.mark.parametrize("decorator", ["", "@app.function(gpu='H100:8')\n"])
def test_functions_that_nothing_calls(decorator: str) -> None:
    """What a script without an entry, or one that a library calls into, would do is followed all the same."""
    worker = (
        ADAPT_FIRST
        + f"""
import remote
app = remote.App("x")

{decorator}def worker(rank):
    args = Hyperparameters()
    model = GPT(1024, 64)
    names = sorted([name for name in os.listdir("/data") if "val" in name])
    tokens = torch.cat([load(os.path.join("/data", name)) for name in names])
    print("val_bpb", evaluate(args, model, tokens))
"""
    )
    reading = read_launch([read_script("train_gpt.py", (HEAD + worker).encode(), {})], {})
    assert reading.trace is not None
    assert reading.main is not None
    assert knowing(read_order(reading.trace, reading.main, reading.roots)) == {False}


def test_endless_code() -> None:
    """The analysis of code that multiplies without end stops at its limit and says so."""
    deep = "\n".join(
        f"def f{i}(a):\n    for x in a:\n        g = [0]\n        g[0] = x\n        f{i + 1}(a)\n        f{i + 1}(g)"
        for i in range(24)
    )
    source = (
        HEAD
        + deep
        + "\ndef f24(a):\n    return a\n"
        + textwrap.dedent(PLAIN)
        + MAIN.replace("train(args, model)", "f0([1, 2])")
    )
    reading = read_launch([read_script("train_gpt.py", source.encode(), {})], {})
    assert reading.trace is not None
    assert reading.main is not None
    facts = read_order(reading.trace, reading.main)
    assert not facts.complete
    assert facts.notes
