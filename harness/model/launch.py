"""Facts of the launch: which file is started, with which settings, and what those settings make of the code."""

from __future__ import annotations

from enum import StrEnum

from harness.model.base import At, Fact, Frozen, Scalar


class SettingOrigin(StrEnum):
    """Where a setting's value comes from; later members outrank earlier ones."""

    DEFAULT = "default"
    README = "readme"
    RUN_SCRIPT = "run_script"
    LOG = "log"
    LAUNCHER = "launcher"
    """Set by torchrun: RANK, LOCAL_RANK, WORLD_SIZE."""


class SettingSource(Frozen):
    """One place that gives a setting a value."""

    origin: SettingOrigin
    value: Scalar
    at: At


class Setting(Frozen):
    """One configuration value of the launched script.

    `name` is the attribute or variable in the code, `env` the environment variable that feeds it. `value` is the one in
    force at launch; `sources` lists all, weakest first. A value that contradicts the type of the default is not taken.
    """

    name: str
    env: str | None
    default: Scalar = None
    value: Scalar = None
    origin: SettingOrigin = SettingOrigin.DEFAULT
    declared: At
    sources: tuple[SettingSource, ...] = ()


class BranchFact(Frozen):
    """A condition that the launch decides. Lines `dead_first`..`dead_last` (if any) are never reached."""

    line: int
    layer: int = 0
    test: str
    value: bool
    because: tuple[str, ...] = ()
    """Names of settings it depends on; `world_size` marks switches that open at more than one rank."""
    dead_first: int | None = None
    dead_last: int | None = None


class LaunchFacts(Frozen):
    """How the submission is started on the competition's machine."""

    script: str | None
    """The file that is launched, chosen among several; None when there is none."""
    reason: str
    """Why that file: `command`, `metadata`, `only script`, `name`, `log source` ..."""
    command: Fact[str] | None = None
    world_size: int = 8
    settings: tuple[Setting, ...] = ()
    branches: tuple[BranchFact, ...] = ()
    unreached: tuple[Fact[str], ...] = ()
    """Functions that no reachable call site names under this launch."""
    complete: bool = True
    """False when folding stopped at a limit or met code it could not follow; then dead code may be missing here."""
    notes: tuple[str, ...] = ()


class TensorShape(Frozen):
    """One parameter tensor; `shared` counts further names of the same tensor (tied weights)."""

    name: str
    shape: tuple[int, ...]
    shared: int = 0


class ModelShape(Frozen):
    """Parameters implied by code and launch settings. `total` counts each tensor once."""

    class_name: str
    at: At
    total: int | None
    exact: bool
    """False when a size could not be folded: `total` is then None or a lower bound, see `reason`."""
    reason: str | None = None
    saved: bool = False
    """Its `state_dict` is taken somewhere under this launch: the artifact is made of it. Such models come first."""
    tensors: tuple[TensorShape, ...] = ()
    omitted: int = 0
