"""A preset as one self-contained script: the modules that it needs, in order, without what nothing uses.

The modules of this package import names from each other and no two define the same name at the top (a test keeps it
so), so that putting one after the other gives the same program. The configuration becomes plain reads of environment
variables, as the competition's scripts have them.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

from reference_model.config import Config

PACKAGE = "reference_model"
ROOT = Path(__file__).parent
ENTRY = "entry"
_LEFT_OUT = {"from_environment", "_overrides", "_parsed"}
"""Read the environment in general; a bundle reads each variable in its place."""

_MAIN = '''
def main() -> None:
    """Run everything under torchrun, or in one process."""
    with joined() as world:
        run(settings(), world, Path(__file__).read_text(encoding="utf-8"), Path())


if __name__ == "__main__":
    main()
'''


class BundleError(ValueError):
    """The package is not written so that it can be bundled; the message says where."""


@dataclass(frozen=True)
class Piece:
    """One statement at the top of a module."""

    module: str
    text: str
    defines: frozenset[str]
    uses: frozenset[str]


def bundle(config: Config, title: str) -> str:
    """The text of the script. Raises BundleError."""
    order = modules(ENTRY)
    pieces = [piece for module in order for piece in _pieces(module)]
    _unique(pieces)
    settings = rendered(config)
    kept = _reached([*pieces, _piece("", settings), _piece("", _MAIN)], roots={"main"})
    imports = _imports(order, {name for piece in kept for name in piece.uses})
    parts = [f'"""{title}"""\n', "from __future__ import annotations\n", *imports]
    module = None
    for piece in kept:
        if piece.module and piece.module != module:
            parts.append(f"\n\n# {piece.module.replace('.', '/')}.py")
            module = piece.module
        parts.append(("\n" if piece.module else "\n\n") + piece.text.strip("\n"))
    return "\n".join(parts) + "\n"


def modules(entry: str) -> list[str]:
    """Modules of the package that `entry` needs, each after those that it imports."""
    found: dict[str, None] = {}

    def visit(module: str) -> None:
        if module in found:
            return
        for node in _tree(module).body:
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith(PACKAGE + "."):
                visit(node.module.removeprefix(PACKAGE + "."))
        found[module] = None

    visit(entry)
    return list(found)


def rendered(config: Config) -> str:
    """The function that makes this configuration from the environment."""
    lines = [
        "def settings() -> Config:",
        '    """Every number of the run; each answers to its variable."""',
        "    return Config(",
    ]
    for part in fields(config):
        value = getattr(config, part.name)
        if is_dataclass(value):
            lines.append(f"        {part.name}={type(value).__name__}(")
            lines += [f"            {_read(inner.name, getattr(value, inner.name))}," for inner in fields(value)]
            lines.append("        ),")
        else:
            lines.append(f"        {_read(part.name, value)},")
    return "\n".join([*lines, "    )", ""])


def _read(name: str, value: Any) -> str:
    variable = name.upper()
    if isinstance(value, bool):
        return f'{name}=bool(int(os.environ.get("{variable}", "{int(value)}")))'
    if isinstance(value, (int, float)):
        return f'{name}={type(value).__name__}(os.environ.get("{variable}", {value!r}))'
    return f'{name}=os.environ.get("{variable}", {value!r})'.replace("'", '"')


def _tree(module: str) -> ast.Module:
    return ast.parse(_text(module))


def _text(module: str) -> str:
    return (ROOT / f"{module.replace('.', '/')}.py").read_text(encoding="utf-8")


def _pieces(module: str) -> Iterator[Piece]:
    """Definitions and assignments of a module; docstrings, imports and notes under assignments are left out."""
    text = _text(module)
    lines = text.split("\n")
    for node in ast.parse(text).body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            continue
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            continue
        decorators = getattr(node, "decorator_list", [])
        first = min([node.lineno, *(one.lineno for one in decorators)])
        piece = _piece(module, "\n".join(lines[first - 1 : node.end_lineno]))
        if not piece.defines & _LEFT_OUT:
            yield piece


def _piece(module: str, text: str) -> Piece:
    tree = ast.parse(text)
    uses = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    # Annotations are text under `from __future__ import annotations`, but tools resolve them.
    defines: set[str] = set()
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            defines.add(node.name)
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            defines |= {name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)}
        elif module:
            raise BundleError(f"{module}.py, line {node.lineno}: a statement that defines nothing cannot be bundled")
    if any(isinstance(node, ast.If) for node in tree.body):
        uses.add("main")
        defines.add("main")
    return Piece(module, text, frozenset(defines), frozenset(uses))


def _unique(pieces: Iterable[Piece]) -> None:
    home: dict[str, str] = {}
    for piece in pieces:
        for name in piece.defines:
            if home.setdefault(name, piece.module) != piece.module:
                raise BundleError(f"{name} is defined in {home[name]}.py and in {piece.module}.py: rename one")


def _reached(pieces: list[Piece], roots: set[str]) -> list[Piece]:
    """The pieces that the roots need, in their order."""
    kept: set[int] = set()
    wanted = set(roots)
    while True:
        new = {i for i, piece in enumerate(pieces) if i not in kept and piece.defines & wanted}
        if not new:
            return [piece for i, piece in enumerate(pieces) if i in kept]
        kept |= new
        wanted |= {name for i in new for name in pieces[i].uses}


def _imports(order: Iterable[str], used: set[str]) -> list[str]:
    """Imports from elsewhere that the kept pieces use, once each."""
    found: dict[str, None] = {}
    for module in order:
        for node in _tree(module).body:
            if isinstance(node, ast.ImportFrom) and node.module != "__future__" and node.module:
                if node.module.startswith(PACKAGE):
                    if any(alias.asname for alias in node.names):
                        raise BundleError(f"{module}.py, line {node.lineno}: a name of the package under another name")
                    continue
                for alias in node.names:
                    if (alias.asname or alias.name) in used:
                        found[ast.unparse(ast.ImportFrom(node.module, [alias], 0))] = None
            elif isinstance(node, ast.Import):
                for alias in node.names:
                    if (alias.asname or alias.name.partition(".")[0]) in used:
                        found[ast.unparse(ast.Import([alias]))] = None
    return ["", *sorted(found, key=lambda line: (line.startswith("from"), line))]
