"""Values of the constant folder, beside Python's own strings, bytes, numbers and containers."""

from __future__ import annotations

import ast
import posixpath
from dataclasses import dataclass, field
from typing import Any

REPOSITORY = "/repository"
FOLDER = f"{REPOSITORY}/records/track/submission"
"""Where the submission's folder stands in the folder tree that the folded code sees."""
TEMPORARY = "/tmp/folded"  # noqa: S108  a name inside that tree, never opened


@dataclass(frozen=True)
class Unknown:
    """A value that folding cannot know, and why. `decoding` says that a payload was there and could not be decoded."""

    reason: str
    decoding: bool = False


@dataclass(frozen=True)
class Ref:
    """Something named by its dotted path: a module, or a function or constant in one (`lzma.decompress`)."""

    name: str


@dataclass(frozen=True)
class Local:
    """A module of the submission, or the name `name` in it. `path` is None where the folder has no such file."""

    module: str
    path: str | None
    name: str = ""


@dataclass(frozen=True)
class PathTo:
    """A `pathlib.Path`."""

    path: str


@dataclass
class File:
    """An open file, or bytes in memory (`path` is then empty)."""

    path: str
    binary: bool
    data: bytes = b""


@dataclass(frozen=True)
class Method:
    """A method or attribute of a value, looked up but not called yet."""

    owner: Any
    name: str


@dataclass(frozen=True)
class Code:
    """What `compile` returns."""

    source: Any


@dataclass(frozen=True)
class Spec:
    """An import spec of a file, its loader, or the module made from it, under the module's name."""

    path: str
    name: str = ""


@dataclass
class Function:
    """A function or lambda of the folded code."""

    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
    names: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Trail:
    """How a payload came about: codecs applied so far, bytes at the start, and the file it was read from."""

    codecs: tuple[str, ...] = ()
    bytes_in: int = 0
    target: str | None = None


def absolute(path: str) -> str:
    """`path` in the folder tree that the folded code sees; relative paths start at the submission's folder."""
    return posixpath.normpath(posixpath.join(FOLDER, path.replace("\\", "/")))


def relative(path: str) -> str:
    """`path` for a message or a fact: relative to the submission's folder, or to the repository."""
    for root in (FOLDER, REPOSITORY):
        if path.startswith(root + "/"):
            return path[len(root) + 1 :]
    return path
