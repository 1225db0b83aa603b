"""Whose fault an import is that finds nothing, and the remedy."""

from __future__ import annotations

import pytest

from harness.model.cpu_run import Fault
from harness.observe.cpu_run.home import HOME, REPOSITORY, SUBMISSION
from harness.observe.cpu_run.missing import lacking_program, lacking_weights, missing_package, place_of_a_machine
from harness.observe.cpu_run.report import Raised


@pytest.mark.parametrize(
    ("name", "declared", "fault"),
    [
        ("modal", (), Fault.SUBMISSION),
        ("mamba_ssm.modules.mamba3", (), Fault.SUBMISSION),
        ("mamba_ssm", ("mamba-ssm",), Fault.MACHINE),
        ("brotli", (), Fault.MACHINE),
        ("tiktoken", (), Fault.MACHINE),
    ],
)
def test_whose_fault_a_missing_package_is(name: str, declared: tuple[str, ...], fault: Fault) -> None:
    """A package outside the competition's environment is the submission's to ship or to declare."""
    remedy = missing_package(name, declared)
    assert remedy is not None
    assert (remedy.package, remedy.fault) == (name.partition(".")[0], fault)
    assert remedy.package in remedy.sentence


def test_the_standard_library_needs_another_explanation() -> None:
    """A module of the standard library has no remedy here."""
    assert missing_package("lzma") is None


@pytest.mark.parametrize(
    ("message", "text", "place"),
    [
        (
            "[Errno 2] No such file or directory: '/workspace/logs/a8.txt'",
            'open("/workspace/logs/" + x)',
            "/workspace/logs",
        ),
        ("Parent directory /Users/me/out/final does not exist.", 'OUT = "/Users/me/out"', "/Users/me/out"),
        ("[Errno 2] No such file or directory: '/workspace/data/val_0.bin'", 'D = "/workspace/data"', None),
        ("[Errno 2] No such file or directory: '/workspace/logs/a8.txt'", 'os.environ["LOGS"]', None),
        ("[Errno 2] No such file or directory: 'logs/a8.txt'", 'open("logs/a8.txt")', None),
        ("[Errno 2] No such file or directory: '/workspace/a8.txt'", 'open("/workspace/a8.txt")', None),
    ],
)
def test_places_of_one_machine(message: str, text: str, place: str | None) -> None:
    """A folder that the program writes out and no other machine has; data, and what the run chose, are not meant."""
    raised = Raised(exception="FileNotFoundError" if "Errno" in message else "RuntimeError", message=message)
    assert place_of_a_machine(raised, {"train_gpt.py": text.encode()}) == place


@pytest.mark.parametrize(
    ("message", "files", "name"),
    [
        ("[Errno 2] No such file or directory: 'out/best_ema.pt'", {"e.py": b'load("out/best_ema.pt")'}, "best_ema.pt"),
        ("EXPORT_ONLY_CHECKPOINT not found: final.pt", {"e.py": b'"final.pt"', "README.md": b"final.pt"}, "final.pt"),
        ("[Errno 2] No such file or directory: 'm.pt'", {"e.py": b'"m.pt"', "train.py": b'save("m.pt")'}, None),
        ("[Errno 2] No such file or directory: 'm.pt'", {"e.py": b'load("m.pt") or save("m.pt")'}, None),
        ("[Errno 2] No such file or directory: 'm.pt'", {"e.py": b'"m.pt"', "out/m.pt": b"0"}, None),
        ("[Errno 2] No such file or directory: 'm.pt'", {"e.py": b'load("m.pt")', "f.py": b'load("m.pt")'}, "m.pt"),
        ("[Errno 2] No such file or directory: 'm.pt'", {"e.py": b'"m.pt"', "f.py": b'"m.pt"\nl.backward()'}, None),
        ("[Errno 2] No such file or directory: 'm.pt'", {"e.py": b'"m.pt"', "f.sh": b"python t.py > m.pt"}, None),
        ("[Errno 2] No such file or directory: '/w/x_model.npz'", {"run.sh": b"INIT=/w/x_model.npz"}, "x_model.npz"),
        ("[Errno 2] No such file or directory: '/w/tokens.npz'", {"run.sh": b"DATA=/w/tokens.npz"}, None),
        ("[Errno 2] No such file or directory: 'val_0.bin'", {"e.py": b'"val_0.bin"'}, None),
    ],
)
def test_weights_that_nothing_makes(message: str, files: dict[str, bytes], name: str | None) -> None:
    """Weights that only the program that reads them names; another program of the folder may be meant to make them."""
    assert lacking_weights(Raised(exception="FileNotFoundError", message=message), files) == name


def test_program_of_another_record() -> None:
    """A script in a folder beside the submission is not its own, although it has the same name."""
    path = f"{HOME}/{REPOSITORY}/records/track_10min_16mb/another/train_gpt.py"
    raised = Raised(exception="FileNotFoundError", message=f"[Errno 2] No such file or directory: '{path}'")
    assert lacking_program(raised, ["train_gpt.py"]) == "train_gpt.py"
    own = raised.model_copy(update={"message": f"No such file or directory: '{HOME}/{SUBMISSION}/train_gpt.py'"})
    assert lacking_program(own, ["train_gpt.py"]) is None
