"""What the launch should execute, by reading, against what a run executed: features that are on, and functions."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from harness.model.base import At
from harness.model.cpu_run import FeatureRun, Ran
from harness.model.facts import SubmissionFacts
from harness.model.launch import LaunchFacts
from harness.model.plan import Expected
from harness.observe.cpu_run.report import Block
from harness.observe.cpu_run.switched import Program, Stretch, last_name, stretches
from harness.observe.reading.evaluate.values import Source
from harness.observe.reading.expressions import own_nodes
from harness.observe.reading.source.grammar import parse
from harness.observe.reading.source.script import ScriptReading
from harness.observe.reading.text import decode

MAX_MODULES = 30
MAX_SHOWN = 6
"""Most places given for one feature."""
MAX_FUNCTIONS = 100
_WORDS = re.compile(r"\w*(log|print|info|warn|debug)\w*", re.IGNORECASE)
"""Names of functions that only tell what happens."""


def program_of(
    submission: SubmissionFacts, files: Mapping[str, bytes], main: ScriptReading, environment: Mapping[str, str]
) -> Program | None:
    """The launched program and the files that it imports; None where it does not parse.

    `environment` is that of the competition's machine, its number of processes too: what only more processes than the
    run's switch on was not executed.
    """
    path, tree = main.facts.path, main.parsed.tree
    if tree is None:
        return None
    imported = {script.path: [one.local for one in script.imports] for script in submission.scripts}
    wanted = [other for other in imported.get(path, ()) if other is not None]
    for one in wanted:  # it grows on the way
        wanted += [other for other in imported.get(one, ()) if other is not None and other not in wanted]
    modules = []
    for one in dict.fromkeys(wanted[:MAX_MODULES]):
        module = parse(decode(files[one]).text).tree if one in files and one.endswith(".py") else None
        if module is not None:
            modules.append(Source(one, module))
    return Program(Source(path, tree, len(main.facts.layers)), modules, environment)


@dataclass
class Executed:
    """How often each stretch of a program ran; stretches of texts that the run did not load are missing."""

    stretches: dict[str, list[Stretch]] = field(default_factory=dict)
    hits: dict[str, list[int]] = field(default_factory=dict)
    loaded: set[str] = field(default_factory=set)
    """Files of which the run loaded some text, recognised or not."""

    @classmethod
    def of(cls, program: Program, steps: Iterable[Iterable[Block]]) -> Executed:
        """The blocks of each step laid on the texts: a text is recognised by the places of all its blocks, in order."""
        loaded: defaultdict[tuple[int, str, int], list[Block]] = defaultdict(list)
        for number, blocks in enumerate(steps):
            for block in blocks:
                loaded[number, block.path, block.layer].append(block)
        found = cls(loaded={path for _, path, _ in loaded})
        for source in program.sources:
            own = found.stretches[source.path] = stretches(source.tree)
            marks = [stretch.mark for stretch in own]
            for (_, path, _), seen in loaded.items():
                here = path == source.path or source is program.main  # a launcher's text may be another file's
                if here and _repeats([(b.first, b.function, b.opens) for b in seen], marks):
                    counts = found.hits.setdefault(source.path, [0] * len(own))
                    for i, block in enumerate(seen):
                        counts[i % len(own)] += block.times
        return found

    def counts(self, path: str) -> Sequence[int]:
        """How often each stretch of a file ran: never, where the run loaded no such text."""
        return self.hits.get(path) or [0] * len(self.stretches[path])


def _repeats(seen: Sequence[object], marks: Sequence[object]) -> bool:
    """Whether what was seen is the marks, once or several times: a file may be loaded again under another name."""
    size = len(marks)
    return bool(size) and not len(seen) % size and all(seen[i : i + size] == marks for i in range(0, len(seen), size))


def features(
    program: Program, launch: LaunchFacts, expected: Sequence[Expected], done: Executed
) -> tuple[FeatureRun, ...]:
    """Of each feature that the launch enables, whether the run executed it, and where.

    Left out are those whose settings have values, but are used only in code that the launch does not reach: another
    setting decides that they are off.
    """
    found = (_feature(program, launch, one, done) for one in expected if one.enabled)
    return tuple(one for one in found if one is not None)


@dataclass(frozen=True)
class _Piece:
    """Statements that a feature switches on and that run together."""

    at: At
    weight: int
    """Statements in it, those inside them among them."""
    ran: bool
    met: bool
    """Whether the run came to where it would have begun."""
    whole: bool
    """A function that nothing else enters."""
    works: bool
    """It computes something; otherwise it only sets a name."""


def _feature(program: Program, launch: LaunchFacts, one: Expected, done: Executed) -> FeatureRun | None:
    def answer(ran: Ran, pieces: Iterable[_Piece] = (), reason: str = "") -> FeatureRun:
        known = list(pieces)
        return FeatureRun(
            feature=one.feature,
            ran=ran,
            because=one.because,
            at=tuple(piece.at for piece in known if piece.ran)[:MAX_SHOWN],
            missed=tuple(piece.at for piece in known if not piece.ran)[:MAX_SHOWN],
            reason=reason,
        )

    if program.main.path not in done.hits:
        return answer(Ran.UNKNOWN, reason="the text that ran is not the one that was read")
    settings = [setting for setting in launch.settings if setting.name in one.because]
    off = program.without(settings)
    if off is not None and not (off.complete and program.launched.complete):
        off = None
    pieces = _pieces(program, program.launched.executed - off.executed, done) if off is not None else []
    if not pieces:
        pieces = _uses(program, one.because, done, program.launched.executed if off is not None else None)
        if not pieces and _uses(program, one.because, done):
            return None
    if not pieces:
        return answer(Ran.UNKNOWN, reason="the launch reaches no code that its settings decide on")
    return answer(Ran.EXECUTED if _executed(pieces) else Ran.NOT_EXECUTED, pieces)


def _executed(pieces: Sequence[_Piece]) -> bool:
    """Whether the pieces of a feature amount to its execution.

    Where functions exist for it alone, the largest is its body. Otherwise it is spread over the program: it gathers
    here and applies there, and every piece that the run came to must have run.
    """
    functions = [piece for piece in pieces if piece.whole]
    if functions:
        return max(functions, key=lambda piece: piece.weight).ran
    working = [piece for piece in pieces if piece.works] or pieces
    return any(piece.ran for piece in working) and all(piece.ran or not piece.met for piece in working)


def _pieces(program: Program, switched: Collection[int], done: Executed) -> list[_Piece]:
    """What of the switched statements runs together: outermost stretches, functions, and rests behind early exits."""
    found: list[_Piece] = []
    for source in program.sources:
        own, counts = done.stretches[source.path], done.counts(source.path)
        inside = [id(stretch.body[0]) in switched for stretch in own]
        for i, stretch in enumerate(own):
            around = counts[stretch.parent] if stretch.parent is not None else 0
            if not inside[i]:
                found += _rest(source, own, i, switched, counts)
            elif stretch.owner is not None or stretch.parent is None or not inside[stretch.parent]:
                whole = stretch.owner is not None
                found += _piece(source, stretch.body, switched, ran=counts[i] > 0, met=around > 0, whole=whole)
    return found


def _rest(
    source: Source, own: Sequence[Stretch], number: int, switched: Collection[int], counts: Sequence[int]
) -> list[_Piece]:
    """Switched statements of a stretch that begins before them: an `if` above them leaves when the feature is off."""
    body = own[number].body
    rest = [node for node in body if id(node) in switched]
    if not rest:
        return []
    works = next((node for node in rest if not _quiet(node)), rest[0])
    return _piece(source, rest, switched, ran=_came_to(works, own, number, counts), met=counts[number] > 0, whole=False)


def _came_to(node: ast.stmt, own: Sequence[Stretch], number: int, counts: Sequence[int]) -> bool:
    """Whether a run came to a statement of a stretch, past those above it that leave the stretch."""
    left = sum(
        count
        for stretch, count in zip(own, counts, strict=True)
        if stretch.parent == number and _leaves(stretch, own[number]) and stretch.body[0].lineno < node.lineno
    )
    return counts[number] > left


def _leaves(stretch: Stretch, around: Stretch) -> bool:
    """Whether the end of a stretch leaves the one around it: that of a function in it does not, nor that of a turn."""
    last = stretch.body[-1]
    if stretch.owner is not None or not isinstance(last, (ast.Return, ast.Raise, ast.Continue, ast.Break)):
        return False
    loops = (top for top in around.body if isinstance(top, (ast.For, ast.AsyncFor, ast.While)))
    looped = any(loop.body is stretch.body for loop in loops)
    return not looped or isinstance(last, (ast.Return, ast.Raise))


def _piece(
    source: Source, body: Sequence[ast.stmt], switched: Collection[int], *, ran: bool, met: bool, whole: bool
) -> list[_Piece]:
    """The piece that these statements are; none where they only tell, check or leave."""
    busy = [node for node in body if not _quiet(node)]
    if not busy:
        return []
    inner = [node for top in body for node in ast.walk(top) if isinstance(node, ast.stmt) and id(node) in switched]
    works = any(isinstance(node, (ast.Call, ast.AugAssign, ast.BinOp)) for top in busy for node in ast.walk(top))
    at = At(path=source.path, line=body[0].lineno, end_line=body[-1].end_lineno, layer=source.layer)
    return [_Piece(at, len(inner), ran, met, whole, works)]


def _quiet(node: ast.stmt) -> bool:
    """Whether a statement computes nothing: it tells, imports, checks or leaves."""
    if isinstance(node, ast.If):
        return all(map(_quiet, (*node.body, *node.orelse)))
    if isinstance(node, ast.Expr):
        told = isinstance(node.value, ast.Call) and _WORDS.fullmatch(last_name(node.value) or "") is not None
        return told or isinstance(node.value, ast.Constant)
    return isinstance(node, (ast.Pass, ast.Raise, ast.Assert, ast.Import, ast.ImportFrom, ast.Continue, ast.Break)) or (
        isinstance(node, ast.Return) and (node.value is None or isinstance(node.value, (ast.Constant, ast.Name)))
    )


def _uses(
    program: Program, names: Sequence[str], done: Executed, reached: Collection[int] | None = None
) -> list[_Piece]:
    """Statements that compute with the settings, for features that nothing switches: their sizes alone are named.

    `reached` holds the statements that the launch reaches; None: any may be meant.
    """
    found: list[_Piece] = []
    for source in program.sources:
        own = done.stretches[source.path]
        known = _aliases(own, names)
        counts = done.counts(source.path)
        for i, stretch in enumerate(own):
            met = [node for node in stretch.body if reached is None or id(node) in reached] if stretch.function else []
            here = [node for node in met if _computes(node, known[stretch.function]) and not _quiet(node)]
            if here:
                ran = _came_to(here[0], own, i, counts)
                at = At(path=source.path, line=here[0].lineno, end_line=here[-1].end_lineno, layer=source.layer)
                found.append(_Piece(at, len(here), ran, ran, whole=False, works=True))
    return found


def _aliases(own: Sequence[Stretch], names: Sequence[str]) -> dict[str, set[str]]:
    """By function, the names under which the settings are known in it."""
    found = {stretch.function: set(names) for stretch in own}
    for stretch in own:
        for node in stretch.body:
            for target, value in _given(node):
                if _is_name(value) and last_name(value) in names and isinstance(target, ast.Name):
                    found[stretch.function].add(target.id)
    return found


def _given(node: ast.stmt) -> Iterator[tuple[ast.expr, ast.expr]]:
    """What an assignment gives each of its targets, `a, b = c, d` one by one."""
    if isinstance(node, ast.AnnAssign) and node.value is not None:
        yield node.target, node.value
    elif isinstance(node, ast.Assign):
        for target in node.targets:
            if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                yield from zip(target.elts, node.value.elts, strict=False)
            else:
                yield target, node.value


def _is_name(node: ast.expr | None) -> bool:
    return isinstance(node, (ast.Name, ast.Attribute))


def _computes(node: ast.stmt, names: Collection[str]) -> bool:
    """Whether a statement's own expressions give one of the names to a call or an operation, not only to a name."""
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.If, ast.While)):
        return False
    renamed = {id(value) for _, value in _given(node) if _is_name(value)}
    return any(
        isinstance(part, (ast.Name, ast.Attribute))
        and isinstance(part.ctx, ast.Load)
        and last_name(part) in names
        and id(part) not in renamed
        for part in own_nodes(node)
    )


def not_executed(program: Program, done: Executed) -> tuple[At, ...]:
    """Functions that the launch reaches, by reading, and the run did not; those inside one of them are not listed."""
    missing: list[At] = []
    for source in program.sources:
        if source.path not in done.hits and source.path in done.loaded:
            continue  # the text that ran is not the one that was read
        counts = done.counts(source.path)
        outside: set[int] = set()
        """Stretches of functions that did not run."""
        for i, stretch in enumerate(done.stretches[source.path]):
            node = stretch.owner
            if stretch.parent in outside:
                outside.add(i)
            elif node is not None and not counts[i]:
                outside.add(i)
                if id(node) in program.launched.entered:
                    at = At(path=source.path, line=node.lineno, end_line=node.end_lineno, layer=source.layer)
                    missing.append(at)
    return tuple(missing[:MAX_FUNCTIONS])
