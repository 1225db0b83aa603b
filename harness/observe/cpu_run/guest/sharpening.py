"""Weights that foretell more sharply than a few steps of training make them.

A model that has hardly learned gives every token nearly the same, and what a program does by the confidence of its
model then hardly shows. Its matrices as they are read back, made larger by one factor, make larger logits: what a
program computes of them is a distribution or none, whatever they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from harness.observe.cpu_run.guest.files import Files


def install(files: Files, factor: float) -> None:
    """Multiply the matrices of the first module that is given weights after a file was read back."""
    load = torch.nn.Module.load_state_dict
    if factor == 1:
        return

    def load_state_dict(module: torch.nn.Module, state: Mapping[str, Any], *args: Any, **named: Any) -> Any:
        """Load weights, as they are or larger."""
        if files.read and torch.nn.Module.load_state_dict is load_state_dict:
            torch.nn.Module.load_state_dict = load  # type: ignore[method-assign]  # what is loaded next comes of these
            state = {name: factor * value if _matrix(value) else value for name, value in state.items()}
        return load(module, state, *args, **named)

    torch.nn.Module.load_state_dict = load_state_dict  # type: ignore[method-assign, assignment]  # ours


def _matrix(value: object) -> bool:
    """Embeddings and projections; gains, gates and biases stay as they are."""
    return isinstance(value, torch.Tensor) and value.is_floating_point() and value.dim() == 2
