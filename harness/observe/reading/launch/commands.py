"""Launch commands in READMEs and run scripts: environment, script, processes."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from harness.model.base import At

MAX_LINES = 4_000
MAX_LINE = 2_000
"""Longest line (after joining continuations: four times that) that is read as a command, in characters."""
MAX_COMMANDS = 60
MIN_LISTED = 3
"""Fewest assignments without a command that a README's block must hold to count."""

_ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]{0,80})=(.*)", re.DOTALL)
_VARIABLE = re.compile(r"\$(?:\{([A-Za-z_]\w{0,80})(?::?[-=]([^{}$]{0,200}))?\}|([A-Za-z_]\w{0,80}))")
_FOR = re.compile(r"\s*for\s+([A-Za-z_]\w{0,80})\s+in\s+([^;]{1,300})")
_HEREDOC = re.compile(r"<<-?\s*['\"]?([A-Za-z_]\w{0,40})['\"]?")
_PROCESSES = re.compile(r"--nproc[-_]per[-_]node[=\s]+\"?(\d{1,4})\b")
_RUNNERS = ("torchrun", "python", "accelerate", "modal", "deepspeed", "uv", "py ")
_PREFIXES = frozenset(
    {"nohup", "env", "sudo", "time", "exec", "command", "then", "do", "else", "&&", "stdbuf", "$", ">"}
)
_SHELLS = frozenset({"bash", "sh", "source", "."})


@dataclass(frozen=True)
class Command:
    """One command that starts a Python file (or, for `shell`, another run script)."""

    text: str
    at: At
    script: str | None
    environment: Mapping[str, str]
    """Variables set for the command, with values that could be read; others are left out."""
    arguments: tuple[str, ...] = ()
    processes: int | None = None
    """`--nproc_per_node`, None when not given."""
    shell: str | None = None
    from_readme: bool = True


@dataclass
class _Shell:
    """Variables while lines of one block or file are read."""

    path: str
    readme: bool
    exported: dict[str, str] = field(default_factory=dict)
    local: dict[str, str] = field(default_factory=dict)
    commands: list[Command] = field(default_factory=list)


def find_commands(path: str, text: str, *, readme: bool) -> list[Command]:
    """Commands in a README (fenced blocks, inline code, indented lines) or in a run script. Never raises."""
    lines = text.split("\n")[:MAX_LINES]
    shell = _Shell(path, readme)
    if not readme:
        _read_lines(shell, enumerate(lines, 1))
        return shell.commands[:MAX_COMMANDS]
    scattered: dict[str, set[str]] = {}
    for block in _blocks(lines):
        part = _Shell(path, readme)
        _read_lines(part, iter(block))
        if not part.commands and len(part.exported) < MIN_LISTED:
            for name, value in part.exported.items():
                scattered.setdefault(name, set()).add(value)
        if not part.commands and len(part.exported) >= MIN_LISTED:
            # A block of assignments without a command says what is set for the command that stands elsewhere.
            at = At(path=path, line=block[0][0], end_line=block[-1][0])
            part.commands.append(Command(text="", at=at, script=None, environment=part.exported))
        shell.commands.extend(part.commands)
        if len(shell.commands) >= MAX_COMMANDS:
            break
    # Assignments spread over the prose count where they never contradict each other.
    agreed = {name: values.pop() for name, values in scattered.items() if len(values) == 1}
    if len(agreed) >= MIN_LISTED:
        shell.commands.append(Command(text="", at=At(path=path), script=None, environment=agreed))
    return shell.commands[: MAX_COMMANDS + 1]


def _blocks(lines: list[str]) -> Iterator[list[tuple[int, str]]]:
    """Pieces of a Markdown text that may hold commands, with line numbers."""
    block: list[tuple[int, str]] | None = None
    for number, line in enumerate(lines, 1):
        if line.lstrip().startswith(("```", "~~~")):
            if block is None:
                block = []
            else:
                yield block
                block = None
        elif block is not None:
            block.append((number, line))
        elif "`" in line and len(line) <= MAX_LINE:
            for code in line.split("`")[1::2]:
                yield [(number, code)]
        elif line.startswith(("    ", "\t")) or _looks_like_command(line):
            yield [(number, line)]
    if block:
        yield block


def _looks_like_command(line: str) -> bool:
    head = line[:200].lstrip("$ ")
    return head.startswith(_RUNNERS) or bool(re.match(r"[A-Z][A-Z0-9_]{1,60}=\S", head))


