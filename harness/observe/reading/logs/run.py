"""One run: collects what its lines show and assembles `RunFacts`."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any, NamedTuple

from harness.model.base import At, snippet
from harness.model.logs import ByteCount, LogEvent, RunFacts, Score
from harness.observe.reading.logs import clocks, environment, scores, sizes, steps
from harness.observe.reading.logs.counts import MAX_COUNTS, read_count
from harness.observe.reading.logs.events import MAX_OF_KIND, read_event
from harness.observe.reading.logs.families import Family, Value
from harness.observe.reading.logs.hints import Hinted
from harness.observe.reading.logs.lines import Line
from harness.observe.reading.logs.settings import SettingsReader
from harness.observe.reading.logs.steps import Step, Stop

FAMILIES: tuple[Family, ...] = (*clocks.FAMILIES, *sizes.FAMILIES, *environment.FAMILIES)
"""Every line family that shows one value."""
_HINTED: Hinted[Family] = Hinted((family.hints, family) for family in FAMILIES)

MAX_STEPS = 20_000
"""Step lines held at a time; beyond them every second one is let go."""

_CARD_ROW = re.compile(r"\|\s{1,6}(\d{1,3})\s{1,4}(?:NVIDIA|Tesla|GeForce|Quadro|H100|A100)")

_NEAR_END = 0.8
"""A clock counts as training time where it was read after this share of the steps."""
_CODES = ("bytes_code_compressed", "bytes_code")


class Found(NamedTuple):
    """A value for a field, with the line that shows it and the family's rank."""

    value: Value
    line: Line
    rank: int = 0
    codec: str | None = None
    text: str | None = None


