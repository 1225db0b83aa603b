"""Source code printed in a log: scripts of this competition print themselves before they train.

The code stands at the start of the file or of a run, often after a configuration dump, and ends at a line of `=`, at
the end of its `if __name__ == "__main__":` block, or where log lines begin.
"""

from __future__ import annotations

import difflib
import hashlib
import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from harness.model.base import snippet
from harness.model.logs import EmbeddedSource

MAX_COMPARED = 20_000
"""Lines of a text that are compared with another."""
MAX_DIFFERENCES = 10
MAX_COST = 5_000_000
"""Steps of an alignment, about a second; beyond them lines are compared without their order."""

MAX_TRIES = 2_000
"""Lines that look like the start of code and are looked at closely; each look costs up to `_WINDOW` lines."""

_WINDOW = 80
_MIN_CODE = 4
_START = re.compile(r"(?:from __future__ |import \w|from [\w.]{1,80} import |#!|[rR]?\"\"\"|[rR]?''')")
_START_CUT = re.compile(r"def \w{1,80}\(|class \w{1,80}[:(]")  # the head of the code was overwritten by other output
_ABOVE_CUT = re.compile(r"[\s#@)\]}\"']|[A-Za-z_]\w{0,60}(?:\s?:\s?\w{1,40})?\s?=[^=]|$")
_ABOVE = re.compile(r"#|@|[A-Za-z_]\w{0,60}(?:\s?:\s?\w{1,40})?\s?=[^=]|$")
_CODE = re.compile(
    r"\s{0,40}(?:def \w|class \w|import \w|from [\w.]{1,80} import |return\b|self\.|@\w|(?:if|for) .{1,200}:$|exec\()"
)
_SEPARATOR = re.compile(r"={60,}\s*$")
_MAIN = re.compile(r"if __name__\s?==")
_LOG = re.compile(
    r"logs/\S|Running P|step:\d|\d{1,9}/\d{1,9} (?:train|val)_loss|model_params:\s?\d|seed:\s?\d{1,9}$|train_loader:\w"
    r"|val_bpb:enabled|world_size:\d|warmup_step:|W\d{4} \d\d:|run_id:\S|\| NVIDIA-SMI"
)


class Region(NamedTuple):
    """Lines `first`..`last` (counted from 1, both inside) that are source code, and their text."""

    first: int
    last: int
    text: str


def find_source(lines: list[tuple[int, str]]) -> list[Region]:
    """Regions of source code among numbered lines, in order."""
    regions: list[Region] = []
    index = floor = tries = 0
    while index < len(lines) and tries < MAX_TRIES:
        text = lines[index][1]
        whole = _START.match(text) is not None
        if not whole and not _START_CUT.match(text):
            index += 1
            continue
        tries += 1
        if not _is_code(lines, index):
            index += 1
            continue
        start = _extend_up(lines, index, floor, _ABOVE if whole else _ABOVE_CUT)
        end = _end(lines, index)
        text = "\n".join(line for _, line in lines[start:end])
        regions.append(Region(lines[start][0], lines[end - 1][0], text.rstrip() + "\n"))
        index = floor = end
    return regions


def outside(lines: list[tuple[int, str]], regions: Iterable[Region]) -> Iterator[tuple[int, str]]:
    """The numbered lines that are in none of the regions."""
    start = 0
    for region in regions:
        yield from lines[start : bisect_left(lines, (region.first,), start)]
        start = bisect_left(lines, (region.last + 1,), start)
    yield from lines[start:]


def _is_code(lines: list[tuple[int, str]], index: int) -> bool:
    """Whether the lines from `index` on read like a script, and not like one import in a warning."""
    window = lines[index : index + _WINDOW]
    found = 0
    for offset, (_, text) in enumerate(window):
        if _SEPARATOR.match(text) or _LOG.match(text):
            break
        found += bool(_CODE.match(text))
        if found >= _MIN_CODE or (offset < 8 and "exec(" in text):
            return True
    return False


def _extend_up(lines: list[tuple[int, str]], index: int, floor: int, above: re.Pattern[str]) -> int:
    """First line of the block above `index` that is code too: comments, constants, decorators."""
    start = index
    while start > floor:
        text = lines[start - 1][1]
        if _SEPARATOR.match(text) or not above.match(text):
            break
        start -= 1
    while start < index and not lines[start][1].strip():
        start += 1
    return start


def _end(lines: list[tuple[int, str]], index: int) -> int:
    """Index behind the last line of the code that starts at `index`."""
    main = False
    for i in range(index, len(lines)):
        text = lines[i][1]
        if not text or text[0].isspace():  # most lines of code; nothing that ends it
            continue
        if _SEPARATOR.match(text) or _LOG.match(text):
            return i
        if main and not text.startswith(("#", "else", "elif")):
            return i
        main = main or bool(_MAIN.match(text))
    return len(lines)


