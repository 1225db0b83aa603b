"""What a child reported about itself, checked for form. It came from the submission's interpreter: data, no proof."""

from __future__ import annotations

from typing import Annotated, NamedTuple

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


class Block(NamedTuple):
    """Statements that run together, and how often they ran."""

    path: Short
    layer: int
    first: int
    """Line."""
    last: int
    function: Short
    opens: bool
    """Whether it is that function's body."""
    times: int


class Added(NamedTuple):
    """What one statement added up."""

    path: Short
    layer: int
    line: int
    target: Short
    function: Short
    additions: int
    ends: tuple[float | None, ...]
    """Of its sums, in order."""

    @property
    def place(self) -> tuple[str, int, int, str, str]:
        """What tells it from others, in the reports of all ranks."""
        return self[:5]


class Positions(NamedTuple):
    """Of which tokens one sum is."""

    number: int
    """Of its site among the sums."""
    back: int
    """Which of the site's sums, from the last."""
    elsewhere: int
    """Elements added that stand at no known place."""
    untold: int
    """Additions of which nothing is known."""
    looked: int
    """Additions whose position is that of the token that the program looked at for them."""
    spans: tuple[tuple[int, int, int], ...]
    """Runs of positions: first, last, how often."""


class Step(NamedTuple):
    """An optimizer step on validation tokens."""

    when: int
    """How many calls had taken losses out of rows before it."""
    path: Short
    """Empty where the line is not known."""
    layer: int
    line: int
    spans: tuple[tuple[int, int], ...]
    """Stretches of the tokens: first and last."""


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
    lessons: Annotated[tuple[Step, ...], Field(max_length=2_000)] = ()
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
