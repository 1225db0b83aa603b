"""Sentences and commands about data, from descriptions, run scripts and preparation scripts.

Prose is matched for few things only, one line at a time, and a denial in the line silences it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from harness.model.base import At, snippet
from harness.model.statements import Statement, StatementKind
from harness.observe.reading.text import decode

MAX_FILES = 60
MAX_BYTES = 1 << 20
"""Longest file that is read."""
MAX_TOTAL = 4 << 20
"""Bytes of all files together."""
MAX_LINES = 6_000
MAX_LINE = 3_000
MAX_STATEMENTS = 200
MAX_OF_KIND = 12
"""Statements of one kind that are kept of one file."""

_PROSE = (".md", ".txt", ".json")
_COMMANDS = (".sh", ".bash", ".md", ".py")

_WORDS = re.compile(r"val|golf|prefix|seed")
"""What a line must hold, in lower case, to be looked at."""
_PYTHON_WORDS = ("_docs", "-docs", "parameter-golf-")
"""What a Python file must hold to be looked at: little is matched in code."""
_LINK = re.compile(
    r"\b(?:ln\s+-\w{1,6}|cp(?:\s+-\w{1,6})?|mv)\s+\S{0,200}val\S{0,80}\s+\S{0,200}_train_\S{0,80}", re.IGNORECASE
)
_DENIES = re.compile(
    r"\b(?:no|not|non|never|without|don'?t|doesn'?t|isn'?t|disallow\w*|cannot|can'?t|illegal|forbid\w*|reject\w*|violat\w*"
    r"|instead of|prohibit\w*|rather than|avoid\w*|unlike|invalid|before you|accus\w*|banned|ruled|zero|neither|nor"
    r"|none|only allowed|false|optional\w*)\b|✓|✅|\[x\]",
    re.IGNORECASE,
)
_ADAPTS = re.compile(
    r"test[- ]time|\bTTT\b|\badapt|\bscor(?:e|ed|ing)|already|graded|evaluated|causal|online|PR ?#\d|pull/\d|pre-?quant"
    r"|legal|prefix",
    re.IGNORECASE,
)
_TRAINS = re.compile(
    r"\bval(?:idation)?[- ]only[- ](?:training|trained|run|approach)|\bval(?:idation)?[- ]only\b[^.]{0,30}\btrain"
    r"|\btrain(?:ed|ing|s)?\s+(?:(?:directly|entirely|only|solely|exclusively)\s+)?(?:up)?on\s+(?:the\s+)?(?:public\s+|full\s+)?"
    r"(?:`?fineweb_val\S{0,20}|val(?:idation)?(?:[- _](?:shard|set|split|data|tokens))\b)"
    r"|\bboth\b[^.]{0,60}\btrain[^.]{0,60}\bval[^.]{0,60}\bpoint(?:ed)?\s+(?:at|to)\b[^.]{0,40}\bvalidation",
    re.IGNORECASE,
)
_SWITCH = re.compile(r"\btrain_?(?:on|with)_?val\w{0,20}[`\"']{0,3}\s?[=:]\s?[\"'`]{0,3}(?:1|true)\b", re.IGNORECASE)
_NAMED_VAL_ONLY = re.compile(r"^[\s#\"]*(?:\"?name\"?\s{0,4}:\s{0,4}\"|#\s)[^\n]{0,80}\bval[- ]only\b", re.IGNORECASE)
_PREFIX = re.compile(
    r"^[\s#\"]*(?:\"name\"\s{0,4}:\s{0,4}\"|#\s)[^\n]{0,80}\bpaid[- ]prefix"
    r"|\bpaid[- ]prefix\b[^.\n]{0,160}\b(?:stor|blob|token|artifact|cache|cover)"
    r"|\b(?:stor|embed|pack|ship)\w{0,4}\b[^.\n]{0,60}\bval(?:idation)?\s+(?:target\s+)?tokens\b[^.\n]{0,60}"
    r"\b(?:artifact|blob|compressed|verbatim)",
    re.IGNORECASE,
)
_STATED = re.compile(r"\bval[-_]docs[`\"'\s=:]{1,4}(\d[\d_,]{2,9})\b", re.IGNORECASE)
_DEFAULT = re.compile(
    r"[\"']--(?:val|validation)[-_]docs[\"'][^\n]{0,80}\bdefault\s?=\s?(\d[\d_]{2,9})|\bnum_val_docs\s?=\s?(\d[\d_]{2,9})"
)
_REPOSITORY = re.compile(r"(?:huggingface\.co/datasets/|(?<![\w./~-]))[\w-]{2,40}/parameter-golf-[\w.-]{1,60}")
_TECHNIQUES = (
    (StatementKind.NAMES_AVERAGE, re.compile(r"(?<![A-Za-z])(?:EMA|SWA)(?![a-z])|[Ww]eight [Aa]veraging")),
    (
        StatementKind.NAMES_QUANTISED_TRAINING,
        re.compile(r"(?<![A-Za-z])QAT(?![a-z])|[Qq]uantization-[Aa]ware [Tt]raining"),
    ),
)
_TRIED = re.compile(
    r"\b(?:no|not|non|without|didn'?t|doesn'?t|don'?t|fail\w*|negative|ablation\w*|tried|attempt\w*|dropp?\w*|remov\w*|future|next"
    r"|lessons?|history|previous|prior|related|baseline|background|idea\w*|experiment\w*|compar\w*|vs|versus|why|explor\w*"
    r"|instead|disabled?|optional|dead|hurt\w*|findings?|analysis|studied|study|future|todo|plan\w*|considered|abandon\w*"
    r"|changelog|log|notes?|journey|timeline|results?|credits?|lineage|references?|acknowledg\w*|off)\b"
    r"|n't\b|PR ?#?\d|[?❌✗→]",
    re.IGNORECASE,
)
_SEEDS = re.compile(
    r"\b(?:mean|average|avg|std|stddev)\b(?:[^\n.]|\.(?=\d)){0,60}\b(\d{1,2})[- ]seeds?\b"
    r"|\b(\d{1,2})[- ]seeds?\s+(?:mean|average|avg)",
    re.IGNORECASE,
)


def read_statements(files: Mapping[str, bytes]) -> tuple[Statement, ...]:
    """Statements of all files that may hold them, those at the root first. Never raises."""
    found: list[Statement] = []
    wanted = [path for path, data in files.items() if _may_state(path, len(data))]
    total = 0
    for path in sorted(wanted, key=lambda path: (path.count("/"), path))[:MAX_FILES]:
        total += len(files[path])
        if total > MAX_TOTAL:
            break
        counts: dict[StatementKind, int] = {}
        for statement in _of(path, files[path]):
            counts[statement.kind] = counts.get(statement.kind, 0) + 1
            if counts[statement.kind] <= MAX_OF_KIND:
                found.append(statement)
    return tuple(found[:MAX_STATEMENTS])


def _may_state(path: str, size: int) -> bool:
    name = PurePosixPath(path).name.lower()
    suffix = PurePosixPath(name).suffix
    if size > MAX_BYTES or (suffix == ".txt" and not name.startswith("readme")):
        return False
    return suffix in {*_PROSE, *_COMMANDS}


def _of(path: str, data: bytes) -> Iterator[Statement]:
    name = PurePosixPath(path)
    suffix = name.suffix.lower()
    text = decode(data).text
    prose = suffix in _PROSE and "/" not in path
    commands = suffix in _COMMANDS
    described = prose and (name.name.lower().startswith(("readme", "submission")))
    if suffix == ".py" and not any(word in text for word in _PYTHON_WORDS):
        return
    readme = described and suffix == ".md"
    muted = 0
    for number, line in enumerate(text.split("\n")[:MAX_LINES], 1):
        if readme and line.startswith("#"):
            level = len(line) - len(line.lstrip("#"))
            muted = muted if 0 < muted < level else level if _TRIED.search(line[:MAX_LINE]) else 0
            for kind, pattern in _TECHNIQUES if not muted else ():
                if pattern.search(line[:MAX_LINE]):
                    yield Statement(kind=kind, at=At(path=path, line=number), text=snippet(line.strip()))
        if not _WORDS.search(line.lower()):
            continue
        for kind, value in _kinds(line[:MAX_LINE], prose=described, commands=commands, python=suffix == ".py"):
            yield Statement(kind=kind, value=value, at=At(path=path, line=number), text=snippet(line.strip()))


def _kinds(line: str, *, prose: bool, commands: bool, python: bool) -> Iterator[tuple[StatementKind, float | None]]:
    if commands and not python and _LINK.search(line):
        yield StatementKind.LINKS_VALIDATION, None
    if commands and not python and _SWITCH.search(line) and not _DENIES.search(line):
        yield StatementKind.TRAINS_ON_VALIDATION, None
    if python:
        if match := _DEFAULT.search(line):
            yield StatementKind.SPLIT_DEFAULT, _number(match.group(1) or match.group(2))
    elif match := _STATED.search(line):
        yield StatementKind.SPLIT_STATED, _number(match.group(1))
    if _REPOSITORY.search(line):
        yield StatementKind.DATA_REPOSITORY, None
    if not prose:
        return
    if _NAMED_VAL_ONLY.search(line) and not _DENIES.search(line):
        yield StatementKind.TRAINS_ON_VALIDATION, None
    else:
        for sentence in re.split(r"(?<=[.;!?])\s|\\n", line):
            if _TRAINS.search(sentence) and not _DENIES.search(sentence) and not _ADAPTS.search(sentence):
                yield StatementKind.TRAINS_ON_VALIDATION, None
                break
    for sentence in re.split(r"(?<=[.;!?])\s|\\n", line):
        if _PREFIX.search(sentence) and not _DENIES.search(sentence):
            yield StatementKind.PAID_PREFIX, None
            break
    if match := _SEEDS.search(line):
        yield StatementKind.SEEDS, _number(match.group(1) or match.group(2))


def _number(digits: str) -> float:
    return float(re.sub(r"[_,]", "", digits))
