"""Numbers as logs print them: thousands separators, units of time, and words that are no number at all."""

from __future__ import annotations

import math

MAX_INTEGER = 2**63
"""Larger integers are noise: nothing that a log counts comes near."""

_SECONDS = {"ms": 0.001, "s": 1.0, "sec": 1.0, "secs": 1.0, "second": 1.0, "seconds": 1.0}
_SECONDS |= dict.fromkeys(("m", "min", "mins", "minute", "minutes"), 60.0)
_SECONDS |= dict.fromkeys(("h", "hour", "hours"), 3600.0)

UNIT = r"(?P<unit>ms|seconds?|secs?|minutes?|mins?|hours?|s|m|h)(?![a-z])"
"""Pattern of a unit of time, to stand behind a number."""


def integer(text: str) -> int | None:
    """`15,863,489` or `15_863_489` as 15863489; None when it is no sane integer."""
    digits = text.replace(",", "").replace("_", "")
    if not digits.isascii() or not digits.isdigit() or len(digits) > 19:
        return None
    value = int(digits)
    return value if value < MAX_INTEGER else None


def real(text: str) -> float | None:
    """A finite float; None for `nan`, `inf` and whatever is no number."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def seconds(text: str, unit: str | None) -> float | None:
    """A duration in seconds: `seconds("5.3", "m")` is 318. A missing unit means seconds."""
    value = real(text.replace(",", ""))
    if value is None or value < 0:
        return None
    return round(value * _SECONDS.get((unit or "s").lower(), 1.0), 6)
