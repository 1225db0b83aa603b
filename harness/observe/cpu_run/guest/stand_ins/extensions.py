"""C++ and CUDA extensions of submissions.

C++ for the CPU is compiled for real. CUDA is refused with its place, unless the source says by its structure what it
computes: a CUTLASS GEMM whose epilogue multiplies the product with a third matrix.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor
from torch.utils import cpp_extension

from harness.observe.cpu_run.guest.fidelity import NotSupported, StandIn, stand_in, used

GEMM_TIMES = "CUTLASS: GEMM times a matrix"
CUDA_SOURCE = "CUDA source"

stand_in(StandIn(GEMM_TIMES, exact=True, reason="the product is summed in float32 and multiplied by torch"))
stand_in(
    StandIn(CUDA_SOURCE, exact=False, reason="CUDA sources are not compiled; what the script did instead was seen")
)

_CUDA_SUFFIXES = (".cu", ".cuh")
_EXTENSION_BYTES = 1 << 20
"""Longer sources are not read: those of submissions have some kilobytes."""

_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
_LIBRARY = re.compile(r"\bTORCH_LIBRARY(?:_FRAGMENT)?\s*\(\s*(\w+)\s*,\s*(\w+)\s*\)\s*\{(.*?)\n?\}", re.DOTALL)
_DEFINED = re.compile(r"\.\s*def\s*\(\s*\"([^\"]+)\"")
_ALIAS = re.compile(r"\busing\s+(\w+)\s*=\s*(?:typename\s+)?([^;]+);")
_THREE_MATRICES = re.compile(r"\w+\(Tensor \w+, Tensor \w+, Tensor \w+\) -> Tensor")
_EXTENSION_NAME = re.compile(r"Extension\(\s*(?:name\s*=\s*)?[\"']([\w.]+)[\"']")
_SHAPE_CHECK = re.compile(r"(\w+)\s*\.\s*size\(\s*0\s*\)\s*==\s*K\b")


@dataclass(frozen=True)
class Operator:
    """An operator of torch that an extension registers, and what it computes."""

    namespace: str
    schema: str
    function: Callable[..., Tensor]

    def register(self) -> None:
        """Make it callable as `torch.ops.<namespace>.<name>`; once."""
        name = self.schema.partition("(")[0]
        if hasattr(getattr(torch.ops, self.namespace), name):
            return
        library: Any = torch.library
        registry = library.Library(self.namespace, "FRAGMENT")
        registry.define(self.schema)
        registry.impl(name, self.function, "CompositeExplicitAutograd")
        _kept.append(registry)


_kept: list[object] = []
"""Registrations end with their object."""


def gemm_times(a: Tensor, b: Tensor, factor: Tensor) -> Tensor:
    """(a b) * factor for a (M, K), b (K, N), factor (M, N): summed and multiplied in float32, rounded once."""
    used(GEMM_TIMES)
    wide = torch.promote_types(a.dtype, torch.float32)
    return (a.to(wide) @ b.to(wide) * factor.to(wide)).to(a.dtype)


def recognised(sources: Iterable[str]) -> tuple[Operator, ...]:
    """The operators of an extension's sources, if their structure says what they compute; otherwise none."""
    text = _COMMENT.sub("", "\n".join(sources))
    definitions = [
        (library.group(1), schema)
        for library in _LIBRARY.finditer(text)
        for schema in _DEFINED.findall(library.group(3))
    ]
    if len(definitions) != 1 or not _THREE_MATRICES.fullmatch(definitions[0][1]) or not _multiplies_product(text):
        return ()
    return (Operator(*definitions[0], gemm_times),)


def _multiplies_product(text: str) -> bool:
    """Whether the only epilogue is accumulator times loaded matrix, and the source checks that b has K rows."""
    aliases = {name: re.sub(r"\s+", "", what) for name, what in _ALIAS.findall(text)}
    trees = re.findall(r"Sm90EVT<(\w+),(\w+),(\w+)>", re.sub(r"\s+", "", text))
    if len(trees) != 1 or text.count("GemmUniversalAdapter<") != 1:
        return False
    operation, left, right = (aliases.get(name, name) for name in trees[0])
    return (
        operation.startswith("Sm90Compute<cutlass::multiplies,")
        and left == "Sm90AccFetch"
        and right.startswith("Sm90AuxLoad<")
        and _SHAPE_CHECK.search(text) is not None
    )


def provide_built(root: Path) -> tuple[str, ...]:
    """Stand in for extensions that lie in a submission's folder and were built before it was launched.

    Registers their operators and gives the names of their modules, which can be imported then and are empty.
    """
    found: list[str] = []
    for setup in sorted(root.rglob("setup.py")):
        sources = [path for path in sorted(setup.parent.rglob("*")) if path.suffix in (*_CUDA_SUFFIXES, ".cpp", ".cc")]
        operators = recognised(_read(path) for path in sources)
        names = _EXTENSION_NAME.findall(_read(setup)) if operators else []
        for operator in operators:
            operator.register()
        for name in names:
            sys.modules.setdefault(name, ModuleType(name))
        found += names
    return tuple(found)


def _read(path: Path) -> str:
    return path.read_bytes()[:_EXTENSION_BYTES].decode(errors="replace") if path.is_file() else ""


_load: Callable[..., Any] = cpp_extension.load
_load_inline: Callable[..., Any] = cpp_extension.load_inline


def load(name: str, sources: str | Sequence[str], *args: Any, **options: Any) -> Any:
    """`torch.utils.cpp_extension.load`: C++ for real, CUDA if it is recognised. Raises NotSupported."""
    paths = [sources] if isinstance(sources, str) else list(sources)
    cuda = [path for path in paths if Path(path).suffix in _CUDA_SUFFIXES]
    if not cuda and not options.get("with_cuda"):
        return _load(name, sources, *args, **options)
    return _recognised_module(name, [_read(Path(path)) for path in paths], ", ".join(cuda) or name)


def load_inline(name: str, cpp_sources: Any, cuda_sources: Any = None, *args: Any, **options: Any) -> Any:
    """`torch.utils.cpp_extension.load_inline`: C++ for real, CUDA if it is recognised. Raises NotSupported."""
    if not cuda_sources and not options.get("with_cuda"):
        return _load_inline(name, cpp_sources, cuda_sources, *args, **options)
    return _recognised_module(name, [*_listed(cpp_sources), *_listed(cuda_sources)], f"cuda_sources of {name}")


def _listed(sources: Any) -> list[str]:
    return [sources] if isinstance(sources, str) else list(sources or ())


def _recognised_module(name: str, texts: Sequence[str], place: str) -> ModuleType:
    operators = recognised(texts)
    if not operators:
        used(CUDA_SOURCE)
        raise NotSupported(
            f"CUDA extension ({place})", "CUDA cannot be compiled or run here, and what it computes is not known"
        )
    for operator in operators:
        operator.register()
    return ModuleType(name)


def install() -> None:
    """Take the place of torch's functions that build extensions. Idempotent."""
    cpp_extension.load = load
    cpp_extension.load_inline = load_inline
