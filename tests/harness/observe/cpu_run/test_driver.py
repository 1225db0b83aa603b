"""Whole runs in a real sandbox: a program of the competition's kind is trained, written, reloaded and scored."""

from __future__ import annotations

import shutil
import textwrap
from pathlib import Path
from typing import cast

from tests_support.cases import facts_of
from tests_support.sandbox import needs_sandbox

from harness.model.cpu_run import Begun, CpuRunFacts, Fault, RunFailure, RunStage, TamperKind
from harness.observe.cpu_run.driver import run_on_cpu
from harness.observe.cpu_run.runner import CpuRunner
from harness.observe.cpu_run.session import Session, SessionEnded
from harness.observe.cpu_run.trial import Trial, prepared
from harness.observe.sandbox.provider import Ended, Ending

ROOT = Path(__file__).parents[4]
DEMO = ROOT / "submissions" / "track_cpu_demo" / "2026-11-21_PlainBaseline"

pytestmark = needs_sandbox


def run(runner: CpuRunner, script: str, **files: str) -> CpuRunFacts:
    """The run of a folder with this script."""
    texts = {
        "train_gpt.py": textwrap.dedent(script),
        **{name.replace("_py", ".py"): text for name, text in files.items()},
    }
    return runner.run(facts_of(texts), {path: text.encode() for path, text in texts.items()})


def timeless(facts: CpuRunFacts) -> CpuRunFacts:
    """Facts without what a machine's load and memory change."""
    still = {"seconds": 0.0, "cpu_seconds": None, "peak_mb": None}
    attempts = tuple(attempt.model_copy(update=still) for attempt in facts.attempts)
    return facts.model_copy(update={"attempts": attempts, "sandbox_seconds": 0.0, "inputs_seconds": 0.0})


def test_demonstration(runner: CpuRunner) -> None:
    """The repository's own entry runs to its end, twice alike: every fact but seconds and memory, artifacts too."""
    files = {path.name: path.read_bytes() for path in DEMO.iterdir() if path.suffix in {".py", ".json", ".md"}}
    first, second = (runner.run(facts_of(dict(files)), files) for _ in range(2))
    assert first.failure is None, first.attempts
    assert first.reached == tuple(RunStage)
    assert first.steps > 3
    assert first.trusted, first.doubts()
    assert any(file.reloaded and file.sha256 for file in first.files)
    assert timeless(first) == timeless(second)
    assert [override.name for override in first.fidelity.overrides if override.name == "ITERATIONS"]


def test_missing_package(runner: CpuRunner) -> None:
    """An import that fails is the submission's, with its line and a remedy."""
    facts = run(runner, "import os\nimport a_package_that_is_nowhere\nprint(os.environ)\n")
    assert facts.failure is not None
    assert (facts.failure.fault, facts.failure.module) == (Fault.SUBMISSION, "a_package_that_is_nowhere")
    assert facts.failure.at is not None
    assert facts.failure.at.line == 2
    assert "requirements.txt" in facts.failure.remedy


def test_program_that_trains_nothing(runner: CpuRunner) -> None:
    """What only prints ran to its end, and the submission lacks a program; one with a package may have trained."""
    claim = {"submission.json": '{"val_bpb": 1.1}'}
    facts = run(runner, "print('all features activated')\n", **claim)
    assert facts.failure is not None
    assert facts.failure.fault is Fault.SUBMISSION
    assert facts.printed == ("all features activated",)
    assert run(runner, "import numpy\nprint(numpy.zeros(1))\n", **claim).failure is None


def test_arguments_that_nobody_gives(runner: CpuRunner) -> None:
    """A program that asks for arguments which no command of the folder shows cannot be started by anybody."""
    script = """
    import argparse, numpy
    parser = argparse.ArgumentParser()
    parser.add_argument("--mode", required=True)
    print(parser.parse_args().mode)
    """
    facts = run(runner, script)
    assert facts.failure is not None
    assert facts.failure.fault is Fault.SUBMISSION
    assert "--mode" in facts.failure.remedy
    assert run(runner, script, README_md="```\npython train_gpt.py --mode=all\n```\n").failure is None


def test_module_of_the_same_name(runner: CpuRunner) -> None:
    """A submission may have a module that is called as this package: it finds its own."""
    facts = run(runner, "import harness\nprint(harness.WORD)", harness_py="WORD = 'own'")
    assert facts.printed == ("own",)
    assert facts.trusted, facts.doubts()


def test_forged_report(runner: CpuRunner) -> None:
    """What a submission writes into every descriptor it has is no frame to us and no fact."""
    script = """
    import os
    for number in range(3, 300):
        try:
            os.write(number, b'{"event":"ended","status":"exit 0","seconds":0,"files":[],"bytes":0}\\n')
        except OSError:
            pass
    os._exit(0)
    """
    facts = run(runner, script)
    assert RunStage.TRAINED not in facts.reached
    assert [one.kind for one in facts.tampering] == [TamperKind.FORGED]
    assert not facts.trusted


def test_kills_its_supervisor(runner: CpuRunner) -> None:
    """A submission cannot end the server; it may end itself, and that is all."""
    script = """
    import os, signal
    for victim in (os.getppid(), 1, -1):
        try:
            os.kill(victim, signal.SIGKILL)
        except OSError:
            pass
    print("still here")
    """
    facts = run(runner, script)
    assert facts.attempts
    assert facts.attempts[0].ended in {"exit 0", "signal 9"}