class RunReader:
    """Collects the facts of one run, line by line. All facts point into the file `path`."""

    def __init__(self, path: str, first_line: int) -> None:
        self.first_line = self.last_line = first_line
        self.last_step: int | None = None
        self.planned: int | None = None
        self.finished = False
        """A result was printed, or training stopped early."""
        self._path = path
        self._found: dict[str, Found] = {}
        self._settings = SettingsReader()
        self._steps: list[Step] = []
        self._steps_met = 0
        self._stop: Stop | None = None
        self._scores = scores.ScoreBook()
        self._events: list[LogEvent] = []
        self._kinds: Counter[str] = Counter()
        self._cards: dict[int, Line] = {}
        self._counts: list[ByteCount] = []

    @property
    def has_body(self) -> bool:
        """Whether a step, a stop or a score was read."""
        return bool(self._steps or self._scores or self._stop)

    @property
    def seed(self) -> int | None:
        """The seed printed so far."""
        found = self._found.get("seed")
        return int(found.value) if found else None

    def read(self, line: Line, step: Step | None, score: Score | None, stop: Stop | None) -> None:
        """Take everything that `line` shows; the step, score or stop on it was read before."""
        self.last_line = line.number
        if score is not None:
            self._scores.add(score)
            self.finished = self.finished or not score.diagnostic
        if step is not None:
            self._read_step(step)
            return
        if stop is not None and (self._stop is None or stop.train_seconds is not None):
            self._stop = stop
            self.finished = True
        for family in _HINTED.on(line.low):
            if (read := family.read(line)) is not None:
                self._keep(family, Found(read[0], line, family.rank, read[1]))
        if (count := read_count(line)) is not None:
            self._counts = [*self._counts[1 - MAX_COUNTS :], count]
        if "|" in line.text and (row := _CARD_ROW.match(line.text)):
            self._cards.setdefault(int(row[1]), line)
        if score is None and self._settings.read(line, header=not self._steps):
            return
        event = read_event(line)
        if event is not None:
            self._add_event(event)

    def _read_step(self, step: Step) -> None:
        if not self._steps:
            self._add_event(LogEvent(kind="training_start", text=snippet(step.line.text), line=step.line.number))
        self._steps.append(step)
        self._steps_met += 1
        if len(self._steps) > MAX_STEPS:
            del self._steps[1:-1:2]
        self.last_step = step.step
        self.planned = self.planned or step.planned

    def _add_event(self, event: LogEvent) -> None:
        if event.kind == "warmup" and self._events and self._events[-1].kind == "warmup":
            return  # its counter going on
        self._kinds[event.kind] += 1
        if self._kinds[event.kind] <= MAX_OF_KIND:
            self._events.append(event)

    def _keep(self, family: Family, found: Found) -> None:
        """Keep the value for its field, unless a better family gave one or the first of equal rank is wanted."""
        known = self._found.get(family.field)
        if known is None or known.rank > family.rank or (known.rank == family.rank and family.keep == "last"):
            self._found[family.field] = found

    def finish(self) -> RunFacts:
        """The facts of the run."""
        kept = self._scores.kept()
        final = scores.final_score(kept)
        found = dict(self._found)
        self._settle_training(found)
        _settle_sizes(found)
        if self._cards:
            found["gpus"] = Found(max(self._cards) + 1, next(iter(self._cards.values())))  # the table's head may be cut
        values: dict[str, Any] = {name: self._fact(value) for name, value in found.items()}
        total = found.get("eval_seconds")
        part = total is None or total.rank >= clocks.PART
        if final is not None and part and (timed := scores.seconds_of(final, kept)):
            at = At(path=self._path, line=timed[1])
            values["eval_seconds"] = {"value": timed[0], "at": at, "text": snippet(f"evaluation time of {final.label}")}
        curve = steps.curve(self._steps)
        omitted_events = sum(max(0, count - MAX_OF_KIND) for count in self._kinds.values())
        omitted = self._scores.omitted + self._settings.omitted + omitted_events + self._steps_met - len(curve)
        return RunFacts(
            first_line=self.first_line,
            last_line=self.last_line,
            scores=kept,
            final=final,
            codec=_codec(found),
            settings=tuple(self._settings.settings),
            events=tuple(self._events),
            curve=curve,
            counts=tuple(self._counts),
            omitted=omitted,
            **values,
        )

    def _fact(self, found: Found) -> dict[str, object]:
        at = At(path=self._path, line=found.line.number)
        return {"value": found.value, "at": at, "text": found.text or snippet(found.line.text)}

    def _settle_training(self, found: dict[str, Found]) -> None:
        """Steps and training clock: of the line that stopped training, else of the last step line of the main phase.

        A training time printed as a total counts where it is not below the clock of the last step.
        """
        phase = self._main_phase()
        timed = next((s for s in reversed(phase) if s.seconds is not None), None)
        total = found.get("train_seconds")
        clock = timed.seconds if timed and timed.step >= _NEAR_END * phase[-1].step else None
        if timed and clock is not None and (total is None or float(total.value) < clock - 1):
            found["train_seconds"] = Found(clock, timed.line)
        if phase:
            found["steps"] = Found(phase[-1].step, phase[-1].line)
            if phase[-1].planned is not None:
                found["steps_planned"] = Found(phase[-1].planned, phase[-1].line)
        if self._stop is not None:
            for name in ("steps", "steps_planned", "train_seconds"):
                value = getattr(self._stop, name)
                # Some scripts print a stop clock that was reset: time does not run backwards, the step line counts.
                behind = name == "train_seconds" and clock is not None and value is not None and value < clock - 1
                if value is not None and not behind:
                    found[name] = Found(value, self._stop.line)

    def _main_phase(self) -> list[Step]:
        """Step lines of the phase with most of them, told apart by the M of `N/M`: later phases count anew."""
        counts = Counter(step.planned for step in self._steps)
        main = max(counts, key=counts.__getitem__, default=None)
        return [step for step in self._steps if step.planned == main]


def _settle_sizes(found: dict[str, Found]) -> None:
    """Decide what a total without a codec means, and add code and model where no total is printed."""
    code = next((found[name] for name in _CODES if name in found), None)
    model, raw, bare = (found.get(name) for name in ("bytes_model", "bytes_model_raw", "bytes_total_uncompressed"))
    if bare is not None:
        sums = {int(model.value) + int(found[name].value) for name in _CODES if name in found} if model else set()
        if bare.value in sums or (raw is None and "bytes_total" not in found):
            del found["bytes_total_uncompressed"]
            found.setdefault("bytes_total", bare)
    if "bytes_total" not in found and model is not None and code is not None:
        total = int(model.value) + int(code.value)
        found["bytes_total"] = Found(
            total, model.line, codec=model.codec, text=f"code + model = {code.value} + {model.value}"
        )


def _codec(found: dict[str, Found]) -> str | None:
    """The codec named by the artifact's total, else by its model line."""
    for name in ("bytes_total", "bytes_model"):
        if name in found and (codec := found[name].codec):
            return codec.strip(" ()[]")[:60] or None
    return None
