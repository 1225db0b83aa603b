"""A module or a program that a run did not find: whose fault it is, and what mends it."""

from __future__ import annotations

import re
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from harness.model.cpu_run import Fault
from harness.observe.cpu_run.home import HOME, REPOSITORY, SUBMISSION, VOLUMES
from harness.observe.cpu_run.report import Raised

OFFICIAL = frozenset(
    {
        "numpy",
        "tqdm",
        "torch",
        "huggingface_hub",
        "kernels",
        "setuptools",
        "typing_extensions",
        "datasets",
        "tiktoken",
        "sentencepiece",
    }
)
"""Import names of requirements.txt of the competition's repository, which its machine installs."""

RUN_EXTRA = frozenset({"torch", "numpy", "sentencepiece", "zstandard", "brotli"})
"""Import names of what `golf-harness[run]` installs."""

_OTHER_MACHINES = {
    "modal": "modal starts machines elsewhere and is no part of the competition's environment: import it only in the "
    "launcher that modal itself runs, not in the script that is launched by torchrun.",
    "mlx": "MLX runs on Apple's machines only: the script cannot run on 8xH100.",
    "tensorrt_llm": "tensorrt_llm is no part of the competition's environment: guard its import.",
}

_PROGRAM = re.compile(r"((?:/[\w.-]+)*/)?([\w.-]+\.py)\b")
_NO_PLACE = re.compile(
    r"No such file or directory: '(?P<file>/[^']+)'|Parent directory (?P<folder>/\S+) does not exist"
)
_NO_WEIGHTS = re.compile(
    r"(?:^|[\s'\"/])(?P<name>[\w.-]+\.(?:pt|ptz|pth|ckpt|safetensors)|[\w.-]*(?:model|weights|checkpoint)[\w.-]*\.npz)\b"
)
_LEARNS = re.compile(rb"\bbackward\b|\bexec\(|\bimport_module\b|\bload_extension\b")
"""What a file of the folder that trains a model holds, or one that may hold more than its text shows."""
_WRITES = re.compile(rb"save|dump|write|copy|move|rename|replace|link|curl|wget|download|[\"']wb|>")
"""What a line that makes a file holds."""
_TOLD = (".md", ".txt", ".log", ".json")
"""Files that tell of a run and make nothing."""
_DATA = frozenset({".bin", ".model", ".vocab", ".json", ".jsonl", ".npy", ".npz"})
_OF_THE_MACHINE = (HOME, *VOLUMES, "/usr", "/opt", sys.prefix)
"""Folders below which a missing program says nothing of the submission, or is one of its own."""


@dataclass(frozen=True)
class Remedy:
    """What to say of a package that could not be imported."""

    package: str
    fault: Fault
    sentence: str


def missing_package(name: str, declared: Collection[str] = ()) -> Remedy | None:
    """The remedy for an import of the module `name` that found nothing.

    `declared` are the packages that the submission's requirements name. None: the module belongs to the standard
    library, so that its absence needs another explanation.
    """
    package = name.partition(".")[0]
    if package in sys.stdlib_module_names:
        return None
    if package in RUN_EXTRA:
        return Remedy(package, Fault.MACHINE, f"{package} is missing here: pip install 'golf-harness[run]'.")
    if package in _OTHER_MACHINES:
        return Remedy(package, Fault.SUBMISSION, _OTHER_MACHINES[package])
    if package in OFFICIAL or _plain(package) in {_plain(other) for other in declared}:
        sentence = f"{package} belongs to the script's environment but is not installed here."
        return Remedy(package, Fault.MACHINE, sentence)
    return Remedy(
        package,
        Fault.SUBMISSION,
        f"{package} is neither in the folder nor in the competition's environment: "
        "ship it, or name it in requirements.txt.",
    )


def lacking_program(raised: Raised, files: Collection[str]) -> str | None:
    """The Python file that a script wants and its folder does not hold; None where that is not what failed.

    A file of another submission, in a folder beside it, is not the submission's own although it has the same name.
    """
    found = _PROGRAM.search(raised.message) if raised.exception == "FileNotFoundError" else None
    if found is None:
        return None
    folder = PurePosixPath(found[1] or "/")
    beside = folder.is_relative_to(f"{HOME}/{REPOSITORY}/records") and not folder.is_relative_to(f"{HOME}/{SUBMISSION}")
    elsewhere = folder != PurePosixPath("/") and not any(map(folder.is_relative_to, _OF_THE_MACHINE))
    held = any(path.rpartition("/")[2] == found[2] for path in files)
    return found[2] if beside or elsewhere or not held else None


def place_of_a_machine(raised: Raised, files: Mapping[str, bytes]) -> str | None:
    """The folder, written out in the program, that it takes for granted and that no other machine has.

    Data and tokenizers are another matter: they are ours to provide, wherever a program looks for them.
    """
    found = _NO_PLACE.search(raised.message)
    if found is None or raised.exception not in {"FileNotFoundError", "RuntimeError"}:
        return None
    path = PurePosixPath(found["file"] or f"{found['folder']}/x")
    if path.suffix in _DATA or str(path.parent) in {"/", *VOLUMES} or path.is_relative_to(HOME):
        return None
    folder = next((one for one in path.parents if _is_written(str(one), files)), None)
    return str(folder) if folder is not None and folder != PurePosixPath("/") else None


def lacking_weights(raised: Raised, files: Mapping[str, bytes]) -> str | None:
    """The file of weights that a program reads, that its folder does not hold, and that nothing in it makes.

    Where it is named again, by this program, another one or a script of the folder, it may be meant to be made there;
    unless no program of the folder learns, runs code that its text does not show, or names it where it writes.
    """
    found = _NO_WEIGHTS.search(raised.message) if raised.exception == "FileNotFoundError" else None
    if found is None or any(path.rpartition("/")[2] == found["name"] for path in files):
        return None
    name = found["name"].encode()
    naming = [data for path, data in files.items() if not path.endswith(_TOLD) and name in data]
    if sum(data.count(name) for data in naming) <= 1:
        return found["name"]
    learns = any(_LEARNS.search(data) for path, data in files.items() if not path.endswith(_TOLD))
    writes = any(name in line and _WRITES.search(line) for data in naming for line in data.split(b"\n"))
    return None if learns or writes else found["name"]


def _is_written(folder: str, files: Mapping[str, bytes]) -> bool:
    return folder not in VOLUMES and any(folder.encode() in data for data in files.values())


def _plain(name: str) -> str:
    return name.lower().replace("-", "_")
