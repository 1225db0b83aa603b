"""Places where expressions read the environment: `os.environ`, `os.getenv`, their aliases, and helper functions."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from harness.observe.reading.source.helpers import CASTS, READERS, Access, Helper, is_switch
from harness.observe.reading.source.index import parts_of

_PASS_THROUGH = frozenset({"strip", "lower", "upper", "casefold", "lstrip", "rstrip"})


class _Visit(NamedTuple):
    node: ast.expr
    cast: str | None = None
    fallback: ast.expr | None = None
    inside: ast.Lambda | None = None


@dataclass
class Names:
    """What the names of a file stand for: `os`, `environ`, `get` (a function that reads), or a helper."""

    aliases: dict[str, str] = field(default_factory=lambda: {"os": "os"})
    helpers: dict[str, Helper] = field(default_factory=dict)

    def resolve(self, node: ast.expr, depth: int = 0) -> str | None:
        """Return `os`, `environ` or `get` where the expression stands for one of them."""
        if isinstance(node, ast.Name):
            return self.aliases.get(node.id)
        if isinstance(node, ast.Attribute) and depth < 3:  # `__import__("os").environ.get` is the longest
            owner = self.resolve(node.value, depth + 1)
            if owner == "os":
                return {"environ": "environ", "getenv": "get"}.get(node.attr)
            return "get" if owner == "environ" and node.attr in READERS else None
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "__import__":
            return "os" if node.args and isinstance(node.args[0], ast.Constant) and node.args[0].value == "os" else None
        return None

    def note(self, statement: ast.stmt) -> None:
        """Learn aliases from an import or an assignment."""
        if isinstance(statement, ast.Assign):
            meaning = self.resolve(statement.value) if isinstance(statement.value, (ast.Name, ast.Attribute)) else None
            for target in statement.targets if meaning else ():
                if isinstance(target, ast.Name) and meaning:
                    self.aliases[target.id] = meaning
        elif isinstance(statement, ast.Import):
            for alias in statement.names:
                if alias.name == "os":
                    self.aliases[alias.asname or "os"] = "os"
        elif isinstance(statement, ast.ImportFrom) and statement.module == "os":
            for alias in statement.names:
                meaning = {"environ": "environ", "getenv": "get"}.get(alias.name)
                if meaning:
                    self.aliases[alias.asname or alias.name] = meaning

    def helper(self, function: ast.expr) -> Helper | None:
        """Return the helper that a call names, as a function or as a method."""
        if isinstance(function, ast.Name):
            return self.helpers.get(function.id)
        if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name):
            return self.helpers.get(f".{function.attr}")
        return None


def own_expressions(statement: ast.stmt) -> Iterator[ast.expr]:
    """Expressions of a statement, without those of the statements inside it."""
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
        yield from statement.decorator_list
        yield from statement.args.defaults
        yield from (default for default in statement.args.kw_defaults if default is not None)
    elif isinstance(statement, ast.ClassDef):
        yield from (*statement.decorator_list, *statement.bases, *(keyword.value for keyword in statement.keywords))
    elif isinstance(statement, (ast.With, ast.AsyncWith)):
        yield from (item.context_expr for item in statement.items)
    elif not isinstance(statement, (ast.Try, ast.TryStar)):
        yield from (part for part in parts_of(statement) if isinstance(part, ast.expr))


def accesses(statement: ast.stmt, names: Names) -> Iterator[Access]:
    """Reads of the environment in the expressions of one statement, without recursion."""
    stack = [_Visit(node) for node in own_expressions(statement)]
    while stack:
        visit = stack.pop()
        node = visit.node
        if isinstance(node, (ast.Name, ast.Constant)):
            continue
        if isinstance(node, ast.Call):
            found = _call(visit, node, names)
            if found is not None:
                yield found
            stack.extend(_inside_call(visit, node, found))
        elif isinstance(node, ast.Subscript) and names.resolve(node.value) == "environ":
            if isinstance(node.ctx, ast.Load):
                yield _access(visit, node.slice, node.lineno)
        elif isinstance(node, ast.Compare):
            if isinstance(node.ops[0], (ast.In, ast.NotIn)) and names.resolve(node.comparators[0]) == "environ":
                yield Access(node.left, node.lineno, inside=visit.inside)
                continue
            cast = "bool" if is_switch(node) else None
            stack.extend(_Visit(part, cast, None, visit.inside) for part in (node.left, *node.comparators))
        elif isinstance(node, ast.BoolOp):
            fallback = node.values[-1] if isinstance(node.op, ast.Or) else None
            stack.extend(
                _Visit(part, visit.cast, None if part is fallback else fallback, visit.inside) for part in node.values
            )
        elif isinstance(node, ast.IfExp):
            stack.append(_Visit(node.test, None, None, visit.inside))
            stack.extend(_Visit(part, visit.cast, visit.fallback, visit.inside) for part in (node.body, node.orelse))
        elif isinstance(node, ast.NamedExpr):
            stack.append(visit._replace(node=node.value))
        elif isinstance(node, ast.Lambda):
            stack.append(_Visit(node.body, None, None, node))
        else:
            for part in parts_of(node):
                if isinstance(part, ast.comprehension):
                    stack.extend(_Visit(inner, None, None, visit.inside) for inner in (part.iter, *part.ifs))
                elif isinstance(part, ast.expr):
                    stack.append(_Visit(part, None, None, visit.inside))


def _access(
    visit: _Visit, name: ast.expr, line: int, default: ast.expr | None = None, cast: str | None = None
) -> Access:
    default = default if default is not None else visit.fallback
    return Access(name, line, default, default is not None, visit.cast or cast, visit.inside)


def _call(visit: _Visit, node: ast.Call, names: Names) -> Access | None:
    if names.resolve(node.func) == "get":
        given = {keyword.arg: keyword.value for keyword in node.keywords}
        name = node.args[0] if node.args else given.get("key")
        default = node.args[1] if len(node.args) > 1 else given.get("default")
        return None if name is None else _access(visit, name, node.lineno, default)
    helper = names.helper(node.func)
    if helper is None:
        return None
    bound = dict(helper.defaults)
    bound.update(zip(helper.parameters, node.args, strict=False))
    bound.update({keyword.arg: keyword.value for keyword in node.keywords if keyword.arg in helper.parameters})
    if helper.name not in bound:
        return None
    default = bound.get(helper.default) if helper.default else helper.fixed
    cast = helper.cast
    if helper.cast_parameter:
        given_cast = bound.get(helper.cast_parameter)
        cast = given_cast.id if isinstance(given_cast, ast.Name) and given_cast.id in CASTS else None
    found = _access(visit, bound[helper.name], node.lineno, default, cast)
    return Access(
        found.name, found.line, found.default, found.has_default, found.cast, found.inside, helper.prefix, helper.suffix
    )


def _inside_call(visit: _Visit, node: ast.Call, found: Access | None) -> Iterator[_Visit]:
    """What to visit inside a call: the value that goes straight through it keeps its cast."""
    inside = visit.inside
    if found is not None:
        yield from (_Visit(part, None, None, inside) for part in node.args[1:])
        yield from (_Visit(keyword.value, None, None, inside) for keyword in node.keywords)
        return
    rest: list[ast.expr] = [*node.args, *(keyword.value for keyword in node.keywords)]
    if isinstance(node.func, ast.Name) and node.func.id in CASTS and node.args:
        yield _Visit(node.args[0], visit.cast or node.func.id, visit.fallback, inside)
        rest = rest[1:]
    elif isinstance(node.func, ast.Attribute) and node.func.attr in _PASS_THROUGH:
        yield _Visit(node.func.value, visit.cast, visit.fallback, inside)
    else:
        yield _Visit(node.func, None, None, inside)
    yield from (_Visit(part, None, None, inside) for part in rest)
