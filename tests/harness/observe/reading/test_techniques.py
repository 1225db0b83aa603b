"""Structures of code, whatever the author calls them."""

from __future__ import annotations

import pytest
from tests_support.rename import rename_identifiers

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
        "for k, v in m.state_dict().items():\n        e = a.get(k)\n        e.mul_(d).add_(v, alpha=1 - d)",
        "for k, v in m.items():\n        a[k] += (v - a[k]) / d",
        "for e, p in zip(a, m.parameters()):\n        e.data.mul_(d).add_(p.data, alpha=1 - d)",
        "for k in b[0]:\n        s = torch.stack([c[k].float() for c in b])\n        a[k] = s.mean(0).to(d)",
        "for k in b[0]:\n        s = [c[k] for c in b]\n        a[k] = sum(s) / len(s)",
        "return {k: sum(c[k] for c in b) / len(b) for k in b[0]}",
        "return torch.optim.swa_utils.AveragedModel(m)",
    ],
)
def test_average(body: str) -> None:
    """Moving averages and averages of checkpoints, also after every name was changed."""
    text = f"import torch\ndef q(m, a, b, d):\n    {body}\n"
    assert Technique.AVERAGE in found(text)
    assert Technique.AVERAGE in found(rename_identifiers(text, 3))


@pytest.mark.parametrize(
    "body",
    [
        "for k, v in m.state_dict().items():\n        a['bytes'] += v.numel()",
        "for k, v in m.state_dict().items():\n        a[k] = (v.float() * d.view(1, *([1] * (v.ndim - 1)))).half()",
        "for k, v in m.state_dict().items():\n        a[k] = a[k] + '+tail'",
        "for k, p in m.named_parameters():\n        a[k].mul_(0.9).add_(p.grad, alpha=0.1)",
        "for k, p in m.named_parameters():\n        g = p.grad\n        a[k] += g",
        "for k, p in m.named_parameters():\n        p.data.mul_(1 - d).add_(b[k], alpha=-d)",
        "for k, n in b.items():\n        a[k] += n",
        "return {k: v / d for k, v in b.items()}",
    ],
)
def test_no_average(body: str) -> None:
    """Counts, conversions, gradients and steps of training are no averages of weights."""
    assert Technique.AVERAGE not in found(f"import torch\ndef q(m, a, b, d):\n    {body}\n")


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
        "def r(w):\n    return w.to(torch.float8_e4m3fn)\ndef f(w):\n    return w + (r(w).to(w.dtype) - w).detach()\n",
        "def f(w):\n    q, s = g(w)\n    return w + (q * s - w).detach()\ndef g(w):\n    return w.round(), 1\n",
        "def f(w, t):\n    q = torch.where(w > t, torch.ones_like(w), -w)\n    return w + (q - w).detach()\n",
        "def f(w, s):\n    y = w / s\n    part = y - y.floor()\n    return (y.floor() + torch.sigmoid(part)) * s\n",
        "def f(y):\n    low = torch.floor(y).detach()\n    return low + torch.tanh(y - low)\n",
    ],
)
def test_fake_quantisation(text: str) -> None:
    """Straight-through rounding, and weights written over by rounded ones, in several spellings."""
    assert Technique.FAKE_QUANTISATION in found("import torch\n" + text)
    assert Technique.FAKE_QUANTISATION in found(rename_identifiers("import torch\n" + text, 3))


ROUNDING = "def pack(t):\n    return (t / 2).round().to(torch.int8)\n"


@pytest.mark.parametrize(
    "text",
    [
        "def init(w):\n    u, s, v = torch.linalg.svd(w.data)\n    w.data = (u * (s[0] * 0.5)[None]) @ v\n",
        "def gate(x, y):\n    return x + (y - x).detach()\n",
        "class Loss(torch.autograd.Function):\n    def forward(c, x):\n        return x.log_softmax(-1)\n",
        "def main(p, a):\n    p.data.copy_(a * 2)\n    return pack(p)\n",
        "def clock(p, t):\n    seconds = round(t, 2)\n    p.data = p * seconds\n",
        "def read(s, f):\n    s.data = load(f)\ndef load(f):\n    return np.fromfile(f, np.uint8)\n",
    ],
)
def test_no_rounding_no_fake_quantisation(text: str) -> None:
    """A rounding elsewhere in the file makes no fake quantisation of what takes no part in it."""
    assert Technique.FAKE_QUANTISATION not in found("import torch\n" + ROUNDING + text)


def test_export_is_no_fake_quantisation() -> None:
    """Rounding for the artifact alone is none, nor is restoring saved weights."""
    restore = "def q(t):\n    return t.round()\ndef back(p, a, k):\n    p.data.copy_(a[k].to(p.dtype))\n"
    assert Technique.FAKE_QUANTISATION not in found(restore)
    assert Technique.FAKE_QUANTISATION not in found("def q(t, s):\n    return (t.detach().cpu() / s).round()\n")


def test_pack() -> None:
    """Writing and reading back are two techniques."""
    assert found("import zlib\nzlib.compress(b'')\n") == {Technique.PACK}
    assert Technique.UNPACK in found("import zlib\nzlib.decompress(zlib.compress(b''))\n")
