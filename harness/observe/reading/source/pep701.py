"""F-strings that only Python 3.12 accepts, rewritten so that Python 3.11 accepts them too (PEP 701).

`f"a{x["k"]!r:>9}b"` becomes `"a{!r:>9}b".format((x["k"]))`. Each field is formatted before the next expression is
evaluated, as f-strings do it, hence one `.format` a field. The number of lines stays, and so does the line of
everything outside the string. One difference is left: with a field inside the specification of another, both values
are known before either is converted.
"""

from __future__ import annotations

import re
import unicodedata

from harness.observe.reading.source.fstrings import BrokenString, Field, Literal, String, strings

_ESCAPE = re.compile(
    r"\\(?:N\{([^}]{1,100})\}|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{1,3})|[\s\S])"
)


def to_311(source: str, *, every: bool = False) -> str:
    """Return `source` with those f-strings rewritten that need Python 3.12; with `every`, all f-strings.

    Text that is no Python comes back unchanged.
    """
    try:
        return _Rewriter(source, every=every).region(0, len(source), strings(source))
    except BrokenString:
        return source


def needs_312(source: str) -> bool:
    """Whether `source` holds an f-string that Python 3.11 rejects and Python 3.12 accepts."""
    try:
        return any(_only_312(source, item) for item in strings(source))
    except BrokenString:
        return False


def _only_312(source: str, item: String) -> bool:
    """Whether Python 3.11 rejects this string: a quote of its own, a backslash, comment or newline inside a field."""
    fields = item.fields()
    if any(top.depth > 1 for top in fields):
        return True
    for inner in fields:
        code = source[inner.start + 1 : inner.text_end]
        if inner.comment or "\\" in code or item.quote in code or (len(item.quote) == 1 and "\n" in code):
            return True
        if len(item.quote) == 1 and "\n" in source[inner.text_end : inner.spec_start]:
            return True
        if any(_only_312(source, deeper) for deeper in inner.strings):
            return True
    return False


class _Rewriter:
    def __init__(self, source: str, *, every: bool) -> None:
        self.source = source
        self.every = every

    def region(self, start: int, end: int, inside: list[String]) -> str:
        """Return characters `start` to `end`, with the strings `inside` rewritten where they must be."""
        out: list[str] = []
        first = 0
        while first < len(inside):
            last = first + 1
            while last < len(inside) and inside[last].joins:
                last += 1
            out += [self.source[start : inside[first].start], self._run(inside[first:last])]
            start, first = inside[last - 1].end, last
        return "".join(out) + self.source[start:end]

    def _run(self, run: list[String]) -> str:
        """Return adjacent strings: as they are, or joined by `+` once one of them is no literal any more."""
        offending = [self._offends(item) for item in run]
        if not any(offending):
            return self.source[run[0].start : run[-1].end]
        out: list[str] = []
        for index, (item, rewrite) in enumerate(zip(run, offending, strict=True)):
            if index:
                out.append(self.source[run[index - 1].end : item.start] + "+ ")
            out.append(self._rewrite(item) if rewrite else self.source[item.start : item.end])
        return out[0] if len(run) == 1 else f"({''.join(out)})"

    def _offends(self, item: String) -> bool:
        return bool(item.fields()) and (self.every or _only_312(self.source, item))

    def _rewrite(self, item: String) -> str:
        return self._format(item.parts or [], item)

    def _format(self, parts: list[Literal | Field], owner: String) -> str:
        """Return an expression for the text `parts` of an f-string; a part that is a field is among them."""
        pieces: list[tuple[str, list[str]]] = []
        text = ""
        for part in parts:
            if isinstance(part, Literal):
                text += self._literal(part, owner)
            else:
                template, arguments = self._field(part, owner)
                pieces.append((text + template, arguments))
                text = ""
        pieces[-1] = (pieces[-1][0] + text, pieces[-1][1])
        prefix = owner.prefix.replace("f", "").replace("F", "")
        calls = [f"{prefix}{owner.quote}{piece}{owner.quote}.format({', '.join(given)})" for piece, given in pieces]
        return calls[0] if len(calls) == 1 else f"({' + '.join(calls)})"

    def _field(self, item: Field, owner: String) -> tuple[str, list[str]]:
        """Return the field of a `str.format` template and the arguments it takes, in order."""
        source = self.source
        shown = item.text_end > item.expr_end
        # Line ends that would vanish with the `=` or the conversion are kept beside the argument.
        lost = "\n" * source.count("\n", item.expr_end, item.spec_start)
        expression = self.region(item.start + 1, item.expr_end, item.strings)
        arguments = [repr(source[item.start + 1 : item.text_end])] if shown else []
        arguments.append(f"({expression}{lost})")
        conversion = item.conversion or ("r" if shown and item.spec is None else "")
        template = ("{}" if shown else "") + "{" + (f"!{conversion}" if conversion else "")
        if item.spec is not None:
            spec, more = self._spec(item, owner)
            template += ":" + spec
            arguments += more
        return template + "}", arguments

    def _spec(self, item: Field, owner: String) -> tuple[str, list[str]]:
        parts = item.spec or []
        if item.depth > 1:  # str.format nests one level only
            return "{}", [self._format(parts, owner)]
        texts: list[str] = []
        arguments: list[str] = []
        for part in parts:
            if isinstance(part, Field):
                text, more = self._field(part, owner)
                arguments += more
            elif "\\" in self.source[part.start : part.end]:  # an escape may stand for a brace
                text = "{}"
                prefix = owner.prefix.replace("f", "").replace("F", "")
                arguments.append(f"{prefix}{owner.quote}{self.source[part.start : part.end]}{owner.quote}")
            else:
                text = self.source[part.start : part.end]
            texts.append(text)
        return "".join(texts), arguments

    def _literal(self, part: Literal, owner: String) -> str:
        """Return literal text for a `str.format` template: a brace that is written as an escape is doubled."""
        text = self.source[part.start : part.end]
        if "\\" not in text or "r" in owner.prefix.lower():
            return text
        return _ESCAPE.sub(lambda escape: escape.group() * (2 if _character(escape) in {"{", "}"} else 1), text)


def _character(escape: re.Match[str]) -> str:
    """Return the character that an escape sequence stands for, as far as it can be a brace; else an empty text."""
    name, *hexadecimal, octal = escape.groups()
    if name:
        try:
            return unicodedata.lookup(name)
        except KeyError:
            return ""
    digits = next((group for group in hexadecimal if group), None)
    code = int(digits, 16) if digits else int(octal, 8) if octal else 0
    return chr(code) if code < 128 else ""
