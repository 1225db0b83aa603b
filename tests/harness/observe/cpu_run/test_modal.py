"""Files that modal would run: what they do through it, and where they end without it, in a real sandbox."""

from __future__ import annotations

from tests_support.cases import facts_of
from tests_support.sandbox import needs_sandbox

from harness.model.cpu_run import CpuRunFacts, Fault, RunStage
from harness.observe.cpu_run.runner import CpuRunner

pytestmark = needs_sandbox

BODY = """
{guard}app = modal.App("entry")
{guard}image = modal.Image.debian_slim().pip_install(["torch"])

{guard}@app.function(gpu="H100:8", image=image, timeout=900)
{guard}def train(steps: int = 4):
{guard}    import torch
{guard}    weight = torch.nn.Parameter(torch.ones(3, device="cuda"))
{guard}    optimizer = torch.optim.AdamW([weight], lr=0.1)
{guard}    for step in range(steps):
{guard}        (weight * weight).sum().backward()
{guard}        optimizer.step()
{guard}    print("trained", steps)

{guard}@app.local_entrypoint()
{guard}def main(seed: int = 42):
{guard}    train.remote()
"""
PLAIN = '"""modal run train_gpt.py"""\nimport modal\nimport os\n' + BODY.format(guard="")
GUARDED = (
    "import os\ntry:\n    import modal\nexcept ModuleNotFoundError:\n    modal = None\n\nif modal is not None:"
    + BODY.format(guard="    ")
)


def run(runner: CpuRunner, script: str) -> CpuRunFacts:
    """The run of a folder with this script alone."""
    return runner.run(facts_of({"train_gpt.py": script}), {"train_gpt.py": script.encode()})


def test_import_at_the_top(runner: CpuRunner) -> None:
    """Through modal the file is run; without it, as torchrun starts it, it ends at the import: the submission's."""
    facts = run(runner, PLAIN)
    assert facts.as_launched is not None
    assert (facts.as_launched.fault, facts.as_launched.module) == (Fault.SUBMISSION, "modal")
    assert facts.as_launched.at is not None
    assert facts.as_launched.at.line == 2
    assert facts.failure is None
    assert RunStage.TRAINED in facts.reached
    assert len(facts.attempts) == 1


def test_guarded_import(runner: CpuRunner) -> None:
    """A guarded import ends nothing; what stands behind the guard is run through modal."""
    facts = run(runner, GUARDED)
    assert facts.as_launched is None
    assert facts.failure is None
    assert RunStage.TRAINED in facts.reached
    assert "modal" in {one.name for one in facts.fidelity.stand_ins}
