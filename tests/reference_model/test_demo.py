"""The demonstration: a network that two CPU cores train on real English in a minute, from weights to every score."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from reference_model.artifact.pack import loaded, model_of
from reference_model.config import Config, EvalConfig
from reference_model.data.source import Source, opened
from reference_model.evaluation.evaluate import evaluated
from reference_model.evaluation.score import Score
from reference_model.model.gpt import GPT
from reference_model.pack import pack
from reference_model.plot import chart
from reference_model.presets import TINY_CPU
from reference_model.rundir import RunDir
from reference_model.runtime import World
from reference_model.train import train

SGD = {"evaluation": "ttt_sgd", "ttt_lr": 0.05, "ttt_chunk_tokens": 1_024}
LORA = {"evaluation": "ttt_documents", "ttt_chunk_tokens": 64}


class Demo:
    """A run of `tiny_cpu`, trained and packed."""

    def __init__(self, folder: Path) -> None:
        self.run, self.screen = RunDir(folder), io.StringIO()
        self.config = self.run.begin(TINY_CPU)
        console = Console(file=self.screen, force_terminal=True, width=100)
        self.losses = train(self.config, self.run, World(), 0, console)
        self.bytes = pack(self.run)
        self.source: Source = opened(self.config, World())

    def score(self, model: GPT, **evaluation: object) -> Score:
        """Of a model, in the way that the fields name."""
        given = EvalConfig(**evaluation)  # type: ignore[arg-type]  # fields by name
        config: Config = replace(self.config, evaluation=given)
        return evaluated(model, self.source.val_tokens, self.source.table, config, World())[0]

    def packed(self, **evaluation: object) -> float:
        """Bits per byte of the artifact on disk."""
        return self.score(model_of(self.run.artifact.read_bytes(), self.config), **evaluation).val_bpb


@pytest.mark.timeout(1_200)  # it takes a minute of one core; this leaves room for a busy machine
def test_from_english_to_every_score(tmp_path: Path) -> None:
    """Under 1.9 bits per byte within 200 steps; int8 costs less than 0.01; learning from what is scored improves it.

    One test, because all of it needs the one training.
    """
    demo = Demo(tmp_path / "run")
    weights = demo.run.load("weights")
    assert weights is not None
    untrained = GPT(demo.config.model, demo.config.data.train_seq_len, demo.config.seed)
    model = loaded(GPT(demo.config.model, demo.config.data.train_seq_len), weights)
    before, trained = demo.score(untrained).val_bpb, demo.score(model).val_bpb
    assert len(demo.losses) == 200
    assert before > 3.3
    assert trained < 1.9
    shown = re.sub(r"\x1b\[[\d;?]*\w", "", demo.screen.getvalue())
    assert "training ━" in shown
    assert f"step 200: {trained:.4f} bits per byte on validation text" in shown
    plot = chart(demo.losses, "loss").split("\n")
    assert plot[1][9] == "█"
    assert plot[1][-1] == " "

    packed = demo.packed()
    assert packed == pytest.approx(trained, abs=0.01)
    assert demo.bytes < sum(p.numel() for p in model.parameters()) * 4 / 3

    sliding, learned = demo.packed(evaluation="sliding"), demo.packed(**SGD)
    assert learned < sliding - 0.01
    documents, adapted = demo.packed(evaluation="documents"), demo.packed(**LORA)
    assert adapted < documents - 0.005
