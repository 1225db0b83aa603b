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

from harness.model.base import At, Fact, snippet
from harness.model.source import WrapperLayer
from harness.observe.reading.source.folding.statements import Executed, Folding
from harness.observe.reading.source.folding.values import Unknown, absolute, relative
from harness.observe.reading.source.folding.workspace import MAX_STEPS, Workspace
from harness.observe.reading.source.grammar import Parsed, parse
from harness.observe.reading.text import decode

MAX_LAYERS = 6
"""Wrappers inside one another."""
MAX_CODECS = 32
"""Codecs named of one layer."""
MAX_EMBEDDED = 40
"""Further pieces of code, executed beside the program, that are kept."""
THIN = 4_000
"""Characters of code, long literals left out, below which a script can be nothing but a wrapper."""
TINY = 1_000
"""Characters below which a script that starts another file does nothing else, however short the other is."""
RUNNER = 8_000
"""The same for a script that sets up and then runs another file with `runpy`."""
_LITERAL = 200
"""A string literal of this length is data, not code."""

_EXECUTES = re.compile(r"exec(?:_module)?\s*\(|exec[vl]p?e?\s*\(")
_MENTIONS = re.compile(r"\b(?:exec|eval|import|builtins|subprocess|system|popen|spawn[vl])")
_WORD = re.compile(r"[\s'\"]+")


@dataclass(frozen=True)
class Layer:
    """One unpacked wrapper and the text that came out of it."""

    fact: WrapperLayer
    parsed: Parsed
    path: str
    """The file that the text runs as, for `__file__` and relative imports: the wrapper's own, or the one it starts."""

    @property
    def text(self) -> str:
        """The unpacked text."""
        return self.parsed.source


@dataclass(frozen=True)
class _Piece:
    """A layer before it is known whether it is one, and parsed."""

    fact: WrapperLayer
    text: str
    path: str


@dataclass(frozen=True)
class Unwrapped:
    """The layers of a script, outermost first; `opaque` says why the last one could not be looked through.

    `embedded` are pieces of code that are executed beside the program: bundled modules, patches.
    """

    layers: tuple[Layer, ...]
    opaque: Fact[str] | None
    outer: Parsed
    embedded: tuple[Layer, ...] = ()
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
    embedded: list[Layer] = []
    workspace = Workspace(files)
    current, place, entry = outer, absolute(path), ""
    names = None
    opaque: Fact[str] | None = None
    while opaque is None and current.tree is not None and (size := _code_size(current.source)) is not None:
        workspace.steps = MAX_STEPS if size <= RUNNER else MAX_STEPS // 12
        folding = Folding(workspace, place, names)
        folding.run(current.tree, entry)
        if folding.executed and size > THIN:
            size = _without_literals(current)
        chosen, others, opaque = _choose(folding, current, size, layer=len(layers))
        embedded += others[: MAX_EMBEDDED - len(embedded)]
        if chosen is None:
            break
        event, layer = chosen
        if any(layer.text == earlier.text for earlier in layers) or layer.text == outer.source:
            break  # it starts itself again
        if len(layers) == MAX_LAYERS:
            opaque = _fact(
                f"more than {MAX_LAYERS} wrappers are nested in one another", path, event.line, len(layers), current
            )
            break
        layers.append(layer)
        if opaque is not None:
            break
        current, place, entry, names = layer.parsed, absolute(layer.path), event.entry, event.names
    if opaque is not None:
        opaque = opaque.model_copy(update={"at": opaque.at.model_copy(update={"path": path})})
    written = {relative(name): data for name, data in workspace.written.items() if isinstance(data, bytes)}
    return Unwrapped(tuple(layers), opaque, outer, tuple(embedded), written, tuple(workspace.search))


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
    for node in ast.walk(parsed.tree) if parsed.tree is not None else ():
        if isinstance(node, ast.Constant) and isinstance(node.value, (str, bytes)) and len(node.value) >= _LITERAL:
            same_line = node.end_lineno == node.lineno
            size -= (node.end_col_offset or 0) - node.col_offset if same_line else len(node.value)
    return max(size, 1)