def _read_lines(shell: _Shell, lines: Iterator[tuple[int, str]]) -> None:
    until: str | None = None
    for number, line in _joined(lines):
        if until is not None:
            until = None if line.strip() == until else until
            continue
        here = _HEREDOC.search(line[:MAX_LINE])
        until = here.group(1) if here else None
        loop = _FOR.match(line)
        if loop:
            first = loop.group(2).split()
            if first:
                shell.local[loop.group(1)] = _clean(first[0], shell) or ""
        for piece in _pieces(line[loop.end() :].lstrip("; ") if loop else line):
            _read_command(shell, number, piece)


def _joined(lines: Iterator[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    """Lines with backslash continuations joined."""
    start, parts = 0, list[str]()
    for number, whole in lines:
        line = whole[:MAX_LINE].rstrip()
        start = start or number
        if line.endswith("\\") and sum(map(len, parts)) < 3 * MAX_LINE:
            parts.append(line[:-1])
            continue
        yield start, " ".join([*parts, line])
        start, parts = 0, []
    if parts:
        yield start, " ".join(parts)


def _pieces(line: str) -> list[str]:
    """Commands of one line, split at `;`, `&&` and `|` outside quotes."""
    pieces, quote, start = [], "", 0
    for index, char in enumerate(line):
        if quote:
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
        elif char == ";" or line.startswith(("&&", "| ", "||"), index):
            pieces.append(line[start:index])
            start = index + (1 if char == ";" else 2)
    pieces.append(line[start:])
    return [piece.strip() for piece in pieces if piece.strip()]


def _words(piece: str) -> list[str]:
    try:
        return shlex.split(piece, comments=True)
    except ValueError:
        return piece.split()


def _read_command(shell: _Shell, number: int, piece: str) -> None:
    words = _words(piece)
    exported = bool(words) and words[0] == "export"
    if exported:
        words = words[1:]
    while words and words[0] in _PREFIXES:
        words = words[1:]
    given: dict[str, str] = {}
    while words and (found := _ASSIGNMENT.fullmatch(words[0])):
        value = _clean(found.group(2), shell)
        if value is not None:
            given[found.group(1)] = value
            shell.local[found.group(1)] = value
        words = words[1:]
        while words and words[0] in _PREFIXES:
            words = words[1:]
    if exported:
        shell.exported |= given
    elif words:
        _note(shell, number, piece, words, given)
    elif shell.readme and len(given) >= 1:
        # A README that lists assignments above the command means them to be in force.
        shell.exported |= given


def _note(shell: _Shell, number: int, piece: str, words: list[str], given: dict[str, str]) -> None:
    if len(shell.commands) >= MAX_COMMANDS:
        return
    name = words[0].rsplit("/", 1)[-1]
    direct = name.endswith(".py") and not shell.readme  # prose names files without meaning to run them
    runs_python = direct or name.startswith(("torchrun", "python", "accelerate", "modal", "deepspeed", "uv"))
    script = next((_clean(word, shell) for word in words if word.endswith(".py")), None) if runs_python else None
    shell_script = next((w for w in words[1:2] if w.endswith((".sh", ".bash"))), None) if name in _SHELLS else None
    if script is None and shell_script is None:
        return
    arguments: tuple[str, ...] = ()
    if script is not None:
        position = next(i for i, word in enumerate(words) if word.endswith(".py"))
        arguments = tuple(words[position + 1 :])[:60]
    processes = _PROCESSES.search(_expand(piece[:MAX_LINE], shell))
    shell.commands.append(
        Command(
            text=piece[:MAX_LINE],
            at=At(path=shell.path, line=number),
            script=script,
            environment={**shell.exported, **given},
            arguments=arguments,
            processes=int(processes.group(1)) if processes else None,
            shell=shell_script,
            from_readme=shell.readme,
        )
    )


def _expand(text: str, shell: _Shell) -> str:
    def value(found: re.Match[str]) -> str:
        name = found.group(1) or found.group(3)
        known = shell.local.get(name, shell.exported.get(name))
        return known if known is not None else found.group(2) if found.group(2) is not None else found.group()

    return _VARIABLE.sub(value, text)


def _clean(value: str, shell: _Shell) -> str | None:
    """The value as the shell would pass it; None when it cannot be told or is no value at all."""
    value = _expand(value[:MAX_LINE], shell).strip()
    value = value.rstrip("\\").strip()
    if value.startswith("`"):
        return None
    value = value.rstrip("`").rstrip(",;")
    if value.endswith("**") and not value.startswith("**"):
        value = value[:-2]  # the end of bold text in Markdown
    if len(value) >= 2 and value[0] == value[-1] and value[0] in "'\"":
        value = value[1:-1]
    if any(sign in value for sign in ("$", "`", "<", ">", "...", "…", "\n")):
        return None
    return value
