"""Shifts by one position beside attention that ends with each document."""

from __future__ import annotations

import pytest
from tests_support.rename import rename_identifiers

from harness.observe.reading.documents import read_documents
from harness.observe.reading.source.script import read_script

VARLEN = "from flash_attn_interface import flash_attn_varlen_func as attend\n"
HEAD = """
import torch
import torch.nn.functional as F
from torch import nn

class Block(nn.Module):
    def forward(self, q, k, v, bounds):
        return attend(q, k, v, cu_seqlens_q=bounds, cu_seqlens_k=bounds, causal=True)

class Model(nn.Module):
    def forward(self, ids, bounds):
        x = self.embed(ids)
        gate = torch.sigmoid(self.gate(x[:, 1:]))
"""
OPEN = {
    "mixed": "        x = torch.cat([x[:, :1], x[:, 1:] + gate * x[:, :-1]], dim=1)\n",
    "zeros": "        before = torch.cat([torch.zeros_like(x[:, :1]), x[:, :-1]], dim=1)\n        x = x + before\n",
    "padded": "        x = x + F.pad(x, (0, 0, 1, 0))[:, :-1]\n",
    "padded first": "        before = F.pad(x[:, :-1], (0, 0, 1, 0))\n        x = x + before\n",
    "rolled": "        x = x + torch.roll(x, 1, dims=1)\n",
    "rolled method": "        x = x + x.roll(shifts=1, dims=1)\n",
    "stored": "        out = x.clone()\n        out[:, 1:] += 0.5 * x[:, :-1]\n",
    "hashed": "        pair = torch.bitwise_xor(36313 * ids[..., 1:], 27191 * ids[..., :-1]) % 4093\n",
}
MASKED = {
    "gate": "        gate = gate * (ids[:, 1:] != 1)[..., None]\n" + OPEN["mixed"],
    "filled": "        gate = gate.masked_fill((ids[:, 1:] == 1)[..., None], 0)\n" + OPEN["mixed"],
    "later": OPEN["zeros"].replace("x + before", "x + before * (ids != 1)[..., None]"),
    "product": OPEN["mixed"].replace("x[:, :-1]]", "x[:, :-1] * ids[:, 1:].ne(1)[..., None]]"),
    "entries": "        keep = torch.ones_like(x)\n        keep[:, bounds] = 0\n        gate = gate * keep\n"
    + OPEN["mixed"],
}


def shifts(body: str, imported: str = VARLEN) -> list[bool] | None:
    """Whether each shift of a model is masked; None where attention knows no documents."""
    text = imported + HEAD + body + "        return self.block(x, x, x, bounds)\n"
    found = []
    for program in (text, rename_identifiers(text, 2)):
        facts = read_documents(read_script("train_gpt.py", program.encode(), {}), None)
        found.append(None if facts is None else [shift.masked for shift in facts.shifts])
    assert found[0] == found[1]
    return found[0]


@pytest.mark.parametrize("body", OPEN.values(), ids=OPEN)
def test_open(body: str) -> None:
    """Every spelling of a shift is seen, whatever things are called."""
    assert shifts(body) == [False]


@pytest.mark.parametrize("body", MASKED.values(), ids=MASKED)
def test_masked(body: str) -> None:
    """A comparison of tokens, a fill, or entries set by hand mask a shift, before it or after."""
    assert shifts(body) == [True]


def test_mask_of_the_caller() -> None:
    """A parameter that the shifted value is not made of may be a mask."""
    gate = "class Gate(nn.Module):\n    def forward(self, x, keep):\n"
    body = "        return x\n" + gate + OPEN["mixed"].replace("gate *", "keep *") + "        x = x + 0\n"
    assert shifts(body) == [True]


@pytest.mark.parametrize(
    "body",
    [
        "        longest = int((bounds[1:] - bounds[:-1]).max())\n",
        "        loss = F.cross_entropy(x[:, :-1], ids[:, 1:])\n",
        "        x = torch.cat([x[..., :4], x[..., 4:]], dim=-1)\n",
        "        x = torch.roll(x, 2, dims=1)\n",
    ],
)
def test_no_shift(body: str) -> None:
    """Lengths, targets, split features and other distances are no shift of a position into the next."""
    assert shifts(body) == []


def test_attention_over_everything() -> None:
    """Nothing is read where attention is not told of documents: then a shift adds nothing to what it sees."""
    assert (
        shifts(OPEN["mixed"], "def attend(q, k, v, **bounds):\n    return F.scaled_dot_product_attention(q, k, v)\n")
        is None
    )
