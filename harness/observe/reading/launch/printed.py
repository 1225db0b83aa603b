"""Settings that a program prints in lines of its own words: `f"improvements: ema ttt={args.ttt_enabled}"`.

The text of the program tells which attribute stands where in the line, so the label does not matter. A line, or a piece
of one, that is only printed under a condition tells of that as well: where `f" lr={lr}" if args.slot_enabled else ""`
shows a rate, the setting was on. It tells only what all texts have in common that could have made the line.
"""

from __future__ import annotations

import ast
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product

from harness.model.base import At
from harness.model.logs import LogFacts
from harness.observe.reading.launch.declaring import reads_environment
from harness.observe.reading.source.script import ScriptReading
from harness.observe.reading.text import decode

MIN_LETTERS = 10
"""Letters of constant text by which a line is known again."""
MAX_LINES, MAX_LOGS = 2_000, 8
"""Texts of a program, and logs, that are looked at."""
MAX_LENGTH = 1_000
MAX_VALUE = 120
_CHOICES = 3
"""Pieces of one line that are printed under a condition."""
_OFTEN = 20
"""Lines of one text in a log that tell of conditions: more are alike."""
_LETTER = re.compile(r"[A-Za-z]")


Truths = Mapping[str, bool]
"""Attributes, by name in lower case, that are on or off wherever something is executed."""


@dataclass(frozen=True)
class Shown:
    """What logs show of attributes, by their names in lower case: a text, and where it was printed first."""

    values: Mapping[str, tuple[str, At]] = field(default_factory=dict)
    """As they were printed."""
    truths: Mapping[str, tuple[str, At]] = field(default_factory=dict)
    """`True` or `False`: whether they were on, of others than these."""


@dataclass(frozen=True, eq=False)
class _Template:
    """A printed line: the constant texts around its values, and the attributes that these are, in order."""

    texts: tuple[str, ...]
    names: tuple[str | None, ...]
    truths: Truths
    """What holds wherever it is printed."""
    printed: bool
    """Whether it is the only argument of a call, and shows an attribute."""

    @property
    def longest(self) -> str:
        """The constant text by which a line is looked for."""
        return max(self.texts, key=len)

    def values(self, line: str) -> list[str] | None:
        """The printed values in a line; None where it is another one. Goes through it once, whatever it holds."""
        if len(self.texts) == 1:
            return [] if line == self.texts[0] else None
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


def printed_settings(script: ScriptReading, logs: Sequence[LogFacts], files: Mapping[str, bytes]) -> Shown:
    """The commonest printed value of each attribute, and what lines that are printed under conditions tell.

    `files` hold the bytes of the logs by path. What is printed with a format is left out: it may be rounded.
    """
    every = list(_templates(script))
    templates = [one for one in every if one.printed or one.truths]
    found: defaultdict[str, list[tuple[str, At]]] = defaultdict(list)
    switched: defaultdict[str, list[tuple[str, At]]] = defaultdict(list)
    own = [one for one in logs if one.duplicate_of is None and one.path in files][:MAX_LOGS] if templates else []
    for log in own:
        text = decode(files[log.path]).text
        known = [one for one in templates if one.longest in text]
        told: dict[str, tuple[str, At]] = {}
        seen = Counter[_Template]()
        for number, line in enumerate(text.split("\n"), 1) if known else ():
            for template in known:
                values = template.values(line.strip())
                if values is None:
                    continue
                at = At(path=log.path, line=number)
                for name, value in zip(template.names, values, strict=True):
                    if name is not None and template.printed:
                        found[name].append((value, at))
                seen[template] += 1
                if template.truths and len(every) < MAX_LINES and seen[template] <= _OFTEN:
                    for name, truth in _common(line.strip(), every).items():
                        told.setdefault(name, (str(truth), at))
        for name, entry in told.items():
            switched[name].append(entry)
    # What one log of several shows is an experiment beside the others.
    most = {name: one for name, one in switched.items() if name not in found and 2 * len(one) > len(own)}
    return Shown(*({name: _commonest(entries) for name, entries in kind.items()} for kind in (found, most)))


def _common(line: str, templates: Sequence[_Template]) -> Truths:
    """What holds wherever a line may have been printed."""
    known = [one.truths.items() for one in templates if one.values(line) is not None]
    return dict(frozenset.intersection(*map(frozenset, known))) if known else {}


def _commonest(entries: Sequence[tuple[str, At]]) -> tuple[str, At]:
    value = Counter(text for text, _ in entries).most_common(1)[0][0]
    return next(entry for entry in entries if entry[0] == value)


def _templates(script: ScriptReading) -> Iterator[_Template]:
    if script.parsed.tree is None:
        return
    aliases = _aliases(script.parsed.index.of(ast.Assign))
    left = MAX_LINES
    for text, truths, alone in _lines(script.parsed.tree, aliases):
        for template in _template(text, truths, aliases, alone=alone):
            yield template
            left -= 1
            if not left:
                return


