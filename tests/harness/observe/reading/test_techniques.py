"""Structures of code, whatever the author calls them."""

from __future__ import annotations

import pytest

from harness.model.actions import Technique
from harness.observe.reading.source.script import read_script
from harness.observe.reading.techniques import techniques_of


def found(text: str) -> set[Technique]:
    """Techniques of one script."""
    return {fact.technique for fact in techniques_of([read_script("t.py", text.encode(), {})], None)}


@pytest.mark.parametrize(
    "body",
    [
        "for k, v in m.state_dict().items():\n        a[k].mul_(d).add_(v, alpha=1 - d)",
        "for k, v in m.named_parameters():\n        a[k].lerp_(v, 0.01)",
        "for k, v in m.state_dict().items():\n        a[k] += v",
        "for k, v in m.state_dict().items():\n        a[k] = torch.stack([c[k] for c in b]).mean(0)",
        "for k, v in m.state_dict().items():\n        a[k] = d * a[k] + (1 - d) * v",
    ],
)
def test_average(body: str) -> None:
    """Moving averages and averages of checkpoints."""
    assert Technique.AVERAGE in found(f"import torch\ndef q(m, a, b, d):\n    {body}\n")


def test_momentum_is_no_average() -> None:
    """What an optimizer does to its buffers is no average of weights."""
    step = "import torch\nclass Muon(torch.optim.Optimizer):\n    def step(self):\n"
    step += "        for p in self.parameters():\n            self.b.lerp_(p.grad, 0.1)\n"
    assert Technique.AVERAGE not in found(step)


@pytest.mark.parametrize(
    "text",
    [
        "def f(w, s):\n    q = (w / s).round() * s\n    return w + (q - w).detach()\n",
        "class R(torch.autograd.Function):\n    def forward(c, x):\n        return x.round()\n",
        "def snap(p, s):\n    p.data.copy_(((p / s).round() * s).to(p.dtype))\n",
        "def r(w):\n    return w.round()\ndef snap(p):\n    p.data = r(p)\n",
    ],
)
def test_fake_quantisation(text: str) -> None:
    """Straight-through rounding, and weights written over by rounded ones, in several spellings."""
    assert Technique.FAKE_QUANTISATION in found("import torch\n" + text)


def test_export_is_no_fake_quantisation() -> None:
    """Rounding for the artifact alone is none, nor is restoring saved weights."""
    restore = "def q(t):\n    return t.round()\ndef back(p, a, k):\n    p.data.copy_(a[k].to(p.dtype))\n"
    assert Technique.FAKE_QUANTISATION not in found(restore)
    assert Technique.FAKE_QUANTISATION not in found("def q(t, s):\n    return (t.detach().cpu() / s).round()\n")


def test_pack() -> None:
    """Writing and reading back are two techniques."""
    assert found("import zlib\nzlib.compress(b'')\n") == {Technique.PACK}
    assert Technique.UNPACK in found("import zlib\nzlib.decompress(zlib.compress(b''))\n")
