"""An import that failed: whose fault it is, and what mends it."""

from __future__ import annotations

import sys
from collections.abc import Collection
from dataclasses import dataclass

from harness.model.cpu_run import Fault

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


def _plain(name: str) -> str:
    return name.lower().replace("-", "_")
