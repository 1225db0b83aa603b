"""What is being done at this moment: told by long work, shown by those who wait for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class Moment(NamedTuple):
    """What is done now, in words of ours; and the last line that the submission printed, which is hostile text."""

    doing: str
    said: str = ""


Show = Callable[[Moment], None]
"""Told whenever something else is being done, or something more was said. Returns quickly and raises nothing."""


def silent(moment: Moment) -> None:
    """Shows nothing."""


def last_line(data: bytes) -> str:
    """The last line of `data` that is not blank, undecodable bytes replaced; empty where there is none."""
    lines = data[-4_096:].decode(errors="replace").splitlines()
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
