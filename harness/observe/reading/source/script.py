"""One Python file of a submission, read as far as it can be without running it."""

from __future__ import annotations

import ast
import hashlib
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.model.base import At, Fact, snippet
from harness.model.source import EnvRead, ImportFact, ScriptFacts
from harness.observe.collector import collector_held
from harness.observe.reading.source.environment import MAX_READS, read_environment
from harness.observe.reading.source.grammar import MAX_TEXT, Parsed, parse
from harness.observe.reading.source.imports import MAX_IMPORTS, read_imports
from harness.observe.reading.source.unwrap import Unwrapped, unwrap_parsed
from harness.observe.reading.text import decode

_WRAPPER_BYTES = 80
"""Length of the line that unpacks and executes."""

FRAMEWORKS = ("torch", "mlx", "jax", "tensorflow", "modal")

_ENTRY_DECORATORS = frozenset({"local_entrypoint", "command", "group"})
_PREPARATIONS = re.compile(
    r"(?:sys\.path|sys\.stdout|sys\.stderr|os\.environ|warnings|logging|torch\.(?:set_\w+|backends|_dynamo|_inductor|manual_seed)"
    r"|random\.seed|np\.random|resource|locale|multiprocessing\.set)\b"
)
_GUARD = re.compile(r"^if\s*\(?\s*(?:__name__\s*==|['\"]__main__['\"]\s*==)", re.MULTILINE)


@dataclass(frozen=True)
class ScriptReading:
    """What was read from one file: facts, the texts of its layers (the file's own first) and the parsed program.

    `written` are the files that its wrappers unpack beside it before they run (`Unwrapped.written`).
    """

    facts: ScriptFacts
    texts: tuple[str, ...]
    parsed: Parsed
    unwrapped: Unwrapped
    written: Mapping[str, bytes] = field(default_factory=dict)


def read_script(path: str, data: bytes, files: Mapping[str, bytes]) -> ScriptReading:
    """Read the Python file `path` with the bytes `data`; `files` are the other files of its folder. Never raises.

    Facts about code (imports, environment reads) are collected over all layers; those about the program (grammar,
    counts, settings class) are of the innermost.
    """
    with collector_held():
        return _read(path, data, files)


def _read(path: str, data: bytes, files: Mapping[str, bytes]) -> ScriptReading:
    text = decode(data[: 4 * MAX_TEXT]).text
    unwrapped = unwrap_parsed(path, parse(text), files)
    layers = [(path, unwrapped.outer), *((layer.path, layer.parsed) for layer in unwrapped.layers)]
    known = {**files, **unwrapped.written} if unwrapped.written else files
    imports: list[ImportFact] = []
    reads: list[EnvRead] = []
    settings: Fact[str] | None = None
    runnable = False
    omitted = 0
    for number, (place, parsed) in enumerate(layers):
        innermost = number == len(layers) - 1
        if parsed.tree is None:
            runnable |= _GUARD.search(parsed.source) is not None
            continue
        dynamic = "import_module" in parsed.source or "__import__" in parsed.source
        imports += read_imports(parsed.outline, place, known, layer=number, search=unwrapped.search, dynamic=dynamic)
        environment = read_environment(parsed.outline, parsed.text, layer=number)
        reads += environment.reads
        omitted += environment.omitted
        runnable |= _runs(parsed.tree)
        if innermost and (holder := environment.settings_class) is not None:
            settings = _at(snippet(holder.name), path, holder.lineno, number, parsed)
    last = unwrapped.layers[-1].fact if unwrapped.layers else None
    digest = hashlib.sha256(data).hexdigest()
    program = unwrapped.parsed
    facts = ScriptFacts(
        path=path,
        sha256=digest,
        bytes=len(data),
        lines=text.count("\n") + (bool(text) and not text.endswith("\n")),
        grammar=program.grammar,
        error=_at(snippet(program.error[1]), path, program.error[0], len(layers) - 1, program)
        if program.error
        else None,
        layers=tuple(layer.fact for layer in unwrapped.layers),
        opaque=unwrapped.opaque,
        decoded_bytes=last.bytes_out if last else len(data),
        decoded_sha256=last.sha256 if last else digest,
        packed_bytes=_packed(data),
        embedded=tuple(layer.fact for layer in unwrapped.embedded),
        imports=tuple(imports[:MAX_IMPORTS]),
        env=tuple(reads[:MAX_READS]),
        settings_class=settings,
        functions=program.outline.functions,
        classes=program.outline.classes,
        runnable=runnable,
        frameworks=tuple(name for name in FRAMEWORKS if any(_package(fact) == name for fact in imports)),
        omitted=omitted + max(0, len(imports) - MAX_IMPORTS) + max(0, len(reads) - MAX_READS),
    )
    texts = (unwrapped.outer.source, *(layer.text for layer in unwrapped.layers))
    return ScriptReading(facts, texts, program, unwrapped, unwrapped.written)


def _package(fact: ImportFact) -> str:
    return fact.module.split(".")[0] if fact.group != "local" else ""


def _at(value: str, path: str, line: int, layer: int, parsed: Parsed) -> Fact[str]:
    lines = parsed.source.split("\n", line)
    text = snippet(lines[line - 1]) if len(lines) >= line else None
    return Fact[str](value=value, at=At(path=path, line=line, layer=layer), text=text)


def _runs(tree: ast.Module) -> bool:
    """Whether running the file does something, beyond definitions and preparations such as `sys.path.insert`."""
    for node in tree.body:
        if isinstance(node, (ast.For, ast.While, ast.With)):
            return True
        if isinstance(node, ast.If) and _is_guard(node.test):
            return True
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and not _prepares(node.value):
            return True
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and any(map(_is_entry, node.decorator_list)):
            return True
        if isinstance(node, ast.Try) and any(
            isinstance(inner, ast.Expr) and isinstance(inner.value, ast.Call) and not _prepares(inner.value)
            for inner in node.body
        ):
            return True
    return False


def _is_guard(test: ast.expr) -> bool:
    return isinstance(test, ast.Compare) and any(
        isinstance(side, ast.Name) and side.id == "__name__" for side in (test.left, *test.comparators)
    )


def _is_entry(decorator: ast.expr) -> bool:
    call = decorator.func if isinstance(decorator, ast.Call) else decorator
    return isinstance(call, ast.Attribute) and call.attr in _ENTRY_DECORATORS


def _prepares(call: ast.Call) -> bool:
    """Whether a call at the top only prepares: search path, warnings, random seeds."""
    parts: list[str] = []
    node: ast.expr = call.func
    while isinstance(node, ast.Attribute) and len(parts) < 16:
        parts.append(node.attr)
        node = node.value
    parts.append(node.id if isinstance(node, ast.Name) else "")
    return _PREPARATIONS.match(".".join(reversed(parts))) is not None


def _packed(data: bytes) -> int:
    """What `data` weighs in a wrapper of zlib and base 85, the plainest one that submissions use."""
    return min(len(data), (len(zlib.compress(data, 6)) * 5 + 3) // 4 + _WRAPPER_BYTES)
