"""The folder of a run: its configuration, its checkpoint, its weights, its log, its artifact."""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Mapping
from dataclasses import asdict, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import torch

from reference_model.config import Config
from reference_model.corpus import EMBEDDED
from reference_model.corpus.prepare import prepare


class RunError(ValueError):
    """The folder is not what the command needs; the message says what to do."""


class RunDir:
    """One folder. Files are written beside their place and moved there, so that a kill leaves the old or the new."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def artifact(self) -> Path:
        """What is scored."""
        return self.path / "final_model.bin"

    def begin(self, config: Config) -> Config:
        """Take the folder for this configuration, as `placed`; its data is prepared where it is the embedded text.

        Raises RunError where another configuration's run lies there.
        """
        kept = self.path / "config.json"
        if kept.exists() and self._kept() != config:
            raise RunError(f"{self.path} holds a run of another configuration: choose another folder, or remove it")
        placed = self.placed(config)
        if placed != config:
            self._prepare(config.model.vocab_size)
        self._write(kept, json.dumps(asdict(config), indent=2).encode())
        return placed

    def config(self) -> Config:
        """The configuration of the run, as `placed`. Raises RunError where there is none."""
        return self.placed(self._kept())

    def placed(self, config: Config) -> Config:
        """The configuration with data in this folder, where the embedded text is asked for and does not lie there."""
        name = Path(config.data.data_path).name
        if not name.startswith(EMBEDDED) or Path(config.data.data_path).exists():
            return config
        data, vocab_size = self.path / "data", config.model.vocab_size
        dataset, tokenizer = data / "datasets" / f"english_sp{vocab_size}", f"english_{vocab_size}_bpe.model"
        return replace(
            config,
            data=replace(config.data, data_path=str(dataset), tokenizer_path=str(data / "tokenizers" / tokenizer)),
        )

    def save(self, name: str, state: Mapping[str, Any]) -> None:
        """Keep tensors and numbers under a name (`checkpoint`, `weights`)."""
        self.path.mkdir(parents=True, exist_ok=True)
        beside = self.path / f".{name}.{os.getpid()}"
        torch.save(dict(state), beside)
        beside.replace(self.path / f"{name}.pt")

    def load(self, name: str) -> dict[str, Any] | None:
        """What was kept under a name, or None. Reading it runs no code. Raises RunError for a damaged file."""
        path = self.path / f"{name}.pt"
        if not path.exists():
            return None
        try:
            state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        except (RuntimeError, pickle.UnpicklingError, EOFError) as error:
            raise RunError(f"{path} is damaged: remove it, and train again") from error
        return state

    def _kept(self) -> Config:
        path = self.path / "config.json"
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise RunError(f"{self.path} holds no run: train one first (python -m reference_model.train)") from None
        except ValueError as error:
            raise RunError(f"{path} cannot be read ({error}): remove the folder") from error
        config: Config = _filled(Config(), data)
        return config

    def _prepare(self, vocab_size: int) -> None:
        """The embedded text as the data of this run, whole or not at all."""
        data, beside = self.path / "data", self.path / f".data.{os.getpid()}"
        if not data.exists():
            prepare(beside, vocab_size)
            beside.replace(data)

    def _write(self, path: Path, data: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f".{path.name}.{os.getpid()}")
        beside.write_bytes(data)
        beside.replace(path)


def _filled(section: Any, data: Mapping[str, Any]) -> Any:
    """A section with the values of its JSON. Raises RunError for a field that there is not."""
    names = {part.name for part in fields(section)}
    unknown = sorted(set(data) - names)
    if unknown:
        raise RunError(f"config.json has {', '.join(unknown)}, which this version does not know")
    values = {
        name: _filled(getattr(section, name), value) if is_dataclass(getattr(section, name)) else value
        for name, value in data.items()
    }
    return replace(section, **values)
