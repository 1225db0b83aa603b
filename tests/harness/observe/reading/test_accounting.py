"""What a score divides by, and what calibrates the artifact, read from source."""

from __future__ import annotations

import pytest

from harness.model.accounting import AccountingFacts
from harness.observe.reading.accounting import read_accounting
from harness.observe.reading.source.script import read_script


def read(text: str) -> AccountingFacts:
    """Facts of a script with this text."""
    facts = read_accounting(read_script("train_gpt.py", text.encode(), {}))
    assert facts is not None
    return facts


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("import math\nB = 2.7523\nbpb = loss / math.log(2) / B\n", 2.7523),
        ("import math\nB = 3.67\ndef f(x):\n    return (x / math.log(2)) * (1.0 / B)\n", 3.67),
        ("import math\nbpb = loss / (math.log(2) * 2.44)\n", 2.44),
        ("import numpy as np\nLN2 = np.log(2)\nbpb = loss / LN2 / 2.5\n", 2.5),
        ("import os, math\nB = float(os.environ.get('B', '2.35'))\nbpb = loss / math.log(2) / B\n", 2.35),
        ("bpb = loss / 0.6931471805599453 / 3.3\n", 3.3),
    ],
)
def test_constant(text: str, value: float) -> None:
    """A loss divided by ln 2 and a constant is found in all its spellings, whatever the names."""
    (fact,) = read(text).constants
    assert fact.value == pytest.approx(value)


@pytest.mark.parametrize(
    "text",
    [
        "import math\nbpb = loss / math.log(2) * tokens / size\n",
        "import math\nbits = loss / math.log(2)\n",
        "import math\nx = loss / math.log(2) / 8\n",
        "import math\nB = 2.4\nB = count()\nbpb = loss / math.log(2) / B\n",
        "x = loss / 2.4\n",
        "import math\nx = loss / math.log(2) / 0\n",
    ],
)
def test_no_constant(text: str) -> None:
    """Counted bytes below the line, whole numbers and plain scales are no constant bytes per token."""
    assert read(text).constants == ()


TABLE = """\
def build(sp, n):
    table = [0] * n
    space = [False] * n
    for i in range(n):
        piece = sp.id_to_piece(i)
        if piece.startswith("\u2581"):
            space[i] = True
            {strip}
        table[i] = len(piece.encode("utf-8")){plus}
    return table, space

def score(table, space, edge, target, previous):
    total = table[target]
    {mask}
    return total
"""
STRIP, MASK = "piece = piece[1:]", "total += (space[target] & ~edge[previous])"


@pytest.mark.parametrize(
    ("strip", "plus", "mask", "kept", "twice"),
    [
        (STRIP, "", MASK, False, False),
        ('piece = piece.lstrip("\u2581")', "", MASK, False, False),
        (STRIP, " + 1", MASK, False, True),
        (STRIP, " + 1", "pass", False, False),
        ("pass", "", MASK, True, False),
    ],
)
def test_table(strip: str, plus: str, mask: str, kept: bool, twice: bool) -> None:
    """A mark that stays in the text, and a space that table and mask both add, are told from an honest table."""
    (table,) = read(TABLE.format(strip=strip, plus=plus, mask=mask)).tables
    assert table.mark_kept is kept
    assert (table.space_in_table is not None and table.space_at_evaluation is not None) is twice


COLLECTOR = """\
import os, torch

class Settings:
    folder = os.environ.get("DATA", "./data")
    one = os.path.join(folder, "fineweb_train_*.bin")
    two = os.path.join(folder, "fineweb_val_*.bin")

class Loader:
    def __init__(self, pattern):
        self.files = pattern

def write(model):
    return torch.multinomial(model(), 1)

def gather(model, source, settings):
    sums = {{}}
    def hook(module, inputs, output):
        x = inputs[0]
        sums[module] += x.T @ x
    for part in model.modules():
        part.register_forward_hook(hook)
    return sums

def main():
    s = Settings()
    model = torch.nn.Linear(2, 2)
    source = {source}
    return gather(model, source, s)
"""


@pytest.mark.parametrize(
    ("source", "data"),
    [
        ("Loader(s.one)", ("train",)),
        ("Loader(s.two)", ("validation",)),
        ("write(model)", ("generated",)),
        ("other()", ()),
    ],
)
def test_calibration(source: str, data: tuple[str, ...]) -> None:
    """The data of a calibration is told by its arguments; settings that name every file tell nothing."""
    (call,) = read(COLLECTOR.format(source=source)).calibrations
    assert call.data == data


def test_hooks_alone() -> None:
    """Hooks that sum no products, products without hooks, and a program that also trains there, collect nothing."""
    text = COLLECTOR.format(source="Loader(s.one)")
    assert read(text.replace("x.T @ x", "x")).calibrations == ()
    assert read(text.replace("register_forward_hook", "add")).calibrations == ()
    assert read(text.replace("    return sums", "    loss.backward()\n    return sums")).calibrations == ()


def test_headers() -> None:
    """A whole file read as 16-bit numbers is found, unless a header is skipped somewhere."""
    assert len(read("import numpy as np\nx = np.fromfile(path, dtype=np.uint16)\n").raw_shards) == 1
    assert read("import numpy as np\nx = np.fromfile(path, dtype=np.uint16, offset=1024)\n").raw_shards == ()
    assert read("import numpy as np\nx = np.fromfile(path, dtype=np.uint16)[512:]\n").raw_shards == ()
    assert read("import numpy as np\nx = np.fromfile(path, dtype=np.float32)\n").raw_shards == ()


RANDOM = """\
import torch

def draw(data):
    i = torch.randint(len(data), (1,))
    return data[i : i + 8]

def run(model, data):
    total = 0
    with torch.{context}():
        for _ in range(20):
            total += model(draw(data)).item()
    return total
"""


def test_random_batches() -> None:
    """A sum over drawn batches without gradients is found; the same loop that trains is not."""
    (fact,) = read(RANDOM.format(context="no_grad")).random_batches
    assert fact.value == "draw"
    assert read(RANDOM.format(context="enable_grad")).random_batches == ()


OVERLAP = """\
def score(model, tokens, size):
    total = count = 0
    for i in range(0, len(tokens) - size, {step}):
        piece = tokens[i : i + size + 1]
        loss = model(piece)
        total += loss.item() * {weight}
    return total
"""


@pytest.mark.parametrize(
    ("step", "weight", "found"),
    [("size // 2", "(len(piece) - 1)", 1), ("size", "(len(piece) - 1)", 0), ("size // 2", "(size // 2)", 0)],
)
def test_overlaps(step: str, weight: str, found: int) -> None:
    """Pieces that overlap and count by their whole length are found; disjoint ones, and the new half only, are not."""
    assert len(read(OVERLAP.format(step=step, weight=weight)).overlaps) == found


@pytest.mark.parametrize(
    "text", ["x = " + "(" * 60 + "a" + ")" * 60, "a = b\nb = a\nc = q(a, b)\n", "x = a" + " / a" * 900]
)
def test_hostile(text: str) -> None:
    """Deep, circular and long expressions end."""
    assert read(text).constants == ()
