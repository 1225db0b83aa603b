"""Methods and attributes of the values that the constant folder knows."""

from __future__ import annotations

import posixpath
import re
import string
from typing import Any

from harness.observe.reading.source.folding.library import FUNCTIONS, MAX_ITEMS, Engine, file_bytes, text_path
from harness.observe.reading.source.folding.payload import MAX_OUTPUT
from harness.observe.reading.source.folding.values import File, Method, PathTo, Spec, Unknown, absolute
from harness.observe.reading.source.folding.workspace import Workspace
from harness.observe.reading.text import decode

_TEXT_METHODS = """
    strip lstrip rstrip lower upper swapcase startswith endswith removeprefix removesuffix find rfind index count
    partition rpartition isdigit isalpha encode decode hex translate
"""
_TEXT = frozenset(_TEXT_METHODS.split())
_LIST = frozenset({"append", "extend", "insert", "reverse", "pop", "index", "count", "copy"})
_DICT = frozenset({"get", "items", "keys", "values", "update", "pop", "setdefault", "copy"})
_PLAIN_PERCENT = re.compile(r"(?:[^%]|%[sd%])*")


def attribute(value: Any, name: str) -> Any:
    """Return attribute `name` of a known value; a method waits to be called."""
    if isinstance(value, PathTo):
        path = value.path
        if name == "parent":
            return PathTo(posixpath.dirname(path))
        if name == "parents":
            parents: list[Any] = []
            while path != "/" and len(parents) < 64:
                path = posixpath.dirname(path)
                parents.append(PathTo(path))
            return parents
        stem, suffix = posixpath.splitext(posixpath.basename(path))
        known = {"name": stem + suffix, "stem": stem, "suffix": suffix}
        if name in known:
            return known[name]
    if isinstance(value, File) and name == "name":
        return value.path
    if isinstance(value, Spec) and name == "loader":
        return value
    return Method(value, name)


def call(workspace: Workspace, owner: Any, name: str, given: list[Any], named: dict[str, Any]) -> Any:
    """Call method `name` of `owner`; unknown where it is not one of those that are folded."""
    if isinstance(owner, (str, bytes)):
        return _text(workspace, owner, name, given, named)
    if isinstance(owner, PathTo):
        return _path(workspace, owner.path, name, given, named)
    if isinstance(owner, File):
        return _file(workspace, owner, name, given)
    if isinstance(owner, Engine) and name == "decompress":
        return FUNCTIONS[owner.function](workspace, [given[0], *owner.arguments], owner.named)
    if isinstance(owner, Engine) and name == "flush":
        return b""
    if (isinstance(owner, list) and name in _LIST) or (isinstance(owner, dict) and name in _DICT):
        workspace.charge(owner, *given)
        result = getattr(owner, name)(*given, **named)
        if len(owner) > MAX_ITEMS:
            raise ValueError("too long")
        return list(result) if name in {"items", "keys", "values"} else result
    if isinstance(owner, int) and name == "to_bytes":
        length = named.get("length", given[0] if given else 1)
        if length > MAX_OUTPUT:
            raise ValueError("too long")
        return owner.to_bytes(*given, **named)
    return Unknown(f"method {name}() is not folded")


def _text(workspace: Workspace, owner: Any, name: str, given: list[Any], named: dict[str, Any]) -> Any:
    workspace.charge(owner, *given)
    result: Any
    if name == "replace":
        old, new, *_ = given
        if len(owner) + owner.count(old) * max(0, len(new) - len(old)) > MAX_OUTPUT:
            raise ValueError("too long")
        result = owner.replace(*given)
    elif name == "join":
        parts = list(given[0])
        if sum(len(part) + len(owner) for part in parts) > MAX_OUTPUT:
            raise ValueError("too long")
        result = owner.join(parts)
        return workspace.derive(result, *parts[:1], given[0])
    elif name in {"split", "rsplit", "splitlines"}:
        if len(owner) > MAX_ITEMS:
            raise ValueError("too long")
        result = getattr(owner, name)(*given, **named)
        workspace.charge(result)
        for part in result[:1000]:
            workspace.derive(part, owner)
    elif name == "format" and isinstance(owner, str):
        result = _format(owner, given, named)
    elif name in _TEXT:
        result = getattr(owner, name)(*given, **named)
    else:
        return Unknown(f"method {name}() is not folded")
    return workspace.derive(result, owner)


def _format(template: str, given: list[Any], named: dict[str, Any]) -> str:
    """`str.format` without format specifications, which can ask for any length."""
    for _, _, spec, conversion in string.Formatter().parse(template):
        if spec or conversion:
            raise ValueError("not folded")
    if any(not isinstance(value, (str, int)) for value in [*given, *named.values()]) or re.search(
        r"\{[^{}]*[.\[]", template
    ):
        raise ValueError("not folded")
    if len(template) + template.count("{") * max(len(str(v)) for v in [*given, *named.values(), ""]) > MAX_OUTPUT:
        raise ValueError("too long")
    return template.format(*given, **named)


def percent(template: str, values: Any) -> str:
    """`template % values` for `%s` and `%d` without widths."""
    values = values if isinstance(values, tuple) else (values,)
    if len(template) > MAX_ITEMS or not _PLAIN_PERCENT.fullmatch(template):
        raise ValueError("not folded")
    if any(not isinstance(value, (str, int)) for value in values):
        raise ValueError("not folded")
    if len(template) + sum(len(str(value)) for value in values) > MAX_OUTPUT:
        raise ValueError("too long")
    return str(template % values)


def _path(workspace: Workspace, path: str, name: str, given: list[Any], named: dict[str, Any]) -> Any:
    if name in {"resolve", "absolute", "expanduser"}:
        return PathTo(path)
    if name == "joinpath":
        return PathTo(absolute(posixpath.join(path, *(text_path(part) for part in given))))
    if name == "with_name":
        return PathTo(posixpath.join(posixpath.dirname(path), given[0]))
    if name == "with_suffix":
        return PathTo(posixpath.splitext(path)[0] + given[0])
    if name == "with_stem":
        return PathTo(posixpath.join(posixpath.dirname(path), given[0] + posixpath.splitext(path)[1]))
    if name in {"exists", "is_file", "is_dir"}:
        return FUNCTIONS["os.path.exists"](workspace, [path], {})
    if name == "as_posix":
        return path
    if name == "open":
        return FUNCTIONS["open"](workspace, [path, *given], named)
    if name in {"read_text", "read_bytes"}:
        return _file(workspace, File(path, name == "read_bytes"), "read", [])
    if name in {"write_text", "write_bytes"}:
        workspace.written.pop(path, None)
        return _file(workspace, File(path, name == "write_bytes"), "write", given[:1])
    return Unknown(f"method {name}() of a path is not folded")


def _file(workspace: Workspace, file: File, name: str, given: list[Any]) -> Any:
    if name in {"read", "getvalue"} and not given:
        data = file_bytes(workspace, file)
        if file.binary or not isinstance(data, bytes):
            return data
        return workspace.derive(decode(data).text, data)
    if name == "write":
        data = given[0]
        if isinstance(data, str):
            data = workspace.derive(data.encode("utf-8", "surrogatepass"), data)
        if file.path:
            workspace.write(file.path, data)
        elif isinstance(data, bytes):
            file.data = workspace.derive(file.data + data, data)
        return len(given[0]) if isinstance(given[0], (str, bytes)) else Unknown("an unknown text was written")
    if name in {"close", "flush", "seek", "truncate"}:
        return None
    return Unknown(f"method {name}() of a file is not folded")