def _choose(
    folding: Folding, current: Parsed, size: int, layer: int
) -> tuple[tuple[Executed, Layer] | None, list[Layer], Fact[str] | None]:
    """Return what is the program among the things that a script executes, the others, and why none could be read."""
    found: list[tuple[Executed, _Piece]] = []
    beside: list[_Piece] = []
    failure: tuple[Executed, str] | None = None
    for event in folding.executed:
        made = _piece(folding, event)
        if isinstance(made, Unknown):
            alone = event.kind != "call" or len(folding.local_calls) == 1
            if event.main and alone and (size <= THIN or made.decoding):
                failure = (event, made.reason)
        elif _is_program(event, made, size, folding):
            found.append((event, made))
        elif event.kind == "exec":
            beside.append(made)
    if not found:
        if failure is None and folding.stopped and size <= THIN and _executes(current.source):
            failure = (Executed("exec", 1), folding.stopped)
        reason = failure and _fact(failure[1], folding.path, failure[0].line, layer, current)
        return None, [_layer(piece) for piece in beside[:MAX_EMBEDDED]], reason or None
    strength = {"exec": 3, "run": 3, "call": 2, "import": 1}
    best = max(strength[event.kind] + (2 if event.main else 0) for event, _ in found)
    top = [(event, made) for event, made in found if strength[event.kind] + (2 if event.main else 0) == best]
    decoded = [pair for pair in top if pair[1].fact.codecs and pair[0].kind == "exec"]
    chosen = max(decoded, key=lambda pair: len(pair[1].text)) if decoded else top[-1]
    hidden = failure if failure and failure[0].kind == "exec" else None
    opaque = _fact(hidden[1], folding.path, hidden[0].line, layer, current) if hidden else None
    beside += [made for event, made in found if made is not chosen[1] and event.kind == "exec"]
    return (chosen[0], _layer(chosen[1])), [_layer(piece) for piece in beside[:MAX_EMBEDDED]], opaque


def _is_program(event: Executed, made: _Piece, size: int, folding: Folding) -> bool:
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
        return event.main and not folding.local_uses and not any(other.kind != "import" for other in folding.executed)
    return True


def _layer(piece: _Piece) -> Layer:
    return Layer(piece.fact, parse(piece.text), piece.path)


def _piece(folding: Folding, event: Executed) -> _Piece | Unknown:
    """Return the text of something executed, or why it cannot be had."""
    workspace = folding.workspace
    data = event.data
    if isinstance(data, Unknown):
        return data
    path = relative(folding.path)
    codecs: tuple[str, ...] = ()
    target: str | None = None
    if event.kind != "exec":
        if event.path is None:
            return Unknown(f"it runs {event.how}.{event.entry}(), and the folder has no such module")
        path = relative(absolute(event.path))
        data = workspace.read(event.path)
        if data is None:
            return Unknown(f"it runs {path}, which is not in the submission's folder")
        if isinstance(data, Unknown):
            return data
        codecs = ("import",) if event.kind in {"call", "import"} else (event.how,)
    trail = workspace.trail(data)
    if trail is not None:
        codecs, target = (*trail.codecs, *codecs), trail.target
        if event.kind == "exec" and target is not None and not trail.codecs:
            codecs = ("open",)
    raw = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data
    fact = WrapperLayer(
        codecs=codecs[:MAX_CODECS],
        line=event.line,
        bytes_in=trail.bytes_in if trail else len(raw),
        bytes_out=len(raw),
        sha256=hashlib.sha256(raw).hexdigest(),
        target=target,
    )
    text = data if isinstance(data, str) else decode(data).text
    if event.kind == "exec" and target is not None and target.endswith(".py"):
        path = relative(folding.path)  # exec keeps `__file__`
    return _Piece(fact, text, path)


def _fact(reason: str, path: str, line: int, layer: int, parsed: Parsed) -> Fact[str]:
    lines = parsed.source.split("\n", line)
    text = lines[line - 1] if len(lines) >= line else ""
    return Fact[str](value=snippet(reason), at=At(path=relative(path), line=line, layer=layer), text=snippet(text))
