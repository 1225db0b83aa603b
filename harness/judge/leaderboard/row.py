"""Which runs of a submission make its score: one label, one configuration, every run once. Claims play no part."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from statistics import fmean, stdev

from harness.judge.case import Case, SeedRun
from harness.judge.configuration import alike
from harness.judge.scores import common_final
from harness.model.logs import LogFacts, RunFacts


class RowCase(Case):
    """A case whose evidence is every run that its logs hold once, rather than the last of each seed.

    Reruns of one seed are measurements too: four logs that all print seed 1337 are four runs. A log that was started
    again holds several runs of one seed, of which the last stands; a summary that repeats other logs adds nothing.
    """

    @cached_property
    def runs(self) -> tuple[SeedRun, ...]:
        """The runs at the root of the folder; those of sub-folders only where the root has none."""
        for logs in (self._at_root, self.logs):
            held = _distinct(pair for log in logs for pair in _last_of_each_seed(log))
            if held:
                return tuple(with_common_label(held))
        return ()

    @property
    def _at_root(self) -> list[LogFacts]:
        return [log for log in self.logs if "/" not in log.path]

    @cached_property
    def every_run(self) -> tuple[tuple[LogFacts, RunFacts], ...]:
        """Every scored run of the folder, sub-folders too; copies and repeats left out."""
        return tuple((log, run) for log in self.logs for run in log.runs if _scored(run))


def evidence(case: RowCase) -> tuple[SeedRun, ...]:
    """The runs whose mean is the score, in the order of their logs.

    Runs under different seeds stand together, whatever else differs between them (a rule of its own tells). Where a
    seed was run more than once the logs are experiments, and only the largest set of one configuration stands.
    """
    seeds = [run.seed for run in case.runs]
    return case.runs if len(set(seeds)) == len(seeds) else alike(case)


_CODEC = re.compile(r"(?:int|fp|q)\d+|zlib|zstd|lzma|brotli|final|exact")
"""Words of a label that name how the model was packed, not how it was scored."""


def with_common_label(held: Sequence[tuple[LogFacts, RunFacts]]) -> list[SeedRun]:
    """Each run under the last label that all share.

    Final labels that differ in words of packing alone (`final_ttt_lora`, `final_int8_ttt_lora`) are one label spelled
    in two ways. Runs that share none stand under their own final one.
    """
    finals = [run.final for _, run in held]
    spelled = {_spelling(final.label) for final in finals if final is not None}
    shared = common_final([run for _, run in held])
    one = len(spelled) == 1 and len({final.label for final in finals if final is not None}) > 1
    scores = finals if shared is None or one else shared[1]
    return [SeedRun(*pair, score) for pair, score in zip(held, scores, strict=True) if score is not None]


def _spelling(label: str) -> frozenset[str]:
    return frozenset(word for word in re.split(r"[\W_]+", label) if not _CODEC.fullmatch(word))


def mean_and_deviation(values: Sequence[float]) -> tuple[float | None, float | None]:
    """Mean and sample standard deviation; None where there are too few values for one."""
    return (fmean(values) if values else None), (stdev(values) if len(values) > 1 else None)


def _scored(run: RunFacts) -> bool:
    return run.final is not None and run.final.val_bpb is not None


def _last_of_each_seed(log: LogFacts) -> Iterator[tuple[LogFacts, RunFacts]]:
    """The last scored run of each seed of one file, under the order in which the seeds are last met."""
    found: dict[int | None, RunFacts] = {}
    for run in filter(_scored, log.runs):
        seed = run.seed.value if run.seed is not None else None
        found.pop(seed, None)
        found[seed] = run
    for run in found.values():
        yield log, run


def _distinct(held: Iterable[tuple[LogFacts, RunFacts]]) -> list[tuple[LogFacts, RunFacts]]:
    """Runs without those that print the final score of a run before them under the same seed, or under none."""
    kept: list[tuple[LogFacts, RunFacts]] = []
    for log, run in held:
        seen = {(other.final.val_bpb, _seed(kept_log, other)) for kept_log, other in kept if other.final}
        score = run.final.val_bpb if run.final is not None else None
        same = {seed for value, seed in seen if value == score}
        seed = _seed(log, run)
        if not same or (seed is not None and seed not in same and None not in same):
            kept.append((log, run))
    return kept


def _seed(log: LogFacts, run: RunFacts) -> int | None:
    return run.seed.value if run.seed is not None else log.seed_in_name
