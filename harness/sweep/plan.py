"""Which pull requests a sweep covers, and which of them are done already."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path


class PlanError(ValueError):
    """The list of pull requests cannot be understood; the message shows the accepted forms."""


def parse_prs(text: str, available: Collection[int]) -> list[int]:
    """Numbers from `all`, `1-500`, `3,7,10-12` or `@FILE` (numbers separated by spaces, commas or lines), in order.

    Ranges are cut to what the repository holds; a number named alone must be there. Raises PlanError otherwise.
    """
    held = set(available)
    if text == "all":
        return sorted(held)
    if text.startswith("@"):
        path = Path(text[1:])
        if not path.is_file():
            raise PlanError(f"--prs {text}: there is no file {path}")
        text = ",".join(path.read_text(encoding="utf-8").replace(",", " ").split())
    found: set[int] = set()
    for part in filter(None, text.split(",")):
        first, dash, last = part.strip().partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise PlanError(f"--prs: {part!r} is no number; give all, 1-500, 3,7,10-12 or @FILE")
        if dash:
            found |= {number for number in held if int(first) <= number <= int(last)}
        elif int(first) in held:
            found.add(int(first))
        else:
            raise PlanError(f"--prs: the repository has no pull request {int(first)}; fetch it first")
    return sorted(found)


@dataclass(frozen=True)
class Key:
    """What one pull request's results hang on: `observed` determines its facts, `judged` its review."""

    observed: str
    judged: str


def job_keys(prs: Collection[int], heads: Mapping[int, str], base: str, observing: str, judging: str) -> dict[int, Key]:
    """Keys of each pull request, which change whenever its facts, or its review, could.

    Facts hang on the head, the base, what `observing` names (repository and code), and the heads of all earlier pull
    requests, because a folder counts as repeated when one of them holds it. A review hangs on its facts and on what
    `judging` names (rules, date, policy).
    """
    wanted = set(prs)
    running = hashlib.sha256(f"{base} {observing}".encode())
    keys: dict[int, Key] = {}
    for number in sorted(heads):
        running.update(f"{number} {heads[number]}\n".encode())
        if number in wanted:
            observed = running.hexdigest()[:32]
            keys[number] = Key(observed, hashlib.sha256(f"{observed} {judging}".encode()).hexdigest()[:32])
    return keys
