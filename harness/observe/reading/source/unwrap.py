"""Wrappers unpacked: the program that a script decodes, opens or imports, and then executes.

Nothing is executed here. `folding` follows the script over constants; what it would execute becomes a layer when it is
the program rather than a part of it: when it is longer than the script around it, or decoded by a script that holds
little else.
"""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.model.base import At, Fact, snippet
from harness.model.source import WrapperLayer
from harness.observe.reading.source.folding.statements import Executed, Folding
from harness.observe.reading.source.folding.values import Trail, Unknown, absolute, relative
from harness.observe.reading.source.folding.workspace import MAX_STEPS, Exhausted, Workspace
from harness.observe.reading.source.grammar import Parsed, parse
from harness.observe.reading.text import decode

MAX_LAYERS = 6
"""Wrappers inside one another."""
MAX_EVENTS = 200
"""Executions looked at in one layer."""
MAX_EMBEDDED = 40
"""Further pieces of code, executed beside the program, that are kept."""
MAX_CODECS = 32
"""Codecs named of one layer."""
THIN = 4_000
"""Characters of code, long literals left out, below which a script can be nothing but a wrapper."""
RUNNER = 8_000
"""The same for a script that sets up and then runs another file with `runpy`."""
TINY = 1_000
"""Characters below which a script that starts another file does nothing else, however short the other is."""
_LITERAL = 200
"""A string literal of this length is data, not code."""

_EXECUTES = re.compile(r"exec(?:_module)?\s*\(|exec[vl]p?e?\s*\(")
_MENTIONS = re.compile(r"\b(?:exec|eval|import|builtins|subprocess|system|popen|spawn[vl])")
_WORD = re.compile(r"[\s'\"]+")


@dataclass(frozen=True)
class Piece:
    """Code that a script executes: facts, text, and the path that it runs as (for `__file__` and imports)."""

    fact: WrapperLayer
    text: str
    path: str


@dataclass(frozen=True)
class Layer(Piece):
    """One unpacked wrapper: the text that came out of it, parsed."""

    parsed: Parsed


@dataclass(frozen=True)
class Unwrapped:
    """The layers of a script, outermost first; `opaque` says why the last one could not be looked through.

    `embedded` are pieces of code that are executed beside the program: bundled modules, patches.
    """

    layers: tuple[Layer, ...]
    opaque: Fact[str] | None
    outer: Parsed
    embedded: tuple[Piece, ...] = ()
    written: Mapping[str, bytes] = field(default_factory=dict)
    """Files that the wrappers write before they run: by their path in the folder, or absolute if it is elsewhere."""
    search: tuple[str, ...] = ()
    """Folders that the wrappers put in front of the module path."""

    @property
    def innermost(self) -> str:
        """The program's text: that of the last layer, or of the script itself."""
        return self.parsed.source

    @property
    def parsed(self) -> Parsed:
        """The program, parsed."""
        return self.layers[-1].parsed if self.layers else self.outer


def unwrap(path: str, text: str, files: Mapping[str, bytes]) -> Unwrapped:
    """Unpack the script `path` with `text`; `files` are the other files of its folder, by relative path."""
    return unwrap_parsed(path, parse(text), files)


def unwrap_parsed(path: str, outer: Parsed, files: Mapping[str, bytes]) -> Unwrapped:
    """Unpack a script that is already parsed."""
    layers: list[Layer] = []
    embedded: list[Piece] = []
    workspace = Workspace(files)
    current, place, entry = outer, absolute(path), ""
    names: dict[str, Any] | None = None
    opaque: Fact[str] | None = None
    while opaque is None and current.tree is not None and (size := _code_size(current.source)) is not None:
        workspace.steps = MAX_STEPS if size <= RUNNER else MAX_STEPS // 12
        folding = Folding(workspace, place, names)
        folding.run(current.tree, entry)
        if folding.executed and size > THIN:
            size = _without_literals(current)
        chosen = _choose(folding, current.source, size)
        embedded += chosen.beside
        if chosen.failure is not None:
            opaque = _opaque(*chosen.failure, path, current.source, len(layers))
        program = chosen.program
        if program is None or program.text in {outer.source, *(layer.text for layer in layers)}:
            break  # nothing more, or a script that starts itself again
        if len(layers) == MAX_LAYERS:
            reason = f"more than {MAX_LAYERS} wrappers are nested in one another"
            opaque = _opaque(program.fact.line, reason, path, current.source, len(layers))
            break
        current = parse(program.text)
        layers.append(Layer(program.fact, current.source, program.path, current))
        place, entry, names = absolute(program.path), chosen.entry, chosen.names
    written = {relative(name): data for name, data in workspace.written.items() if isinstance(data, bytes)}
    kept = tuple(embedded[:MAX_EMBEDDED])
    return Unwrapped(tuple(layers), opaque, outer, kept, written, tuple(workspace.search))


def _code_size(source: str) -> int | None:
    """Length of the code without encoded data; None where the text gives no reason to look for a wrapper."""
    size = len(source)
    # Code has a blank in about eight characters, encoded data has none: only then it pays to look at every word.
    if size > THIN and source.count(" ") + source.count("\n") < THIN:
        size = sum(len(word) + 1 for word in _WORD.split(source) if len(word) < _LITERAL)
    if size <= THIN:
        return max(size, 1) if _MENTIONS.search(source) else None
    return size if _executes(source) else None


def _executes(source: str) -> bool:
    """Whether the text names a function that executes code."""
    if "runpy" in source or "load_module" in source or "eval(compile" in source:
        return True
    return "exec" in source and _EXECUTES.search(source) is not None


