"""What a child reported about itself, checked for form. It came from the submission's interpreter: data, no proof."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, ValidationError

from harness.model.base import At, Frozen, snippet
from harness.model.cpu_run import Tamper, TamperKind

Text = Annotated[str, Field(max_length=4_000)]
Short = Annotated[str, Field(max_length=400)]


class Stack(Frozen):
    """One frame of an exception; `whose` is `submission`, `harness` or `library`."""

    path: Short
    layer: int = 0
    """Which of the texts that the run unpacked, from 1; 0 for the file itself."""
    line: int | None
    function: Short
    whose: Short


class Raised(Frozen):
    """The exception that ended a run."""

    exception: Short
    message: Text
    name: Short = ""
    """Of a missing module or attribute."""
    frames: Annotated[tuple[Stack, ...], Field(max_length=50)] = ()
    unsupported: bool = False
    """Raised by a stand-in for what it cannot do."""


Block = tuple[Short, int, int, int, Short, bool, int]
"""Path, layer, first line, last line, function, whether it is that function's body, how often it ran."""
Added = tuple[Short, int, int, Short, Short, int, tuple[float | None, ...]]
"""Path, layer, line, target, function, additions, ends of the sums."""


Positions = tuple[int, int, int, int, int, tuple[tuple[int, int, int], ...]]
"""Number of a sum's site among the sums, which of its sums from the last, elements added that stand at no known place,
additions of which nothing is known, additions whose position is that of the token that the program looked at for them,
and runs of positions: first, last, how often."""


class Stream(Frozen):
    """The validation stream whose positions were followed."""

    number: int | None
    """In the job; None where the run read none."""
    size: int
    faults: tuple[Short, ...] = ()
    """Operations that were not followed for a fault of ours."""


class Notice(Frozen):
    """Something that `guest.tampering` noticed."""

    kind: TamperKind
    words: Short
    path: Short | None = None
    layer: int = 0
    line: int | None = None

    def fact(self) -> Tamper:
        """As a fact."""
        at = At(path=self.path, line=self.line, layer=self.layer) if self.path is not None else None
        return Tamper(kind=self.kind, words=snippet(self.words), at=at)


class Report(Frozen):
    """A whole report, see `guest.run`."""

    ended: Short
    failure: Raised | None = None
    blocks: Annotated[tuple[Block, ...], Field(max_length=200_000)] = ()
    sums: Annotated[tuple[Added, ...], Field(max_length=20_000)] = ()
    covered: Annotated[tuple[Positions, ...], Field(max_length=100_000)] = ()
    rows: Annotated[tuple[tuple[int, int, str], ...], Field(max_length=20_000)] = ()
    """Number of a sum's site among the sums, which of its sums from the last, and its elements (see `rows`)."""
    stream: Stream | None = None
    steps: int = 0
    backwards: int = 0
    marks: dict[Short, float] = Field(default_factory=dict)
    written: dict[Text, int] = Field(default_factory=dict)
    read: dict[Text, int] = Field(default_factory=dict)
    found: dict[Text, int] = Field(default_factory=dict)
    """Files of the submission that were opened for reading, and when last."""
    processes: tuple[Text, ...] = ()
    began: float = 0.0
    finished: float = 0.0
    followed: tuple[int, ...] = ()
    """Indices of the directives that found their text."""
    stand_ins: tuple[tuple[Short, bool, Text], ...] = ()
    """Name, whether it is exact, and why it is there."""


class Broken(Frozen):
    """A fault of the harness inside the sandbox."""

    harness: Annotated[str, Field(max_length=20_000)]


def parse_report(data: bytes) -> Report | Broken | None:
    """The report in these bytes; None where there is none, or none of that form."""
    for model in (Report, Broken):
        try:
            return model.model_validate_json(data)
        except ValidationError:
            continue
    return None
