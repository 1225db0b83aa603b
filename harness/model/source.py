"""Facts of source files: wrappers, grammar, imports, environment reads."""

from __future__ import annotations

from harness.model.base import Fact, Frozen, Scalar


class WrapperLayer(Frozen):
    """One unpacked wrapper: the codecs applied, outermost first, and what came out."""

    codecs: tuple[str, ...]
    """For example ("b85", "lzma-raw") or ("open",) for a file that executes another file of the folder."""
    line: int
    bytes_in: int
    bytes_out: int
    sha256: str
    target: str | None = None
    """The file of the submission that is executed, where the wrapper is `exec(open(...))`, `runpy` or an import; or the
    data file that holds the payload."""


class ImportFact(Frozen):
    """One imported module. `guarded`: inside a `try`; `local` names the file of the folder that satisfies it."""

    module: str
    line: int
    layer: int = 0
    guarded: bool = False
    lazy: bool = False
    """Inside a function: reached only when it is called."""
    local: str | None = None
    group: str = "third_party"
    """`stdlib`, `third_party`, `local` or `missing` (a relative or sibling module that the folder lacks)."""


class EnvRead(Frozen):
    """One environment variable read by the source, with its default folded to a constant where possible."""

    name: str
    default: Scalar = None
    has_default: bool = False
    cast: str | None = None
    """`int`, `float`, `bool`, `str` where the value goes straight through such a call."""
    line: int
    layer: int = 0


class ScriptFacts(Frozen):
    """One source file, unpacked as far as its wrappers could be decoded without running it."""

    path: str
    sha256: str
    bytes: int
    lines: int
    language: str = "python"
    grammar: str | None = None
    """Lowest grammar that parses the innermost text: `3.11`, `3.12`; None when it does not parse."""
    error: Fact[str] | None = None
    """Why it does not parse, at the line."""
    layers: tuple[WrapperLayer, ...] = ()
    opaque: Fact[str] | None = None
    """A wrapper that could not be decoded statically, and why."""
    embedded: tuple[WrapperLayer, ...] = ()
    """Further code that is carried as text or data and executed beside the program: bundled modules, patches."""
    decoded_bytes: int
    decoded_sha256: str
    packed_bytes: int | None = None
    """What the file as submitted would weigh in a plain wrapper (zlib and base 85): an estimate from above."""
    imports: tuple[ImportFact, ...] = ()
    env: tuple[EnvRead, ...] = ()
    settings_class: Fact[str] | None = None
    functions: int = 0
    classes: int = 0
    runnable: bool = False
    """Has top-level work: a main guard, a call, a loop; or a modal / click entry."""
    frameworks: tuple[str, ...] = ()
    """Of torch, mlx, jax, tensorflow, modal, those that it imports."""
    omitted: int = 0
    """Imports and environment reads beyond the limits on their number."""
