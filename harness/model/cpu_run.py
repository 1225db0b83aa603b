"""Facts of the run on a CPU: how far a submission got, what it was seen to do, and what was not the real thing."""

from __future__ import annotations

from enum import StrEnum

from harness.model.base import At, Frozen
from harness.model.coverage import Coverage
from harness.model.plan import Directive, Feature, Override
from harness.model.proof import ProofFacts
from harness.model.weighed import Weighed


class RunStage(StrEnum):
    """How far a run got, in order."""

    DECODED = "decoded"
    """The program was taken out of its wrappers and parses."""
    IMPORTED = "imported"
    TRAINED = "trained"
    """An optimizer stepped."""
    WRITTEN = "written"
    """An artifact lies on disk."""
    RELOADED = "reloaded"
    """The artifact was opened again by the run that had written it."""
    EVALUATED = "evaluated"
    """The last score that was printed as final equals what was added up while it was scored. Where the run failed
    afterwards, `CpuRunFacts.failure` stands beside this stage: another score may have been to come."""


class Fault(StrEnum):
    """With whom a failure lies."""

    SUBMISSION = "submission"
    HARNESS = "harness"
    """A stand-in, an input or a size that we chose."""
    MACHINE = "machine"
    """No sandbox, no torch, no disk."""
    LIMIT = "limit"
    """Time or memory ran out; nothing is said of the submission."""
    UNKNOWN = "unknown"
    """It was killed, and who did that is not known: the machine, for want of memory, or the submission itself."""


class RunFailure(Frozen):
    """Why a run ended before its end."""

    fault: Fault
    exception: str
    message: str
    at: At | None = None
    """The last line of the submission that was executing."""
    module: str | None = None
    """The module that could not be imported."""
    remedy: str = ""
    internal: bool = False
    """Our own code inside the run failed: nothing is said of the submission, and the run is not kept."""


class Replaced(Frozen):
    """Something that was stood in for; `exact` where a test shows that it computes the same."""

    name: str
    exact: bool
    reason: str


class Ran(StrEnum):
    """Whether the code of a feature was executed."""

    EXECUTED = "executed"
    NOT_EXECUTED = "not executed"
    UNKNOWN = "unknown"


class FeatureRun(Frozen):
    """A feature that the launch enables, and whether the run executed it."""

    feature: Feature
    ran: Ran
    because: tuple[str, ...] = ()
    """The settings that enable it."""
    at: tuple[At, ...] = ()
    """Pieces of its code that ran, the first ones."""
    missed: tuple[At, ...] = ()
    """Pieces of its code that did not."""
    reason: str = ""
    """Why it is not known."""


class Fidelity(Frozen):
    """What of a run was not the real thing."""

    overrides: tuple[Override, ...] = ()
    edits: tuple[Directive, ...] = ()
    stand_ins: tuple[Replaced, ...] = ()
    not_executed: tuple[At, ...] = ()
    """Functions that the launch reaches, by reading, and the run did not."""
    unmet: tuple[At, ...] = ()
    """Branches that would learn, and that the run did not take for what its clock, its devices or a size were."""
    unfollowed: tuple[str, ...] = ()
    """Operations behind which positions of tokens are not known because this harness failed to follow them."""
    features: tuple[FeatureRun, ...] = ()


class WrittenFile(Frozen):
    """A file that the run left, measured from outside its interpreter."""

    path: str
    """From the submission's folder; absolute for what it wrote to a volume of the machine."""
    size: int
    sha256: str | None = None
    reloaded: bool = False
    written: int | None = None
    """When it was first opened for writing, in the order of all openings; None where no event told of it."""
    read: int | None = None
    """When it was last opened for reading."""


class Total(Frozen):
    """What one statement added up until its variable was set back, or to the end."""

    at: At
    target: str
    function: str
    additions: int
    values: tuple[float | None, ...]
    """Ends of the sums, in order."""


class OtherRank(Frozen):
    """What is known of a process of the run that is not its first."""

    rank: int
    ended: str
    """As `Attempt.ended`; `stopped` where another rank had failed."""
    steps: int = 0
    totals: tuple[Total, ...] = ()


class MatchedScore(Frozen):
    """A printed score, and the two sums whose quotient it is."""

    label: str
    val_bpb: float
    losses: At
    counts: At
    over_ranks: bool = False
    """The sums are those of all ranks together; otherwise those of the first alone make the score."""


