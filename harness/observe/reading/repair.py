"""JSON as people leave it: read strictly where possible, otherwise repaired, and every repair named.

Damage met in real submissions: byte-order marks, `json{` pasted from Markdown, a shell line `cat > file` in front, a
second object behind the first, trailing commas, missing commas between lines, a missing closing brace, a cut string.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import Any

MAX_TEXT = 1 << 20
MAX_DEPTH = 64
_TRAILING_COMMA = re.compile(r",(\s*[}\]])")
_MISSING_COMMA = re.compile(r'((?:"|\d|\}|\]|true|false|null)[ \t]*\n)(?=[ \t]*")')
_STRING_OR_BRACKET = re.compile(r'"(?:[^"\\\n]|\\.)*"|[{}\[\]]')


@dataclass(frozen=True)
class Repaired:
    """`value` is the first JSON object of the text (None: nothing could be read); `damage` is what had to be mended."""

    value: dict[str, Any] | None
    damage: tuple[str, ...] = ()


def load_object(text: str) -> Repaired:
    """The JSON object in `text`. Never raises; numbers that are not finite become None."""
    if not text.strip():
        return Repaired(None, ("the file is empty",))
    if len(text) > MAX_TEXT:
        return Repaired(None, (f"the file has {len(text)} characters, more than the {MAX_TEXT} that are read",))
    try:
        return _object(json.loads(text, parse_constant=lambda _: None))
    except (ValueError, RecursionError) as error:
        first = str(error)
    start = text.find("{")
    if start < 0:
        return Repaired(None, (f"no JSON object in the file ({first})",))
    damage = [f"not valid JSON ({first})"]
    if text[:start].strip():
        damage.append(f"text before the object ({text[:start].strip()[:40]!r}) was skipped")
    return _mend(text[start:], damage)


def _mend(text: str, damage: list[str]) -> Repaired:
    attempts = [("", text)]
    attempts.append(("trailing commas were removed", _TRAILING_COMMA.sub(r"\1", text)))
    attempts.append(("missing commas were added", _MISSING_COMMA.sub(r"\1,", attempts[-1][1])))
    attempts.append(("the object was closed where the text ends", _close(attempts[1][1])))
    attempts.append(("commas were added and the object closed", _close(attempts[2][1])))
    decoder = json.JSONDecoder(parse_constant=lambda _: None)
    for repair, candidate in attempts:
        try:
            value, end = decoder.raw_decode(candidate)
        except (ValueError, RecursionError):
            continue
        notes = [*damage, repair] if repair else damage
        if candidate[end:].strip():
            notes = [*notes, f"text behind the object ({candidate[end:].strip()[:40]!r}) was skipped"]
        result = _object(value)
        return Repaired(result.value, (*notes, *result.damage))
    return Repaired(None, (*damage, "it could not be repaired"))


def _object(value: Any) -> Repaired:
    if not isinstance(value, dict):
        return Repaired(None, (f"the top level is a {type(value).__name__}, not an object",))
    return Repaired(_finite(value, MAX_DEPTH))


def _finite(value: Any, depth: int) -> Any:
    """`value` without infinities and without anything below `depth`."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > 1 << 62:
        return None
    if isinstance(value, dict):
        return {key: _finite(item, depth - 1) for key, item in value.items()} if depth else None
    if isinstance(value, list):
        return [_finite(item, depth - 1) for item in value] if depth else None
    return value


def _close(text: str) -> str:
    """`text` with an open string dropped and every open bracket closed."""
    stack: list[str] = []
    end = 0
    for match in _STRING_OR_BRACKET.finditer(text):
        token = match.group()
        if token in "{[":
            stack.append("}" if token == "{" else "]")
        elif token in "}]":
            if not stack:
                break
            stack.pop()
        end = match.end()
        if not stack and token in "}]":
            return text[:end]
    rest = text[end:]
    body = text if '"' not in rest else text[:end]
    body = body.rstrip().rstrip(",:").rstrip()
    body = re.sub(r',?\s*"(?:[^"\\\n]|\\.)*"\s*$', "", body) if text[end:].lstrip().startswith(":") else body
    return body + "".join(reversed(stack))