def _without_literals(parsed: Parsed) -> int:
    """Length of the code without string literals of `_LITERAL` characters and more."""
    size = len(parsed.source)
    for node in parsed.index.of(ast.Constant):
        if isinstance(node.value, (str, bytes)) and len(node.value) >= _LITERAL:
            same_line = node.end_lineno == node.lineno
            size -= (node.end_col_offset or 0) - node.col_offset if same_line else len(node.value)
    return max(size, 1)


@dataclass
class _Choice:
    """What a script executes: the program, other pieces of code beside it, and line and reason of what is hidden."""

    program: Piece | None = None
    beside: list[Piece] = field(default_factory=list)
    failure: tuple[int, str] | None = None
    entry: str = ""
    """The function of the program that is called, where it is imported."""
    names: dict[str, Any] = field(default_factory=dict)
    """Names that the program finds, where it runs in the script's own."""


def _choose(folding: Folding, source: str, size: int) -> _Choice:
    """Tell the program from other code among the things that a script executes."""
    found: list[tuple[Executed, Piece]] = []
    choice, unread = _Choice(), ""
    for event in folding.executed[:MAX_EVENTS]:
        made = _piece(folding, event)
        if isinstance(made, Unknown):
            alone = event.kind != "call" or len(folding.local_calls) == 1
            if event.main and alone and (size <= THIN or made.decoding):
                choice.failure, unread = (event.line, made.reason), event.kind
        elif _is_program(event, made, size, folding):
            found.append((event, made))
        elif event.kind == "exec":
            choice.beside.append(made)
    if not found:
        if choice.failure is None and folding.stopped and size <= THIN and _executes(source):
            choice.failure = (1, folding.stopped)
        return choice
    if choice.failure is not None and unread != "exec":
        choice.failure = None  # a launcher that may start other files too is no hidden code
    best = max(_rank(event) for event, _ in found)
    top = [(event, made) for event, made in found if _rank(event) == best]
    decoded = [(event, made) for event, made in top if event.kind == "exec"]
    event, program = max(decoded, key=lambda pair: len(pair[1].text)) if decoded else top[-1]
    choice.program, choice.entry, choice.names = program, event.entry, event.names
    choice.beside += [made for other, made in found if other is not event and other.kind == "exec"]
    return choice


def _rank(event: Executed) -> int:
    return {"exec": 3, "run": 3, "call": 2, "import": 1}[event.kind] + (2 if event.main else 0)


def _is_program(event: Executed, made: Piece, size: int, folding: Folding) -> bool:
    """Whether a piece of code is the program, rather than something that the script uses."""
    length = len(made.text)
    if event.kind == "exec":
        if made.fact.codecs == ("open",) and (made.fact.target or "").endswith(".py"):
            # A longer script, or one that executes a part only, is a test or a study of the other.
            return size <= THIN and 10 * made.fact.bytes_out > 9 * made.fact.bytes_in
        return length > size or (size <= THIN and bool(made.fact.codecs))
    if absolute(made.path) in folding.workspace.written:  # unpacked only to be run
        return True
    if (length <= size and size > TINY) or size > (RUNNER if event.how == "runpy" else THIN):
        return False
    if event.kind == "call":  # a script that calls several functions of a file is a program of its own
        return len(folding.local_calls) == 1
    if event.kind == "import":
        return event.main and not folding.local_uses and all(other.kind == "import" for other in folding.executed)
    return True


def _piece(folding: Folding, event: Executed) -> Piece | Unknown:
    """Return the code of something executed, or why it cannot be had."""
    try:
        if event.kind == "exec":
            return _executed_text(folding, event)
        return _executed_file(folding, event)
    except Exhausted as limit:
        return Unknown(str(limit), decoding=True)


def _executed_text(folding: Folding, event: Executed) -> Piece | Unknown:
    if isinstance(event.data, Unknown):
        return event.data
    trail = folding.workspace.trail(event.data) or Trail()
    codecs = trail.codecs or (("open",) if trail.target else ())
    return _made(folding, event, event.data, Trail(codecs, trail.bytes_in, trail.target), relative(folding.path))


def _executed_file(folding: Folding, event: Executed) -> Piece | Unknown:
    if event.path is None:
        return event.data or Unknown(f"it runs {event.how}.{event.entry}(), and the folder has no such module")
    path = relative(absolute(event.path))
    data = folding.workspace.read(event.path)
    if data is None:
        return Unknown(f"it runs {path}, which is not in the submission's folder")
    if isinstance(data, Unknown):
        return data
    trail = folding.workspace.trail(data) or Trail()
    codecs = (*trail.codecs, "import" if event.kind in {"call", "import"} else event.how)
    return _made(folding, event, data, Trail(codecs, trail.bytes_in, trail.target), path)


def _made(folding: Folding, event: Executed, data: str | bytes, trail: Trail, path: str) -> Piece:
    raw = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data
    folding.workspace.charge(raw)
    fact = WrapperLayer(
        codecs=trail.codecs[:MAX_CODECS],
        line=event.line,
        bytes_in=trail.bytes_in or len(raw),
        bytes_out=len(raw),
        sha256=hashlib.sha256(raw).hexdigest(),
        target=trail.target,
    )
    return Piece(fact, data if isinstance(data, str) else decode(data).text, path)


def _opaque(line: int, reason: str, path: str, source: str, layer: int) -> Fact[str]:
    lines = source.split("\n", line)
    text = lines[line - 1] if len(lines) >= line else ""
    return Fact[str](value=snippet(reason), at=At(path=path, line=line, layer=layer), text=snippet(text))