class TamperKind(StrEnum):
    """What a submission was noticed to do to its observer."""

    REPLACED = "replaced"
    """Something that only this harness put there is not what it was."""
    FORGED = "forged"
    """It wrote on the descriptor on which only this harness reports."""
    CHANGED = "changed"
    """A function of a library through which the run is observed was replaced; that may have other reasons."""
    LOOKED = "looked"
    """It looked at what observes it."""
    ASKED = "asked"
    """It asked where it runs."""


class Tamper(Frozen):
    """One thing that was noticed, with the line of the submission where that is known."""

    kind: TamperKind
    words: str
    at: At | None = None


class Check(Frozen):
    """Something that was measured from outside and must agree with what the run says of itself."""

    name: str
    held: bool
    words: str


class Attempt(Frozen):
    """One rung of the ladder of sizes."""

    rung: str
    seconds: float
    cpu_seconds: float | None = None
    peak_mb: float | None = None
    ended: str
    """`exit N`, `signal N`, `cpu` (time used up), `timeout` (neither works nor ends) or a limit of the sandbox."""
    failure: RunFailure | None = None


class CpuRunFacts(Frozen):
    """The run that got furthest, and the attempts before it."""

    attempts: tuple[Attempt, ...] = ()
    reached: tuple[RunStage, ...] = ()
    failure: RunFailure | None = None
    as_launched: RunFailure | None = None
    """The import that the file ends at where torchrun starts it, while it was run as a launcher of its own would."""
    so_far: bool = False
    """What the run is seen to do is what had been told when it was ended from outside: what is missing may have been to
    come, or may have been done after it was told."""
    steps: int = 0
    """Optimizer steps."""
    files: tuple[WrittenFile, ...] = ()
    totals: tuple[Total, ...] = ()
    scores: tuple[MatchedScore, ...] = ()
    printed: tuple[str, ...] = ()
    """The last lines that the run printed, as data."""
    processes: tuple[str, ...] = ()
    """Programs that the run tried to start."""
    alone: bool = True
    """Whether nothing that the run had started was left when it ended, or could be ended."""
    others: tuple[OtherRank, ...] = ()
    """The ranks from 1 on. Everything else here is of rank 0, but for a failure, which is that of the rank that failed
    first, and for coverage, weights, features and what was read again, which are those of all ranks."""
    coverage: Coverage | None = None
    """Of the final score; None where it is not matched, or no validation stream was seen to be read."""
    coverages: tuple[Coverage, ...] = ()
    """Of the other scores that may be a result, as far as they are matched."""
    unmatched: tuple[str, ...] = ()
    """Labels of scores that may be a result, are better than the final one, and equal no two sums."""
    weighed: Weighed | None = None
    fidelity: Fidelity = Fidelity()
    checks: tuple[Check, ...] = ()
    tampering: tuple[Tamper, ...] = ()
    """Of all attempts."""
    proof: ProofFacts | None = None
    """Experiments on it; None where they were not asked for."""
    refused: str | None = None
    """Why nothing was run: what the machine lacks, and the remedy."""
    sandbox_seconds: float = 0.0
    """Seconds that the run waited for its sandbox, which may have been started ahead."""
    inputs_seconds: float = 0.0
    """Seconds that planning and making the inputs took."""

    @property
    def seconds(self) -> float:
        """Of all attempts."""
        return round(sum(one.seconds for one in self.attempts), 3)

    @property
    def cpu_seconds(self) -> float:
        """Of all attempts, as far as they were measured."""
        return round(sum(one.cpu_seconds or 0.0 for one in self.attempts), 3)

    @property
    def peak_mb(self) -> float | None:
        """The most that an attempt used; None where that was not measured."""
        return max((one.peak_mb for one in self.attempts if one.peak_mb is not None), default=None)

    @property
    def trusted(self) -> bool:
        """Whether what was observed may acquit: the checks from outside held, and nothing was tampered with."""
        return not self.doubts()

    def doubts(self) -> tuple[str, ...]:
        """Why what was observed acquits of nothing, in words; none where it may."""
        if not self.checks:
            return ("nothing was checked from outside",)
        broken = tuple(check.words for check in self.checks if not check.held)
        return (*broken, *dict.fromkeys(f"the submission {one.words}" for one in self.tampering))


class Begun(Frozen):
    """A run that is not finished: what is known of it so far, and the number (from 0) of the rung that is next."""

    run: CpuRunFacts
    rung: int
