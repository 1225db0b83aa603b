"""Run scripts made plain: shell variables replaced by what the script itself gives them."""

from __future__ import annotations

import re
from collections.abc import Mapping

from harness.observe.reading.launch.commands import Command, find_commands

MAX_LINES = 4_000
MAX_LINE = 2_000
_ASSIGNMENT = re.compile(
    r"\s*(?:export\s+|local\s+|readonly\s+)?([A-Za-z_]\w{0,80})=(\"[^\"]*\"|'[^']*'|[^\s;&|()]*)\s*(?:#.*)?"
)
_ARRAY = re.compile(r"\s*([A-Za-z_]\w{0,80})=\(([^()]*)(\)?)\s*(?:#.*)?")
_VARIABLE = re.compile(r"\"?\$\{(\w{1,80})\[@\]\}\"?|\$(?:\{(\w{1,80})(?:(:?[-=])([^{}$]{0,200}))?\}|(\w{1,80}))")


def steps_of(path: str, text: str) -> list[Command]:
    """The commands of a run script in order, with its own variables replaced. Never raises."""
    return find_commands(path, plain(text), readme=False)


def plain(text: str) -> str:
    """A run script's text, line by line, with variables replaced where the lines before give them one plain value.

    Positional parameters count with their default (`${1:-both}`); a variable that nobody set stays as it is.
    """
    known: dict[str, str] = {}
    array: str | None = None
    lines = []
    for whole in text.split("\n")[:MAX_LINES]:
        line = _expanded(whole[:MAX_LINE].rstrip("\r"), known)
        if array is not None:
            inside, closed, _ = line.partition(")")
            known[array] += " " + inside.partition("#")[0].strip()
            array = None if closed else array
            line = ""
        elif (opened := _ARRAY.fullmatch(line)) is not None:
            known[opened.group(1)] = opened.group(2).strip()
            array = None if opened.group(3) else opened.group(1)
            line = ""
        elif (found := _ASSIGNMENT.fullmatch(line)) is not None:
            value = found.group(2)
            bare = value[1:-1] if value[:1] in {'"', "'"} else value
            if not any(sign in bare for sign in "$`"):
                known[found.group(1)] = bare
        lines.append(line)
    return "\n".join(lines)


def _expanded(text: str, known: Mapping[str, str]) -> str:
    def value(found: re.Match[str]) -> str:
        name = found.group(1) or found.group(2) or found.group(5)
        given = known.get(name)
        if given is not None:
            return given
        return found.group(4) if found.group(3) is not None else found.group()

    return _VARIABLE.sub(value, text)
