"""Lines of a log to runs: where one ends and the next begins.

A run starts with header lines (configuration, seed, code, versions), then come step and score lines. Lines without
either wait until the next step or score tells whether they opened a new run: they did when another seed is among them,
or when the step counter starts anew behind a header. A second launch that only evaluates belongs to the run before it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from harness.model.logs import RunFacts
from harness.observe.reading.logs.clocks import SEEDS
from harness.observe.reading.logs.errors import ErrorReader
from harness.observe.reading.logs.lines import Line
from harness.observe.reading.logs.run import RunReader
from harness.observe.reading.logs.scores import read_score, step_score
from harness.observe.reading.logs.steps import Step, read_step, read_stop

MAX_RUNS = 32
"""Runs of one file; further ones are read as part of the last."""
MAX_WAITING = 20_000
"""Lines that wait for the next step or score."""

_HEADER = re.compile(
    r"\s{0,4}[\"']?seed[\"']?\s{0,8}[:=]|\W{2,12}seed \d|hyperparameters:|val_bpb:enabled"
    r"|train_loader:|model_params:|.{0,80}omp_num_threads"
)


class RunSplitter:
    """Reads all lines of a log and hands back its runs. `breaks` are line numbers where source code was printed."""

    def __init__(self, path: str, errors: ErrorReader, breaks: Iterable[int] = ()) -> None:
        self.dialects: Counter[str] = Counter()
        self._path = path
        self._errors = errors
        self._breaks = sorted(breaks, reverse=True)
        self._done: list[RunFacts] = []
        self._run: RunReader | None = None
        self._waiting: list[Line] = []
        self._header = False
        self._seed: int | None = None

    def read(self, line: Line) -> None:
        """Take the next line."""
        while self._breaks and self._breaks[-1] <= line.number:
            self._breaks.pop()
            self._header = True
        step = read_step(line)
        if step is not None:
            score, broken = step_score(step), step.broken
            self._count(line, step.dialect)
        else:
            score, broken = read_score(line)
            self._errors.read(line)
        stop = read_stop(line) if step is None else None
        if broken:
            self._errors.add(f"not finite: {line.text if score is None else score.label}", line)
        if step is None and score is None and stop is None:
            self._wait(line)
            return
        if step is None and score is not None:
            self._count(line)
        run = self._run
        if run is None or self._opens_run(run, step):
            run = self._open(self._waiting[0].number if self._waiting else line.number)
        self._flush(run)
        run.read(line, step, score, stop)

    def finish(self) -> tuple[RunFacts, ...]:
        """All runs, in order; a log without any step or score is one run if it shows anything at all."""
        if self._waiting:
            self._flush(self._run or self._open(self._waiting[0].number))
        if self._run is not None:
            self._done.append(self._run.finish())
            self._run = None
        return tuple(self._done)

    @property
    def dialect(self) -> str | None:
        """The dialect of most step lines; `stamped` where every second of them carries a time stamp."""
        lines = self.dialects["lines"]
        if lines and 2 * self.dialects["stamped"] > lines:
            return "stamped"
        named = [(name, n) for name, n in self.dialects.most_common() if name not in ("lines", "stamped")]
        return named[0][0] if named else None

    def _count(self, line: Line, dialect: str | None = None) -> None:
        self.dialects["lines"] += 1
        self.dialects["stamped"] += line.stamped
        if dialect is not None:
            self.dialects[dialect] += 1

    def _wait(self, line: Line) -> None:
        self._waiting.append(line)
        if len(self._waiting) >= MAX_WAITING:
            self._flush(self._run or self._open(self._waiting[0].number))
        if _HEADER.match(line.low):
            self._header = True
        if self._seed is None and "seed" in line.low:
            self._seed = next((int(r[0]) for family in SEEDS if (r := family.read(line)) is not None), None)

    def _opens_run(self, run: RunReader, step: Step | None) -> bool:
        """Whether the waiting lines and the step line behind them start a run other than `run`."""
        if not run.has_body or len(self._done) >= MAX_RUNS - 1:
            return False
        if self._header and self._seed is not None and run.seed is not None and self._seed != run.seed:
            return True
        if step is None or run.last_step is None or step.step > run.last_step:
            return False
        if self._header:
            return True
        same_plan = step.planned is not None and step.planned == run.planned
        return run.finished and same_plan and step.step < run.last_step

    def _open(self, first_line: int) -> RunReader:
        if self._run is not None:
            self._done.append(self._run.finish())
        self._run = RunReader(self._path, first_line)
        return self._run

    def _flush(self, run: RunReader) -> None:
        for line in self._waiting:
            run.read(line, None, None, None)
        self._waiting.clear()
        self._header = False
        self._seed = None