def _lines(tree: ast.AST, aliases: Mapping[str, str]) -> Iterator[tuple[ast.expr, Truths, bool]]:
    """Texts, what is known of settings where they are made, and whether each is the only argument of a call."""
    waiting: list[tuple[ast.AST, Truths]] = [(tree, {})]
    alone: set[int] = set()
    while waiting:
        node, truths = waiting.pop()
        if isinstance(node, ast.Call) and len(node.args) == 1:
            alone.add(id(node.args[0]))
        if isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str)):
            yield node, truths, id(node) in alone
            continue
        children: list[tuple[ast.AST, Truths]]
        if isinstance(node, (ast.If, ast.IfExp)):
            body, orelse = ([part] if isinstance(part, ast.expr) else part for part in (node.body, node.orelse))
            children = [(node.test, truths)]
            children += [(child, {**truths, **_truths(node.test, aliases, holds=True)}) for child in body]
            children += [(child, {**truths, **_truths(node.test, aliases, holds=False)}) for child in orelse]
        else:
            inside = {} if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)) else truths
            children = [(child, inside) for child in ast.iter_child_nodes(node)]
        waiting += reversed(children)


def _aliases(assigns: Sequence[ast.Assign]) -> dict[str, str]:
    """Variables that are always the same attribute, or variable of the environment: `use_slot = args.slot_enabled`."""
    meant: defaultdict[str, set[str | None]] = defaultdict(set)
    for node in assigns:
        for target in node.targets:
            for name in ast.walk(target):
                if isinstance(name, ast.Name):
                    meant[name.id].add(_setting(node.value) if name is target else None)
    return {name: one for name, values in meant.items() if len(values) == 1 and (one := next(iter(values))) is not None}


def _truths(test: ast.expr, aliases: Mapping[str, str], *, holds: bool) -> Truths:
    """Which attributes are on, or off, where a test holds, or does not."""
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        return _truths(test.operand, aliases, holds=not holds)
    if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And) is holds:
        return {name: truth for one in test.values for name, truth in _truths(one, aliases, holds=holds).items()}
    name = aliases.get(test.id) if isinstance(test, ast.Name) else _plain_attribute(test)
    return {} if name is None else {name: holds}


def _template(text: ast.expr, truths: Truths, aliases: Mapping[str, str], *, alone: bool) -> Iterator[_Template]:
    """The lines that a text makes, one for each way in which the conditions in it may turn out."""
    parts = text.values if isinstance(text, ast.JoinedStr) else [text]
    choices = [test for part in parts if (test := _choice(part)) is not None][:_CHOICES]
    for turned in product((True, False), repeat=len(choices)):
        known = dict(truths)
        for test, holds in zip(choices, turned, strict=True):
            known |= _truths(test.test, aliases, holds=holds)
        own = {id(test): (test.body if holds else test.orelse) for test, holds in zip(choices, turned, strict=True)}
        found = _line([piece for part in parts for piece in _pieces(part, own)], known, alone=alone)
        if found is not None:
            yield found


def _choice(part: ast.expr) -> ast.IfExp | None:
    """A piece of a line that is one text or another."""
    value = part.value if isinstance(part, ast.FormattedValue) else None
    texts = isinstance(value, ast.IfExp) and all(
        isinstance(one, (ast.JoinedStr, ast.Constant)) for one in (value.body, value.orelse)
    )
    return value if texts and isinstance(value, ast.IfExp) else None


def _pieces(part: ast.expr, chosen: Mapping[int, ast.expr]) -> Sequence[ast.expr]:
    """The parts of a piece that was chosen; the piece itself where there was nothing to choose."""
    text = chosen.get(id(part.value)) if isinstance(part, ast.FormattedValue) else None
    if text is None:
        return [part]
    return text.values if isinstance(text, ast.JoinedStr) else [text]


def _line(parts: Sequence[ast.expr], truths: Truths, *, alone: bool) -> _Template | None:
    """The line that parts make; None where it is several lines, or says too little, or where two values stand side by
    side.
    """
    texts = [""]
    names: list[str | None] = []
    for part in parts:
        if isinstance(part, ast.Constant):
            texts[-1] += str(part.value)
        else:
            texts.append("")
            names.append(_attribute(part))
    whole = "".join(texts)
    if "\n" in whole or len(whole) > MAX_LENGTH or len(_LETTER.findall(whole)) < MIN_LETTERS:
        return None
    if not all(texts[1:-1]):
        return None
    if len(texts) == 1:
        return _Template((whole.strip(),), (), truths, printed=False)
    texts = [texts[0].lstrip(), *texts[1:-1], texts[-1].rstrip()]
    return _Template(tuple(texts), tuple(names), truths, printed=alone and any(names))


def _attribute(part: ast.expr) -> str | None:
    """The attribute that is printed as it is: `ttt_enabled` of `{args.ttt_enabled}`."""
    if not isinstance(part, ast.FormattedValue) or part.format_spec is not None or part.conversion != -1:
        return None
    return _plain_attribute(part.value)


def _setting(value: ast.expr) -> str | None:
    """The attribute that a value is, or the only variable of the environment that it is made of."""
    calls = [part for part in ast.walk(value) if isinstance(part, ast.Call) and reads_environment(part.func)]
    names = [call.args[0] for call in calls if call.args]
    if len(names) != 1 or len(calls) != 1:
        return _plain_attribute(value)
    return names[0].value.lower() if isinstance(names[0], ast.Constant) and isinstance(names[0].value, str) else None


def _plain_attribute(value: ast.expr) -> str | None:
    return value.attr.lower() if isinstance(value, ast.Attribute) and isinstance(value.value, ast.Name) else None