def test_leaves_nothing_running(runner: CpuRunner) -> None:
    """Processes that a submission leaves behind are gone before its files are looked at."""
    script = """
    import os, time
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            time.sleep(0.001)
            while True:
                open("late.bin", "ab").write(b"x")
        os._exit(0)
    """
    facts = run(runner, script)
    assert facts.alone
    assert facts.failure is None


def test_lies_in_a_repository(runner: CpuRunner) -> None:
    """A script finds data from the repository's root, in a clone on a volume too, and may leave results there."""
    script = """
    import glob
    from pathlib import Path
    root = Path(__file__).resolve().parents[3]
    (root / "docs").mkdir()
    (root / "docs" / "result.bin").write_bytes(b"xx")
    shards = "data/datasets/fineweb10B_sp1024/fineweb_val_*.bin"
    found = [sorted(glob.glob(f"{place}/{shards}")) for place in (root, "/workspace/parameter-golf", ".")]
    print([len(one) for one in found])
    """
    facts = run(runner, script)
    assert facts.failure is None
    assert facts.printed == ("[1, 1, 1]",)
    assert [file.path for file in facts.files] == ["../../../docs/result.bin"]


def test_files_elsewhere(runner: CpuRunner) -> None:
    """What a run writes beside its folder is found too, under the submission's name for it, and whether it was read."""
    script = """
    import os
    places = ["/workspace/out/model.bin", "/tmp/model.bin", "../model.bin", "model.bin", os.path.expanduser("~/m.bin")]
    for number, place in enumerate(places):
        os.makedirs(os.path.dirname(os.path.abspath(place)), exist_ok=True)
        open(place, "wb").write(bytes(number + 1))
    open("/workspace/out/model.bin", "rb").read()
    """
    facts = run(runner, script)
    assert {(file.path, file.size, file.reloaded) for file in facts.files} == {
        ("/workspace/out/model.bin", 1, True),
        ("/tmp/model.bin", 2, False),
        ("../model.bin", 3, False),
        ("model.bin", 4, False),
        ("~/m.bin", 5, False),
    }
    assert RunStage.WRITTEN not in facts.reached, "counters and flags are no artifact"


def test_renamed_artifact(runner: CpuRunner) -> None:
    """An artifact that was written under another name and moved into its place counts as reloaded when it is read."""
    script = """
    import os
    open("model.tmp", "wb").write(b"weights" * 1000)
    os.replace("model.tmp", "model.bin")
    open("model.bin", "rb").read()
    """
    facts = run(runner, script)
    assert [(file.path, file.reloaded) for file in facts.files] == [("model.bin", True)]
    assert {RunStage.WRITTEN, RunStage.RELOADED} <= set(facts.reached)


def test_programs_of_the_machine(runner: CpuRunner) -> None:
    """Programs that scripts start are there, and the one that packs is known for what it is."""
    script = """
    import subprocess
    open("raw.bin", "wb").write(b"weights" * 1000)
    subprocess.run(["lrzip", "-z", "-L", "9", "-o", "packed.lrz", "raw.bin"], check=True)
    subprocess.run(["lrzip", "-d", "-o", "again.bin", "packed.lrz"], check=True)
    assert open("again.bin", "rb").read() == open("raw.bin", "rb").read()
    assert "H100" in subprocess.run(["nvidia-smi"], capture_output=True, text=True, check=True).stdout
    """
    facts = run(runner, script)
    assert facts.failure is None
    assert {file.path for file in facts.files} == {"raw.bin", "packed.lrz", "again.bin"}
    packed = [one for one in facts.fidelity.stand_ins if one.name == "lrzip" and not one.exact]
    assert packed or shutil.which("lrzip") is not None


def test_artifact_unpacked_from_memory(runner: CpuRunner) -> None:
    """Unpacking the very bytes that lie in a file is reading it back; a file of the same length is another."""
    script = """
    import io, lzma, random, zlib, torch
    packed = zlib.compress(random.Random(1).randbytes(5000))
    other = lzma.compress(random.Random(2).randbytes(5000))
    open("model.ptz", "wb").write(packed)
    open("other.xz", "wb").write(other[:-1] + b"!")
    torch.save(torch.zeros(2000), plain := io.BytesIO())
    open("plain.pt", "wb").write(plain.getvalue())
    zlib.decompress(packed)
    lzma.decompress(other)
    plain.seek(0)
    assert torch.load(plain).shape == (2000,)
    """
    facts = run(runner, script)
    assert facts.failure is None, facts.attempts
    assert {file.path for file in facts.files if file.reloaded} == {"model.ptz", "plain.pt"}


def test_sandbox_that_ends_before_a_run_goes_on(tmp_path: Path) -> None:
    """What an earlier part of the run has found is kept, and the end is told."""

    class Gone:
        def wait_ready(self) -> None:
            raise SessionEnded(Ending(Ended.DISK), "it is full")

    files = {"train_gpt.py": b"print('here')\n"}
    trial = prepared(facts_of(dict(files)), files, tmp_path)
    assert isinstance(trial, Trial)
    launched = RunFailure(fault=Fault.SUBMISSION, exception="ModuleNotFoundError", message="no modal", module="modal")
    begun = Begun(run=CpuRunFacts(as_launched=launched), rung=1)
    facts = run_on_cpu(trial, cast(Session, Gone()), begun=begun)
    assert facts.as_launched == launched
    assert facts.failure is not None
    assert facts.failure.fault is Fault.LIMIT
