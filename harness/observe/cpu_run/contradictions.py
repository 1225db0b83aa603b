"""What a program does against itself: it refuses its own default, or demands what it has left out itself."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from harness.observe.cpu_run.report import Raised

_REFUSED = re.compile(r"(?:invalid literal for int\(\) with base 10|could not convert string to float): '([^']*)'")
_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]{2,}")
_KEY = re.compile(r'"([\w.]+)"')
_MISSING = "Missing key(s) in state_dict: "


def contradiction(raised: Raised, tree: ast.Module) -> str | None:
    """A sentence where the exception is one that the program's own text makes certain; None for all others."""
    refused = _REFUSED.fullmatch(raised.message) if raised.exception == "ValueError" else None
    if refused is not None:
        lines = {frame.line for frame in raised.frames if frame.whose == "submission"}
        name = next((name for name, text, line in _defaults(tree) if line in lines and text == refused[1]), None)
        return None if name is None else f"The program refuses its own default of {name}: {refused[1]!r} is no number."
    if _MISSING in raised.message:
        missing = _KEY.findall(raised.message.partition(_MISSING)[2].partition("Unexpected key(s)")[0])
        endings = _left_out(tree)
        if missing and all(any(key.endswith(ending) for ending in endings) for key in missing):
            left = ", ".join(sorted(endings))
            return f"The program leaves keys that end in {left} out of what it saves, and demands them when it loads."
    return None


def _defaults(tree: ast.Module) -> Iterator[tuple[str, str, int]]:
    """Variables that calls read with a default, both written out, the default as text, and the line."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or len(node.args) < 2:
            continue
        name, default = node.args[0], node.args[1]
        if not isinstance(name, ast.Constant) or not isinstance(default, ast.Constant):
            continue
        if isinstance(name.value, str) and _VARIABLE.fullmatch(name.value):
            yield name.value, str(default.value), node.lineno


def _left_out(tree: ast.Module) -> set[str]:
    """Endings of names with which comprehensions leave entries out: `if not k.endswith(".log_step")`."""
    found: set[str] = set()
    for node in ast.walk(tree):
        for test in node.ifs if isinstance(node, ast.comprehension) else ():
            inner = test.operand if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not) else None
            if isinstance(inner, ast.Call) and isinstance(inner.func, ast.Attribute) and inner.func.attr == "endswith":
                found.update(
                    part.value
                    for part in ast.walk(inner)
                    if isinstance(part, ast.Constant) and isinstance(part.value, str) and part.value
                )
    return found
