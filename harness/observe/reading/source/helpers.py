"""Functions that read the environment for their callers, told by the flow of their parameters, not by their names."""

from __future__ import annotations

import ast
from dataclasses import dataclass

Callable_ = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda

CASTS = frozenset({"int", "float", "bool", "str"})
"""Calls that give a setting its type."""
_SWITCH = frozenset({"0", "1", "true", "false", "yes", "no", "on", "off", "y", "n", "t", "f", ""})
_LOOPS = (ast.ListComp, ast.SetComp, ast.GeneratorExp, ast.DictComp, ast.For)
READERS = frozenset({"get", "setdefault", "pop"})
"""Methods of `os.environ` that read."""


@dataclass(frozen=True, slots=True)
class Access:
    """One read: the expressions that give the variable's name and its default, and the cast around it."""

    name: ast.expr
    line: int
    default: ast.expr | None = None
    has_default: bool = False
    cast: str | None = None
    inside: ast.Lambda | None = None
    """The lambda that holds the read."""
    prefix: str = ""
    suffix: str = ""


@dataclass(frozen=True)
class Helper:
    """A function that reads the variable named by its parameter `name`."""

    parameters: tuple[str, ...]
    defaults: dict[str, ast.expr]
    name: str
    prefix: str = ""
    suffix: str = ""
    default: str | None = None
    """The parameter that gives the default."""
    fixed: ast.expr | None = None
    """The default, where the function fixes it."""
    cast: str | None = None
    cast_parameter: str | None = None


def is_switch(node: ast.Compare) -> bool:
    """Whether a comparison makes a switch of a text or number: `== "1"`, `!= 0`, `in ("1", "true")`."""
    if not isinstance(node.ops[0], (ast.Eq, ast.NotEq, ast.In, ast.NotIn)):
        return False
    right = node.comparators[0]
    parts = right.elts if isinstance(right, (ast.Tuple, ast.List, ast.Set)) else [right]
    return all(
        isinstance(part, ast.Constant)
        and (part.value in (0, 1) if isinstance(part.value, (int, float)) else str(part.value).lower() in _SWITCH)
        for part in parts
    )


def helper_from(function: Callable_, access: Access, *, method: bool) -> Helper | None:
    """Return what a function is as a helper, where the name of the read `access` inside it is its parameter."""
    arguments = function.args
    positional = [one.arg for one in (*arguments.posonlyargs, *arguments.args)]
    defaults = dict(zip(reversed(positional), reversed(arguments.defaults), strict=False))
    for one, keyword in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        if keyword is not None:
            defaults[one.arg] = keyword
    if method and positional and positional[0] in {"self", "cls"}:
        positional = positional[1:]
    parameters = (*positional, *(one.arg for one in arguments.kwonlyargs))
    named = _name_parameter(access.name, parameters)
    if named is None:
        return None
    parameter, prefix, suffix = named
    others = [one for one in parameters if one != parameter]
    body: list[ast.AST] = [function.body] if isinstance(function, ast.Lambda) else list(function.body)
    nodes = [node for part in body for node in ast.walk(part)][:2000]
    cast_parameter = next(
        (
            node.func.id
            for node in nodes
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in others
        ),
        None,
    )
    also_names = {name for node in nodes if (name := _read_name(node))}
    candidates = [one for one in others if one != cast_parameter and one not in also_names]
    default = _mentioned([access.default], candidates) if access.default is not None else None
    fixed = access.default if default is None else None
    if default is None and (fixed is None or (isinstance(fixed, ast.Constant) and fixed.value in (None, ""))):
        default = next((one for one in _results(function, nodes) if one in candidates), None)
        fixed = fixed if default is None else None
    return Helper(
        parameters,
        defaults,
        parameter,
        access.prefix + prefix,
        suffix + access.suffix,
        default,
        fixed,
        _cast(function, nodes, access),
        cast_parameter,
    )


def _name_parameter(node: ast.expr, parameters: tuple[str, ...]) -> tuple[str, str, str] | None:
    """Return the parameter that names the variable, with the constant text before and after it."""
    parts: list[ast.expr] = [node]
    if isinstance(node, ast.JoinedStr):
        parts = list(node.values)
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        parts = [node.left, node.right]
    texts = ["", ""]
    found: str | None = None
    for part in parts:
        inner = part.value if isinstance(part, ast.FormattedValue) else part
        if isinstance(inner, ast.Constant) and isinstance(inner.value, str):
            texts[found is not None] += inner.value
        elif isinstance(inner, ast.Name) and inner.id in parameters and found is None:
            found = inner.id
        else:
            return None
    return (found, texts[0], texts[1]) if found is not None else None


def _mentioned(nodes: list[ast.expr | None], parameters: list[str]) -> str | None:
    for node in nodes:
        for inner in ast.walk(node) if node is not None else ():
            if isinstance(inner, ast.Name) and inner.id in parameters:
                return inner.id
    return None


def _read_name(node: ast.AST) -> str | None:
    """Return the `name` of something that looks like `x.get(name, ...)` or `getenv(name, ...)`."""
    if not isinstance(node, ast.Call) or not node.args or not isinstance(node.args[0], ast.Name):
        return None
    function = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    return node.args[0].id if function in READERS or function == "getenv" else None


def _results(function: Callable_, nodes: list[ast.AST]) -> list[str]:
    """Names that a function may return, as they are or through one call: in `return`, `if ... else` and `or`."""
    results: list[ast.expr | None] = [function.body] if isinstance(function, ast.Lambda) else []
    for node in nodes:
        if isinstance(node, ast.Return):
            results.append(node.value)
        elif isinstance(node, ast.IfExp):
            results += [node.body, node.orelse]
        elif isinstance(node, ast.BoolOp):
            results += node.values
    found: list[str] = []
    for result in results:
        parts = result.args if isinstance(result, ast.Call) else [result]
        found += [part.id for part in parts if isinstance(part, ast.Name)]
    return found


def _cast(function: Callable_, nodes: list[ast.AST], access: Access) -> str | None:
    """Return the type a helper gives: its annotation, a cast in its body, or a comparison that makes a switch."""
    returns = getattr(function, "returns", None)
    text = returns.id if isinstance(returns, ast.Name) else getattr(returns, "value", None)
    if text in CASTS:
        return str(text)
    of_items = {id(inner) for node in nodes if isinstance(node, _LOOPS) for inner in ast.walk(node)}
    for node in nodes:
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"int", "float", "bool"}:
            return node.func.id if id(node) not in of_items else None
    if any(isinstance(node, ast.Compare) and is_switch(node) for node in nodes):
        return "bool"
    return access.cast
