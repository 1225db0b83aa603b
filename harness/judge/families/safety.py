"""PG7xx: what a program does to the machine, to its libraries and to its reviewer."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import ClassVar

from harness.judge.case import Case
from harness.judge.families import tampering
from harness.judge.program import program_actions, program_paths
from harness.judge.rule import SubmissionRule, at
from harness.model.actions import Action, ActionKind
from harness.model.base import At
from harness.model.findings import Evidence, Finding, Outcome, Severity, Strength

_SHOWN = 6


class CodeCanBeRead(SubmissionRule):
    """All code of the program can be read.

    What: wrappers that could not be unpacked, in files that the launched script imports, and text that the program
    executes although it is no constant. What was unpacked is counted.
    Why: packing is accepted, because bytes count; what nobody can read, nobody can judge.
    Mend: pack with a plain wrapper (lzma or zlib with base85 and exec), or submit the readable source beside it.
    Blind spots: code that another program writes.
    """

    id = "PG701"
    severity = Severity.DECISION
    strength = Strength.SUSPECTED
    basis = ("readable_code",)
    remedy = "Use a plain wrapper, or submit the readable source beside the packed one."

    def check(self, case: Case) -> Iterable[Finding]:
        """Findings for closed wrappers and for executed data; a pass that counts what was unpacked."""
        paths = program_paths(case)
        scripts = [script for script in case.facts.scripts if script.path in paths]
        closed = [script for script in scripts if script.opaque is not None and script is not case.script]
        for script in closed:
            reason = script.opaque.value if script.opaque is not None else ""
            where = [Evidence(path=script.path, sha256=script.sha256)]
            yield self.unknown(case, f"The wrapper of {script.path} was not unpacked: {reason}.", where)
        executed = [a for a in program_actions(case) if a.kind is ActionKind.EXECUTE and a.live]
        unpacked = sum(len(script.layers) + len(script.embedded) for script in scripts)
        opaque = any(script.opaque is not None for script in scripts)
        if executed and not opaque:
            severity = Severity.ADVICE if unpacked else self.severity
            message = f"The program executes text that it makes at run time ({len(executed)} place(s))."
            yield self.warn(case, message, _rows(executed), severity=severity)
        elif unpacked and not opaque:
            yield self.ok(case, f"{unpacked} packed piece(s) of code were unpacked and read.")


class LibrariesUntouched(SubmissionRule):
    """The program leaves clocks, logarithms, losses and exits as the libraries made them.

    What: assignments to names of libraries that decide time, scores, files or the end of the process.
    Why: the score and the seconds are what these functions say; a program that replaces one can say anything.
    Mend: write a function of your own and call it by its name.
    Blind spots: replaced output streams and compilers are listed as advice; a class of the library that is subclassed.
    """

    id = "PG702"
    severity = Severity.DECISION
    strength = Strength.SUSPECTED
    basis = ("evidence",)
    remedy = "Call a function of your own instead of replacing the library's."
    _measures = re.compile(
        r"time\.|math\.|builtins\.(?!print)|sys\.exit|os\.|numpy\.|torch\.(?:log|log2|exp|sum|mean)$"
        r"|torch\.(?:Tensor|cuda|distributed)\.|torch\.nn\.functional\.(?:cross_entropy|nll_loss|log_softmax|softmax)$"
    )

    def check(self, case: Case) -> Iterable[Finding]:
        """One finding for names that measure, one for the others."""
        replaced = [a for a in program_actions(case) if a.kind is ActionKind.REPLACE and a.live]
        measures = [a for a in replaced if self._measures.match(a.what)]
        others = [a for a in replaced if a not in measures]
        if measures:
            message = f"The program replaces what measures it: {_named(measures)}."
            yield self.warn(case, message, _rows(measures))
        if others:
            message = f"The program replaces functions of a library: {_named(others)}."
            yield self.warn(case, message, _rows(others), severity=Severity.ADVICE)


class SystemPrograms(SubmissionRule):
    """The program needs nothing but Python and its packages.

    What: compilers, shared libraries and system programs that the launched script starts or loads.
    Why: accepted, as a prerequisite of the set-up, where the README names it; the organisers' image may lack it.
    Mend: name it in the README's set-up, or use a package of Python's.
    Blind spots: what a compiled source does is not read; git and nvidia-smi are not listed.
    """

    id = "PG703"
    severity = Severity.ADVICE
    basis = ("library_imports",)
    remedy = "Name the program in the README's set-up section."
    _usual = re.compile(r"^\s*(?:$|nvidia-smi|rocm-smi|amd-smi|git\b|where\b|python3?\b|-m\b|--)")

    def check(self, case: Case) -> Iterable[Finding]:
        """One finding for all of them."""
        needed = [
            a
            for a in program_actions(case)
            if a.live
            and (
                a.kind in {ActionKind.COMPILE, ActionKind.LIBRARY}
                or (a.kind is ActionKind.PROCESS and not self._usual.match(a.argument or ""))
            )
        ]
        if needed:
            words = dict.fromkeys(a.what if a.kind is not ActionKind.PROCESS else _program(a) for a in needed)
            yield self.warn(case, f"The program needs more than Python: {', '.join(words)}.", _rows(needed))


class EndsOpenly(SubmissionRule):
    """The program ends as programs end, and touches no other process.

    What: os._exit and os.abort, signals to processes, commands that delete whole folders.
    Why: what skips every handler also skips the checks after it; a deleted log shows nothing.
    Mend: let the script return, or raise SystemExit.
    Blind spots: single files that are removed (temporary artifacts, mostly) are not listed.
    """

    id = "PG704"
    severity = Severity.ADVICE
    basis = ("evidence",)
    remedy = "Let the script return, and leave other processes and folders alone."
    _kinds: ClassVar[frozenset[ActionKind]] = frozenset({ActionKind.EXIT, ActionKind.KILL})

    def check(self, case: Case) -> Iterable[Finding]:
        """One finding for all of them."""
        found = [
            a
            for a in program_actions(case)
            if a.live and (a.kind in self._kinds or (a.kind is ActionKind.DELETE and a.what not in _SINGLE))
        ]
        if found:
            yield self.warn(
                case, f"The program ends abruptly or removes more than a file: {_named(found)}.", _rows(found)
            )


_SINGLE = frozenset({"os.remove", "os.unlink"})


class SameForReviewers(SubmissionRule):
    """The program does not look for its reviewer.

    What: reads of variables that only test machines set (CI, GITHUB_ACTIONS, PYTEST_CURRENT_TEST), questions for a
    tracer, and reads of secrets (tokens, passwords, keys).
    Why: a program that behaves differently under review shows nothing by behaving well there.
    Mend: remove the question; take a smoke-test switch of your own name instead.
    Blind spots: what is inferred from the hardware, the size of the data or the clock.
    """

    id = "PG705"
    severity = Severity.DECISION
    strength = Strength.SUSPECTED
    basis = ("evidence",)
    remedy = "Behave the same everywhere; use a switch of your own for smoke tests."
    _machines = re.compile(
        r"(?:CI|CONTINUOUS_INTEGRATION|GITHUB_(?:ACTIONS|WORKFLOW|RUN_ID|REPOSITORY)|PYTEST_CURRENT_TEST|GOLF_\w*|TOX_\w+)$"
    )
    _secrets = re.compile(
        r"(?:\w*_)?(?:SECRET|PASSWORD|PASSWD|API_?KEY|ACCESS_KEY\w*|AUTH_TOKEN|HF_TOKEN|GITHUB_TOKEN)$"
    )

    def check(self, case: Case) -> Iterable[Finding]:
        """One finding for questions about the machine (a decision), one for secrets (advice)."""
        paths = program_paths(case)
        reads = [
            (read.name, At(path=script.path, line=read.line, layer=read.layer))
            for script in case.facts.scripts
            if script.path in paths
            for read in script.env
        ]
        asked = [at(place, name, variable=name) for name, place in reads if self._machines.match(name)]
        asked += [at(a.at, a.what) for a in program_actions(case) if a.kind is ActionKind.TRACE and a.live]
        if asked:
            yield self.warn(case, "The program asks whether it is being tested or traced.", asked[:_SHOWN])
        secrets = [at(place, name, variable=name) for name, place in reads if self._secrets.match(name)]
        if secrets:
            yield self.finding(
                case, Outcome.WARN, "The program reads secrets.", secrets[:_SHOWN], severity=Severity.ADVICE
            )


def _program(action: Action) -> str:
    return (action.argument or action.what).split()[0]


def _named(actions: Iterable[Action]) -> str:
    return ", ".join(dict.fromkeys(action.what for action in actions))


def _rows(actions: list[Action]) -> list[Evidence]:
    return [at(a.at, a.argument, action=a.what) for a in actions[:_SHOWN]]


RULES = (CodeCanBeRead, LibrariesUntouched, SystemPrograms, EndsOpenly, SameForReviewers, *tampering.RULES)