def normal_form(text: str) -> str:
    """`text` with line feeds for line ends and without blanks at both ends: what comparison ignores."""
    return text.replace("\r\n", "\n").replace("\r", "\n").strip("\ufeff \t\n")


def describe(embedded: str, first_line: int, last_line: int) -> EmbeddedSource:
    """Size and digest of code printed in a log, before any comparison."""
    raw = embedded.encode("utf-8", "surrogatepass")
    return EmbeddedSource(
        first_line=first_line, last_line=last_line, bytes=len(raw), sha256=hashlib.sha256(raw).hexdigest()
    )


def compare_embedded(embedded: str, first_line: int, last_line: int, candidates: Mapping[str, str]) -> EmbeddedSource:
    """Compare code printed in a log with the submitted texts.

    `candidates` maps a path (`train_gpt.py`, or `train_gpt.py@1` for its first unpacked layer) to its text. Equal
    means equal but for line ends and blanks at both ends. Otherwise the nearest text is the one with the most lines in
    common, whatever their order, and the differing lines are those of a unified diff. At most `MAX_COMPARED` lines of
    each text are looked at.
    """
    found = describe(embedded, first_line, last_line)
    logged = normal_form(embedded)
    texts = {name: normal_form(text) for name, text in candidates.items()}
    equal = next((name for name, text in texts.items() if text == logged), None)
    if equal is not None:
        return found.model_copy(update={"equals": equal, "nearest": equal, "differing_lines": 0})
    ours = logged.split("\n", MAX_COMPARED)[:MAX_COMPARED]
    theirs = {name: text.split("\n", MAX_COMPARED)[:MAX_COMPARED] for name, text in texts.items() if text}
    if not theirs:
        return found
    counted = Counter(ours)
    nearest = min(theirs, key=lambda name: _distance(counted, len(ours), theirs[name]))
    count, shown = _differences(ours, theirs[nearest])
    return found.model_copy(update={"nearest": nearest, "differing_lines": count, "differences": shown})


def _distance(counted: Counter[str], size: int, other: list[str]) -> int:
    """Lines that only one of two texts has, order aside."""
    common = sum((counted & Counter(other)).values())
    return size + len(other) - 2 * common


class _TooCostlyError(Exception):
    """Alignment would take more than `MAX_COST` steps."""


class _Alignment(difflib.SequenceMatcher[str]):
    """Aligns two texts within `MAX_COST` steps: crafted texts can make the search for common blocks cubic."""

    def __init__(self, a: list[str], b: list[str]) -> None:
        super().__init__(None, a, b)
        counts = Counter(b)
        self._weights = [1 + counts[line] for line in a]
        self._cost = 0

    def find_longest_match(
        self, alo: int = 0, ahi: int | None = None, blo: int = 0, bhi: int | None = None
    ) -> difflib.Match:
        """The longest common block, after its cost was added up."""
        self._cost += sum(self._weights[alo:ahi])
        if self._cost > MAX_COST:
            raise _TooCostlyError
        return super().find_longest_match(alo, ahi, blo, bhi)


def _differences(ours: list[str], theirs: list[str]) -> tuple[int, tuple[str, ...]]:
    """Count of lines that differ and the first of them, `-` logged, `+` submitted."""
    head = 0
    while head < min(len(ours), len(theirs)) and ours[head] == theirs[head]:
        head += 1
    tail = 0
    while tail < min(len(ours), len(theirs)) - head and ours[-1 - tail] == theirs[-1 - tail]:
        tail += 1
    a, b = ours[head : len(ours) - tail], theirs[head : len(theirs) - tail]
    try:
        opcodes = _Alignment(a, b).get_opcodes()
    except _TooCostlyError:  # lines that only one text has: a lower bound
        only_a, only_b = Counter(a) - Counter(b), Counter(b) - Counter(a)
        lines = [f"-{line}" for line in only_a.elements()] + [f"+{line}" for line in only_b.elements()]
        return len(lines), tuple(snippet(line) for line in lines[:MAX_DIFFERENCES])
    shown: list[str] = []
    count = 0
    for tag, a0, a1, b0, b1 in opcodes:
        if tag == "equal":
            continue
        count += (a1 - a0) + (b1 - b0)
        changed = [f"-{line}" for line in a[a0:a1]] + [f"+{line}" for line in b[b0:b1]]
        shown += [snippet(line) for line in changed[: MAX_DIFFERENCES - len(shown)]]
    return count, tuple(shown)
