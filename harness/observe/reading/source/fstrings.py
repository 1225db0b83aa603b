"""A scanner for string literals that follows the grammar of PEP 701, where f-strings nest without limit.

It finds every string of a source text and, inside f-strings, the replacement fields with the strings that *they*
hold. It knows no other syntax: brackets, comments and strings are all that decides where a field ends. The rules are
those of the Python 3.12 reference, section 2.4.3, and of PEP 701.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

MAX_DEPTH = 50
"""Strings inside strings. CPython stops at 150; each level costs four Python frames here."""

_STOPS = re.compile(r"""['"#(){}\[\]!:=\\]""")
_COMMENT_END = re.compile(r"\n|\Z")
_SAME_LINE = re.compile(r"(?:[ \t\f]|\\\n)*")
_BRACKETED = re.compile(r"(?:\s|\\\n|#[^\n]*\n)*")
_TEXT_STOPS = {quote: re.compile(rf"[{{}}\\\n]|{quote}") for quote in ("'", '"', "'''", '"""')}
_PLAIN_STOPS = {quote: re.compile(rf"[\\\n]|{quote}") for quote in ("'", '"')} | {
    quote: re.compile(rf"\\|{quote}") for quote in ("'''", '"""')
}
_CONVERSION = re.compile(r"!([a-z])\s*")


class BrokenString(Exception):  # noqa: N818  an answer of the scanner, never seen outside this package
    """The text is no Python of any version, as far as its strings go."""


@dataclass(slots=True)
class Literal:
    """Characters `start` to `end` of an f-string that stand for themselves (escapes and doubled braces included)."""

    start: int
    end: int


@dataclass(slots=True)
class Field:
    """A replacement field `{expr=!r:spec}` at characters `start` to `end`, braces included."""

    start: int
    expr_end: int
    """Where the expression ends: before the `=` of a self-documenting field, the conversion, the spec or the brace."""
    text_end: int
    """Where the text that `=` shows ends; equals `expr_end` without `=`."""
    strings: list[String]
    comment: bool
    conversion: str = ""
    spec: list[Literal | Field] | None = None
    spec_start: int = 0
    end: int = 0

    @property
    def depth(self) -> int:
        """How deep fields nest in the format specifications: 0 for a spec without fields."""
        return max((1 + part.depth for part in self.spec or () if isinstance(part, Field)), default=0)


@dataclass(slots=True)
class String:
    """One string literal, prefix and quotes included. `parts` is None unless it is an f-string."""

    start: int
    end: int
    prefix: str
    quote: str
    joins: bool = False
    """Whether it is concatenated with the string before it (implicit concatenation)."""
    parts: list[Literal | Field] | None = None

    def fields(self) -> list[Field]:
        """Replacement fields, those inside format specifications included."""
        found: list[Field] = []
        queue = [part for part in self.parts or () if isinstance(part, Field)]
        while queue:
            item = queue.pop(0)
            found.append(item)
            queue.extend(part for part in item.spec or () if isinstance(part, Field))
        return found


def strings(source: str) -> list[String]:
    """Return all outermost string literals of `source`, in order; raise `BrokenString` where one never ends."""
    return _Scanner(source).code(0, in_field=False)[0]


@dataclass(slots=True)
class _Region:
    """What ended a stretch of code: the position, the last lone `=` before it, and whether it held a comment."""

    end: int
    equals: int = -1
    comment: bool = False


@dataclass(slots=True)
class _Scanner:
    source: str
    depth: int = field(default=0)

    def code(self, at: int, *, in_field: bool) -> tuple[list[String], _Region]:
        """Scan code from `at` to the end of the text, or of the field: its brace, conversion or specification."""
        source, found, region = self.source, list[String](), _Region(len(self.source))
        brackets = 0
        while stop := _STOPS.search(source, at):
            position, char = stop.start(), stop.group()
            at = position + 1
            if char in "'\"":
                found.append(self._string(position, found[-1] if found else None, bracketed=in_field or brackets > 0))
                at = found[-1].end
            elif char == "#":
                at = _COMMENT_END.search(source, at).start()  # type: ignore[union-attr]  # \Z always matches
                region.comment = True
            elif char == "\\":
                at += 1
            elif char in "([{":
                brackets += 1
            elif brackets == 0 and in_field and char in "}!:":
                if char != "!" or source[at : at + 1] != "=":
                    region.end = position
                    return found, region
                at += 1
            elif char in ")]}":
                brackets = max(0, brackets - 1)
            elif char == "=" and brackets == 0:
                if source[at : at + 1] == "=":
                    at += 1
                elif source[position - 1] not in "<>!":
                    region.equals = position
        if in_field:
            raise BrokenString("a replacement field never ends")
        return found, region

    def _string(self, quote_at: int, before: String | None, *, bracketed: bool) -> String:
        source = self.source
        start = _prefix_start(source, quote_at)
        prefix = source[start:quote_at]
        quote = source[quote_at] * 3 if source.startswith(source[quote_at] * 3, quote_at) else source[quote_at]
        joins = before is not None and bool(
            (_BRACKETED if bracketed else _SAME_LINE).fullmatch(source, before.end, start)
        )
        found = String(start, 0, prefix, quote, joins)
        if "f" in prefix.lower():
            self._enter()
            found.parts, end = self._text(quote_at + len(quote), found, in_spec=False)
            self.depth -= 1
            found.end = end + len(quote)
        else:
            found.end = self._plain_end(quote_at + len(quote), quote)
        return found

    def _enter(self) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise BrokenString("f-strings are nested too deeply")

    def _plain_end(self, at: int, quote: str) -> int:
        stops = _PLAIN_STOPS[quote]
        while stop := stops.search(self.source, at):
            if stop.group() == "\n":
                break
            if stop.group() == quote:
                return stop.end()
            at = stop.end() + 1
        raise BrokenString("a string never ends")

    def _text(self, at: int, owner: String, *, in_spec: bool) -> tuple[list[Literal | Field], int]:
        """Scan the text of an f-string, or of a format specification, up to its quote or closing brace."""
        source, quote, raw = self.source, owner.quote, "r" in owner.prefix.lower()
        parts: list[Literal | Field] = []
        start = at
        while stop := _TEXT_STOPS[quote].search(source, at):
            position, char = stop.start(), stop.group()
            at = stop.end()
            if char == "\\":
                at = _after_escape(source, at, raw=raw)
            elif char == "\n":
                if len(quote) == 1:
                    break
            elif char in "{}" and source[at : at + 1] == char and not in_spec:
                at += 1
            elif char == "}" and not in_spec:
                break
            else:
                if position > start:
                    parts.append(Literal(start, position))
                if char != "{":
                    if in_spec and char == quote:
                        break
                    return parts, position
                parts.append(self._field(position, owner))
                start = at = parts[-1].end
        raise BrokenString("an f-string never ends, or holds a single closing brace")

    def _field(self, start: int, owner: String) -> Field:
        source = self.source
        inside, region = self.code(start + 1, in_field=True)
        at = expr_end = region.end
        if region.equals > start and not source[region.equals + 1 : region.end].strip():
            expr_end = region.equals
        if not source[start + 1 : expr_end].strip():
            raise BrokenString("a replacement field is empty")
        result = Field(start, expr_end, region.end, inside, region.comment)
        if source[at] == "!":
            conversion = _CONVERSION.match(source, at)
            if conversion is None:
                raise BrokenString("a conversion is malformed")
            result.conversion, at = conversion.group(1), conversion.end()
        result.spec_start = at
        if source[at : at + 1] == ":":
            self._enter()
            result.spec, at = self._text(at + 1, owner, in_spec=True)
            self.depth -= 1
        if source[at : at + 1] != "}":
            raise BrokenString("a replacement field is malformed")
        result.end = at + 1
        return result


def _prefix_start(source: str, quote_at: int) -> int:
    """Where the prefix letters before a quote start; a name or keyword that ends there is no prefix."""
    start = quote_at
    while start > 0 and quote_at - start < 2 and source[start - 1] in "rRbBuUfF":
        start -= 1
    before = source[start - 1] if start else " "
    return quote_at if before.isalnum() or before == "_" else start


def _after_escape(source: str, at: int, *, raw: bool) -> int:
    """Where scanning goes on after a backslash: braces keep their meaning, save those of a named character."""
    if source[at : at + 1] in "{}":
        return at
    if not raw and source.startswith("N{", at):
        end = source.find("}", at)
        return end + 1 if end >= 0 else len(source)
    return at + 1
