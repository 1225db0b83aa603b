"""Fingerprints of the validation set: tokens and bytes that an honest count of all its documents gives."""

from __future__ import annotations

import datetime as dt
import tomllib
from functools import cache
from importlib import resources

from harness.model.base import Frozen


class ValidationSet(Frozen):
    """The fixed validation set: documents, and the raw UTF-8 bytes of their text."""

    documents: int
    bytes: int
    since: dt.date


class Fingerprint(Frozen):
    """One tokenizer's count of the whole set."""

    id: str
    title: str
    tokens: int
    bytes: int
    since: dt.date

    @property
    def bytes_per_token(self) -> float:
        """Raw bytes that a scored token stands for, on average."""
        return self.bytes / self.tokens


class Fingerprints(Frozen):
    """All of them."""

    validation: ValidationSet
    fingerprints: tuple[Fingerprint, ...]

    def of_tokens(self, tokens: int, within: float) -> Fingerprint | None:
        """The fingerprint whose token count is the nearest, where it differs by at most the share `within`."""
        nearest = min(self.fingerprints, key=lambda f: abs(f.tokens - tokens))
        return nearest if abs(nearest.tokens - tokens) <= within * nearest.tokens else None

    def of_ratio(self, ratio: float, within: float) -> Fingerprint | None:
        """The fingerprint whose bytes per token are the nearest, where they differ by at most the share `within`."""
        nearest = min(self.fingerprints, key=lambda f: abs(f.bytes_per_token - ratio))
        return nearest if abs(nearest.bytes_per_token - ratio) <= within * nearest.bytes_per_token else None


@cache
def load() -> Fingerprints:
    """The data shipped with the harness."""
    text = resources.files("harness.competition").joinpath("fingerprints.toml").read_text(encoding="utf-8")
    return Fingerprints.model_validate(tomllib.loads(text))
