"""Python text to a syntax tree, and the lowest grammar that accepts it."""

from __future__ import annotations

import ast
import re
import sys
import warnings
from dataclasses import dataclass, field
from functools import cached_property

from harness.observe.collector import collector_held
from harness.observe.reading.source.index import Index
from harness.observe.reading.source.outline import Outline, outline
from harness.observe.reading.source.pep701 import needs_312, to_311

MAX_TEXT = 4 * 1024 * 1024
"""Longest source text that is parsed, in characters: the longest script of the field has 1.6 million."""

_TYPE_PARAMETERS = re.compile(r"\s*(?:type\s+\w+\s*[\[=]|(?:async\s+def|def|class)\s+\w+\s*\[)")
_RUNNING = sys.version_info[:2]


@dataclass(frozen=True)
class Parsed:
    """A source text and its tree.

    `text` is what the tree's positions refer to; it differs from `source` only where f-strings were rewritten for
    Python 3.11, and then line by line. `tree` is None when nothing parses; `error` then gives the line (from 1) and
    the reason. The tree may be thousands of levels deep: walk it without recursion, or expect a `RecursionError`.
    """

    text: str
    tree: ast.Module | None
    grammar: str | None
    error: tuple[int, str] | None = None
    source: str = field(default="", repr=False)

    @cached_property
    def outline(self) -> Outline:
        """The tree's statements; none where nothing parses."""
        return Outline() if self.tree is None else outline(self.tree, probes="find_spec" in self.text)

    @cached_property
    def index(self) -> Index:
        """The tree's nodes; none where nothing parses."""
        return Index(self.tree or ast.Module(body=[], type_ignores=[]))


def parse(text: str) -> Parsed:
    """Parse `text` with the grammar of Python 3.11, else with that of 3.12, on whichever Python this runs; never raise.

    On Python 3.11 the f-strings of 3.12 are rewritten first (PEP 701); type parameters (PEP 695) cannot be, and are
    an error there.
    """
    source = text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text
    if len(source) > MAX_TEXT:
        return _failed(source, 1, f"the text has {len(source)} characters; at most {MAX_TEXT} are parsed")
    with collector_held(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # bad escapes and the like are the text's own matter
        tree, error = _tree(source, (3, 11))
        if tree is not None:
            newer = _RUNNING >= (3, 12) and needs_312(source)
            return Parsed(source, tree, "3.12" if newer else "3.11", None, source)
        if _RUNNING >= (3, 12):
            tree, error = _tree(source, (3, 12))
            return Parsed(source, tree, "3.12", None, source) if tree is not None else _failed(source, *error)
        rewritten = to_311(source)
        if rewritten != source:
            tree, error = _tree(rewritten, (3, 11))
            if tree is not None:
                return Parsed(rewritten, tree, "3.12", None, source)
    return _failed(source, *_explained(rewritten, error))


def _failed(source: str, line: int, reason: str) -> Parsed:
    return Parsed(source, None, None, (line, reason), source)


def _tree(source: str, version: tuple[int, int]) -> tuple[ast.Module | None, tuple[int, str]]:
    """Return the tree, or None with the line and the reason."""
    try:
        return ast.parse(source, feature_version=version), (0, "")
    except SyntaxError as error:
        last = source.count("\n") + 1
        return None, (min(max(error.lineno or 1, 1), last), error.msg or "invalid syntax")
    except RecursionError:
        return None, (1, "the code is nested too deeply to be parsed")
    except MemoryError:
        return None, (1, "the code is nested too deeply, or too large, to be parsed")
    except (ValueError, OverflowError, SystemError) as error:  # NUL bytes, lone surrogates, a tree beyond C limits
        return None, (1, f"not parsable: {str(error)[:200]}")


def _explained(source: str, error: tuple[int, str]) -> tuple[int, str]:
    """Add to the parser's complaint what it does not know: syntax of a later Python."""
    line, reason = error
    lines = source.split("\n", line)
    if len(lines) >= line and _TYPE_PARAMETERS.match(lines[line - 1][:2000]):
        return line, f"{reason}: type parameters and `type` statements (PEP 695) need Python 3.12 to be read"
    return error
