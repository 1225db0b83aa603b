"""How many bytes of text a token stands for: what makes scores of different tokenizers comparable.

A piece counts its UTF-8 bytes without a leading space; a byte token counts one; control and unknown tokens count none.
A leading space counts one unless the token before is control or unknown: at the start of a text the tokenizer puts a
space that is not there. Summed over a text, this is its length in bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

SPACE = "\u2581"
"""SentencePiece writes a space so."""


@dataclass(frozen=True)
class ByteTable:
    """By token id (vocab,)."""

    base: Tensor
    """int64: bytes without a leading space."""
    leading_space: Tensor
    """bool."""
    boundary: Tensor
    """bool: control, unknown or unused; no text."""

    def bytes_of(self, previous: Tensor, targets: Tensor) -> Tensor:
        """Bytes of each target, given the token before it: int64, in the shape of both."""
        return self.base[targets] + (self.leading_space[targets] & ~self.boundary[previous]).long()

    def to(self, device: torch.device) -> ByteTable:
        """The table on a device."""
        return ByteTable(self.base.to(device), self.leading_space.to(device), self.boundary.to(device))


def byte_table(tokenizer: Any, vocab_size: int) -> ByteTable:
    """The table of a SentencePiece processor.

    Raises ValueError where the tokenizer has another number of pieces, or no piece for a lone space, without which
    spaces would be counted twice.
    """
    if tokenizer.vocab_size() != vocab_size:
        raise ValueError(f"VOCAB_SIZE is {vocab_size}, but the tokenizer has {tokenizer.vocab_size()} pieces")
    if tokenizer.is_unknown(tokenizer.piece_to_id(SPACE)):
        raise ValueError("the tokenizer has no piece for a lone space: its bytes cannot be counted")
    base = torch.zeros(vocab_size, dtype=torch.int64)
    leading_space = torch.zeros(vocab_size, dtype=torch.bool)
    boundary = torch.zeros(vocab_size, dtype=torch.bool)
    for token in range(vocab_size):
        if tokenizer.is_control(token) or tokenizer.is_unknown(token) or tokenizer.is_unused(token):
            boundary[token] = True
        elif tokenizer.is_byte(token):
            base[token] = 1
        else:
            piece: str = tokenizer.id_to_piece(token)
            leading_space[token] = piece.startswith(SPACE)
            base[token] = len(piece.removeprefix(SPACE).replace(SPACE, " ").encode())
    return ByteTable(base, leading_space, boundary)
