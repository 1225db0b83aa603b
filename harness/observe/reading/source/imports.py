"""Imports of a file: where each module comes from, and what happens where it is missing."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence

from harness.model.base import snippet
from harness.model.source import ImportFact
from harness.observe.reading.source.index import nodes_under
from harness.observe.reading.source.modules import STDLIB, find_module
from harness.observe.reading.source.outline import Outline, Surroundings

MAX_IMPORTS = 400
"""Imports reported of one script; the largest of the field has about 100."""
_IMPORTS = frozenset({ast.Import, ast.ImportFrom})
_CALLING = frozenset({ast.Assign, ast.AnnAssign, ast.Expr, ast.Return})
"""Statements in whose values calls that import are looked for."""
_MAX_KEPT = 20_000
MAX_NAME = 200
"""Characters of a module's name."""
_IMPORTERS = frozenset({"import_module", "__import__"})


def read_imports(
    outline: Outline,
    script: str,
    files: Mapping[str, bytes],
    *,
    layer: int = 0,
    search: Sequence[str] = (),
    dynamic: bool = True,
) -> list[ImportFact]:
    """Return the imports of a file, each module once for each way of importing it.

    `script` is the file's path among `files`; `dynamic` says whether calls of `importlib.import_module` and
    `__import__` are looked for (its caller knows from the text whether there can be any).
    """
    found: dict[tuple[str, bool, bool], ImportFact] = {}
    telling = _IMPORTS | _CALLING if dynamic else _IMPORTS
    for statement, around in outline.statements:
        if type(statement) not in telling:
            continue
        for module, line in _modules(statement):
            key = (module, around.guarded, around.function is not None)
            if key not in found and len(found) < _MAX_KEPT:
                found[key] = _fact(module, line, around, script, files, layer, search)
    return list(found.values())


def _modules(statement: ast.stmt) -> Iterator[tuple[str, int]]:
    """Names of the modules that a statement imports, relative ones with their dots."""
    if isinstance(statement, ast.Import):
        for alias in statement.names:
            yield alias.name[:MAX_NAME], statement.lineno
    elif isinstance(statement, ast.ImportFrom):
        names = [statement.module] if statement.module else [alias.name for alias in statement.names]
        for name in names:
            yield "." * min(statement.level, 16) + name[:MAX_NAME], statement.lineno
    elif isinstance(statement, (ast.Assign, ast.AnnAssign, ast.Expr, ast.Return)) and statement.value:
        for node in nodes_under(statement.value):
            if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
                name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                if name in _IMPORTERS and isinstance(node.args[0].value, str):
                    yield snippet(node.args[0].value, MAX_NAME), node.lineno


def _fact(
    module: str,
    line: int,
    around: Surroundings,
    script: str,
    files: Mapping[str, bytes],
    layer: int,
    search: Sequence[str],
) -> ImportFact:
    name = module.lstrip(".")
    level = len(module) - len(name)
    local, missing = find_module(name, level, script, files, search)
    if local is None and level and "." not in name:  # `from . import a_name_of_the_package`
        local, missing = find_module("", level, script, files, search)
    if local is not None:
        group = "local"
    elif name.split(".")[0] in STDLIB and not level:
        group = "stdlib"
    else:
        group = "missing" if missing and not around.guarded else "third_party"
    return ImportFact(
        module=module,
        line=line,
        layer=layer,
        guarded=around.guarded,
        lazy=around.function is not None,
        local=local,
        group=group,
    )
