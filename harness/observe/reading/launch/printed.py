"""Settings that a program prints in lines of its own words: `f"improvements: ema ttt={args.ttt_enabled}"`.

The text of the program tells which attribute stands where in the line, so the label does not matter.
"""

from __future__ import annotations

import ast
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.model.base import At
from harness.model.logs import LogFacts
from harness.observe.reading.source.script import ScriptReading
from harness.observe.reading.text import decode

MIN_LETTERS = 10
"""Letters of constant text by which a line is known again."""
MAX_LINES, MAX_LOGS = 200, 8
"""Printed lines of a program, and logs, that are looked at."""
MAX_LENGTH = 1_000
MAX_VALUE = 120
_LETTER = re.compile(r"[A-Za-z]")


@dataclass(frozen=True)
class _Template:
    """A printed line: the constant texts around its values, and the attributes that these are, in order."""

    texts: tuple[str, ...]
    names: tuple[str | None, ...]

    @property
    def longest(self) -> str:
        """The constant text by which a line is looked for."""
        return max(self.texts, key=len)

    def values(self, line: str) -> list[str] | None:
        """The printed values in a line; None where it is another one. Goes through it once, whatever it holds."""
        if not line.startswith(self.texts[0]) or not line.endswith(self.texts[-1]):
            return None
        found, at = [], len(self.texts[0])
        for text in self.texts[1:-1]:
            end = line.find(text, at)
            if end < 0:
                return None
            found.append(line[at:end])
            at = end + len(text)
        found.append(line[at : len(line) - len(self.texts[-1])])
        return found if all(0 < len(one) <= MAX_VALUE and not any(map(str.isspace, one)) for one in found) else None


def printed_settings(
    script: ScriptReading, logs: Sequence[LogFacts], files: Mapping[str, bytes]
) -> dict[str, tuple[str, At]]:
    """The commonest printed value of each attribute, by its name in lower case, and where it was printed first.

    `files` hold the bytes of the logs by path. What is printed with a format is left out: it may be rounded.
    """
    templates = list(_templates(script))
    found: defaultdict[str, list[tuple[str, At]]] = defaultdict(list)
    for log in [one for one in logs if one.duplicate_of is None and one.path in files][:MAX_LOGS] if templates else ():
        text = decode(files[log.path]).text
        known = [one for one in templates if one.longest in text]
        for number, line in enumerate(text.split("\n"), 1) if known else ():
            for template in known:
                at = At(path=log.path, line=number)
                for name, value in zip(template.names, template.values(line.strip()) or (), strict=False):
                    if name is not None:
                        found[name].append((value, at))
    return {name: _commonest(entries) for name, entries in found.items()}


def _commonest(entries: Sequence[tuple[str, At]]) -> tuple[str, At]:
    value = Counter(text for text, _ in entries).most_common(1)[0][0]
    return next(entry for entry in entries if entry[0] == value)


def _templates(script: ScriptReading) -> Iterator[_Template]:
    if script.parsed.tree is None:
        return
    texts = [
        call.args[0]
        for call in script.parsed.index.of(ast.Call)
        if len(call.args) == 1 and isinstance(call.args[0], ast.JoinedStr)
    ]
    for text in texts[:MAX_LINES]:
        template = _template(text)
        if template is not None:
            yield template


def _template(text: ast.JoinedStr) -> _Template | None:
    """The line that a text makes; None where it shows no attribute as it is, is several lines, or says too little, or
    where two values stand side by side.
    """
    texts = [""]
    names: list[str | None] = []
    for part in text.values:
        if isinstance(part, ast.Constant):
            texts[-1] += str(part.value)
        else:
            texts.append("")
            names.append(_attribute(part))
    whole = "".join(texts)
    if "\n" in whole or len(whole) > MAX_LENGTH or len(_LETTER.findall(whole)) < MIN_LETTERS:
        return None
    if not any(names) or not all(texts[1:-1]):
        return None
    return _Template((texts[0].lstrip(), *texts[1:-1], texts[-1].rstrip()), tuple(names))


def _attribute(part: ast.expr) -> str | None:
    """The attribute that is printed as it is: `ttt_enabled` of `{args.ttt_enabled}`."""
    if not isinstance(part, ast.FormattedValue) or part.format_spec is not None or part.conversion != -1:
        return None
    value = part.value
    return value.attr.lower() if isinstance(value, ast.Attribute) and isinstance(value.value, ast.Name) else None
