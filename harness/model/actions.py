"""Facts of actions: what a script does to the world outside its own arithmetic, and the techniques its code holds."""

from __future__ import annotations

from enum import StrEnum

from harness.model.base import At, Fact, Frozen


class ActionKind(StrEnum):
    """What an action reaches for."""

    DOWNLOAD = "download"
    """Fetches something over the network: HTTP, Hugging Face, git clone."""
    REPORT = "report"
    """Sends measurements to a tracking service."""
    INSTALL = "install"
    """Installs a package: pip, apt, conda."""
    DATA_SCRIPT = "data_script"
    """Starts the competition's own script that downloads the data set."""
    COMPILE = "compile"
    """Compiles native code: gcc, nvcc, torch's C++ extensions."""
    LIBRARY = "library"
    """Loads a shared library through ctypes or cffi."""
    PROCESS = "process"
    """Starts another program."""
    EXECUTE = "execute"
    """Executes text or bytes that are no constant of the program."""
    REPLACE = "replace"
    """Assigns to a name of a library, so that every later caller gets something else."""
    EXIT = "exit"
    """Ends the process at once, past every handler."""
    DELETE = "delete"
    """Removes files."""
    KILL = "kill"
    """Sends a signal to processes."""
    TRACE = "trace"
    """Asks whether it is being traced or tested."""


class Action(Frozen):
    """One action of a script, at the line that takes it.

    `what` is the name by which the library knows it, whatever the script calls it; `argument` the constant parts of its
    arguments. `lazy` is true inside a function, `guarded` inside a `try` that catches failure, `live` false where the
    launch proves that the line is never reached.
    """

    kind: ActionKind
    what: str
    argument: str | None = None
    at: At
    lazy: bool = False
    guarded: bool = False
    live: bool = True


class Technique(StrEnum):
    """A structure of the code that descriptions speak of."""

    AVERAGE = "average"
    """An average over states of the parameters: moving (EMA), or of checkpoints (SWA)."""
    FAKE_QUANTISATION = "fake_quantisation"
    """Rounding inside the differentiated program, with a gradient passed straight through."""
    PACK = "pack"
    """Weights are written or compressed."""
    UNPACK = "unpack"
    """Weights are read back or decompressed."""


class TechniqueFact(Frozen):
    """One place whose structure is that of a technique."""

    technique: Technique
    at: At
    live: bool = True


class Announcement(Frozen):
    """What a program prints where it does what a technique names, and what the logs show of it."""

    technique: Technique
    at: At
    lines: tuple[Fact[str], ...] = ()
    """Constant parts (`...` for values) of what is printed where the technique takes effect; none: it goes unsaid."""
    shown: tuple[At, ...] = ()
    """The first of `lines` in each log that holds one."""
    passed: tuple[Fact[str], ...] = ()
    """For each whole log that holds none: a line that the same function prints before the place, and one after it."""
