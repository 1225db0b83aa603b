"""Raw tree objects: which files lie below one, and how two of them differ.

An entry is `mode name`, NUL and the id of what it names. Entries are in order as if a slash ended a directory's name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import NamedTuple

_DIRECTORY = "40000"

Load = Callable[[str], bytes]
"""Bytes of a tree object by its id."""


class Entry(NamedTuple):
    """A file below a tree: its path from there, mode (octal) and id."""

    path: bytes
    mode: str
    sha: str


class Change(NamedTuple):
    """A path on which two trees differ; `new` is None where it is gone, `old` where it was not there."""

    path: bytes
    old: Entry | None
    new: Entry | None


def files_below(tree: bytes, load: Load, id_size: int, prefix: bytes = b"") -> Iterator[Entry]:
    """All files below a tree, in git's order; submodules are named, not entered."""
    for mode, name, sha in entries(tree, id_size):
        if mode == _DIRECTORY:
            yield from files_below(load(sha), load, id_size, prefix + name + b"/")
        else:
            yield Entry(prefix + name, mode, sha)


def changes_between(old: bytes, new: bytes, load: Load, id_size: int, prefix: bytes = b"") -> Iterator[Change]:
    """Files on which two trees differ, in git's order, without a search for renames.

    Sub-directories with the same id are not entered.
    """
    before, after = entries(old, id_size), entries(new, id_size)
    sides: dict[bytes, list[tuple[str, bytes, str] | None]] = {}
    for place, only in enumerate((set(before).difference(after), set(after).difference(before))):
        for entry in only:
            mode, name, _ = entry
            sides.setdefault(name + b"/" if mode == _DIRECTORY else name, [None, None])[place] = entry
    for key in sorted(sides):
        was, now = sides[key]
        if key.endswith(b"/"):
            trees = [load(entry[2]) if entry is not None else b"" for entry in (was, now)]
            yield from changes_between(trees[0], trees[1], load, id_size, prefix + key)
        else:
            path = prefix + key
            yield Change(
                path,
                Entry(path, was[0], was[2]) if was is not None else None,
                Entry(path, now[0], now[2]) if now is not None else None,
            )


def sub_directory(tree: bytes, name: str, id_size: int) -> str | None:
    """Object id of the sub-directory `name` of a tree."""
    mark = _DIRECTORY.encode() + b" " + name.encode(errors="surrogateescape") + b"\0"
    at = tree.find(mark)
    return tree[at + len(mark) : at + len(mark) + id_size].hex() if at >= 0 else None


def entries(tree: bytes, id_size: int) -> list[tuple[str, bytes, str]]:
    """(mode, name, id) of each entry of a tree."""
    return [(mode.decode("ascii"), name, sha.hex()) for mode, name, sha in _pattern(id_size).findall(tree)]


@lru_cache
def _pattern(id_size: int) -> re.Pattern[bytes]:
    return re.compile(rb"([0-7]+) ([^\0]+)\0(.{%d})" % id_size, re.DOTALL)
