"""Settings of the launched script: defaults of the code, folded with what README, run scripts and logs say."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from harness.model.base import At, Scalar
from harness.model.launch import Setting, SettingOrigin, SettingSource
from harness.model.logs import LogFacts, RunFacts
from harness.observe.reading.evaluate.evaluator import Evaluator
from harness.observe.reading.evaluate.machine import Frame
from harness.observe.reading.evaluate.trace import EnvTrace
from harness.observe.reading.evaluate.values import ClassValue, Function, Source, Unknown, raw
from harness.observe.reading.launch.commands import Command
from harness.observe.reading.launch.declaring import (
    DISCOVERY_FUEL,
    declarations,
    reads_environment,
    set_by,
    setting_lines,
)
from harness.observe.reading.launch.labels import other_labels
from harness.observe.reading.launch.printed import Shown


def launcher(world_size: int) -> dict[str, str]:
    """What torchrun sets in the first of `world_size` processes."""
    size = str(world_size)
    return {
        "RANK": "0",
        "LOCAL_RANK": "0",
        "WORLD_SIZE": size,
        "LOCAL_WORLD_SIZE": size,
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": "29500",
    }


MAX_SETTINGS = 600
_NOTHING = Shown()
PER_RUN = frozenset({"seed", "run_id", "data_seed", "log_dir", "logfile"})
"""Settings that differ between runs by design: the first run's value counts."""

_INTEGER = re.compile(r"[+-]?\d[\d_]{0,20}")
_PLAIN = re.compile(r"[^\s={}<>|]{0,300}")
"""Text values that a log prints as they are; others are pieces of a sentence or of a longer dump."""
_ZERO = re.compile(r"0+(\.0*)?")
_LIST = re.compile(r"\[([^\[\]]*)\]")
_WORDS = {"true": True, "false": False, "none": None}


@dataclass
class Declared:
    """A setting as the code declares it."""

    name: str
    env: str | None
    default: Scalar
    at: At
    read: EnvTrace | None = None
    sources: list[SettingSource] = field(default_factory=list)


class Discovery:
    """Evaluates only what declares settings: a module's definitions, and the constructors that read the environment."""

    def __init__(
        self, main: Source, sources: Mapping[str, Source], world_size: int = 8, wrappers: Sequence[Source] = ()
    ) -> None:
        """`wrappers` are the texts around the main one, the outermost first: what they set, it finds set."""
        self.main = main
        self.launcher = launcher(world_size)
        self.wrapped: dict[str, str] = {}
        """Variables that the wrappers set."""
        for wrapper in wrappers:
            self.wrapped |= set_by(wrapper, {**self.launcher, **self.wrapped})
        self.evaluator = Evaluator(sources, {**self.launcher, **self.wrapped}, DISCOVERY_FUEL)
        self.evaluator.run(declarations(main))
        self.evaluator.attempt(self._construct)

    def _construct(self) -> None:
        """Settings read by a constructor are met by calling it."""
        evaluator = self.evaluator
        module = evaluator.modules.get("__main__")
        if module is None:
            return
        frame = evaluator.module_frame(module)
        for cls in list(evaluator.classes)[:200]:
            start = cls.slots.get("__init__")
            plain = isinstance(start, Function) and len(start.node.args.args) - len(start.defaults) <= 1
            if cls.node is not None and (cls.dataclass or (plain and reads_environment(cls.node))):
                evaluator.construct(cls, [], {}, cls.node, frame)

    def declared(self) -> list[Declared]:
        """Settings in order of reading, then the constants of the class that holds most of them."""
        found: dict[tuple[str, str | None], Declared] = {}
        lines = setting_lines(self.main)
        reads = (read for read in self.evaluator.trace.reads.values() if read.line not in lines)
        for read in list(reads)[:MAX_SETTINGS]:
            found.setdefault((read.target or read.name.lower(), read.name), _from_read(read))
        for constant in self._constants({item.name for item in found.values()}):
            found.setdefault((constant.name, None), constant)
        return list(found.values())[:MAX_SETTINGS]

    def _constants(self, known: set[str]) -> list[Declared]:
        best: ClassValue | None = None
        for cls in self.evaluator.classes:
            if cls.node is not None and known & cls.slots.keys():
                best = max(best, cls, key=lambda c: len(known & c.slots.keys())) if best else cls
        if best is None or best.node is None or best.source is None:
            return []
        lines = {
            target.id: statement.lineno
            for statement in best.node.body
            if isinstance(statement, (ast.Assign, ast.AnnAssign))
            for target in (statement.targets if isinstance(statement, ast.Assign) else [statement.target])
            if isinstance(target, ast.Name)
        }
        constants = []
        for name, line in lines.items():
            value = best.slots.get(name)
            if name not in known and is_scalar(raw(value)) and value is not None:
                at = At(path=best.source.path, line=line, layer=best.source.layer)
                constants.append(Declared(name, None, scalar(value), at))
        return constants

    def fold(self, read: EnvTrace, text: str) -> object:
        """What the declaring expression gives when the variable is set to `text`; the object itself, maybe Unknown."""
        evaluator = self.evaluator
        if read.expression is None or read.scope is None:
            return text
        before = evaluator.environment.get(read.name)
        result: list[object] = [None]
        expression, scope = read.expression, read.scope

        def run() -> None:
            evaluator.fuel = max(evaluator.fuel, 2_000)
            frame = Frame(scope, read.source, mark=evaluator.heap.begin())
            try:
                result[0] = raw(evaluator.evaluate(expression, frame))
            finally:
                evaluator.heap.end()

        evaluator.environment[read.name] = text
        try:
            evaluator.attempt(run)
        finally:
            if before is None:
                evaluator.environment.pop(read.name, None)
            else:
                evaluator.environment[read.name] = before
        return result[0]


def _from_read(read: EnvTrace) -> Declared:
    default = read.default
    if read.target is not None and is_scalar(raw(read.folded)):
        default = read.folded
    at = At(path=read.source.path, line=read.line, layer=read.source.layer)
    return Declared(read.target or read.name.lower(), read.name, scalar(default), at, read)


def is_scalar(value: object) -> bool:
    """Whether a value is fit for a fact as it is."""
    return value is None or isinstance(value, (bool, int, float, str))


def scalar(value: object) -> Scalar:
    """A setting's value fit for a fact: finite, of bounded length; None for anything else."""
    value = raw(value)
    if isinstance(value, str):
        return value[:500]
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 2**63:
        return None
    return value if value is None or isinstance(value, (bool, int, float)) else None


def coerce(text: str, default: Scalar) -> Scalar | None:
    """`text` as a value of the default's type; None when it contradicts that type."""
    text = text.strip()[:500]
    if text.lower() in _WORDS and not isinstance(default, str):
        word = _WORDS[text.lower()]
        return word if isinstance(default, bool) or default is None else None
    if isinstance(default, bool):
        return {"1": True, "0": False, "yes": True, "no": False, "on": True, "off": False}.get(text.lower())
    if isinstance(default, int):
        return int(text) if _INTEGER.fullmatch(text) else None
    if isinstance(default, float):
        try:
            number = float(text)
        except ValueError:
            return None
        return number if abs(number) < 1e300 else None
    if default is None:
        number_like = coerce(text, 0)
        number_like = coerce(text, 0.0) if number_like is None else number_like
        return text if number_like is None else number_like
    return text


def agrees(logged: str, value: Scalar) -> bool:
    """Whether a printed value is the value itself, or the value rounded to the digits printed."""
    plain = logged.strip()
    if plain == str(value):
        return True
    if isinstance(value, bool):
        return coerce(plain, value) is value
    if isinstance(value, (int, float)):
        try:
            number = float(plain)
        except ValueError:
            return False
        digits = len(plain.partition(".")[2].partition("e")[0]) if "." in plain else 0
        return number == value or ("e" not in plain.lower() and 0 < digits <= 4 and number == round(value, digits))
    return False


def logged_values(logs: Sequence[LogFacts]) -> dict[str, tuple[str, At]]:
    """Settings that the runs print, by lower-case name: the commonest value, or the first run's for `PER_RUN`."""
    values: dict[str, list[tuple[str, At]]] = {}
    serious = _serious_runs(logs)
    trained = any(_trained(run) for _, run in serious)
    for log, run in serious:
        first: dict[str, tuple[str, At]] = {}
        for setting in run.settings:
            if trained and not _trained(run) and _ZERO.fullmatch(setting.value):
                continue  # it packs or evaluates what another run made: what it left out is no part of the launch
            first.setdefault(setting.name.lower(), (setting.value, At(path=log.path, line=setting.line)))
        for name, entry in first.items():
            values.setdefault(name, []).append(entry)
    result = {}
    for name, entries in values.items():
        counts = Counter(value for value, _ in entries)
        chosen = entries[0][0] if name in PER_RUN else max(counts, key=lambda v: (counts[v], -_first(entries, v)))
        result[name] = next(entry for entry in entries if entry[0] == chosen)
    return result


def _serious_runs(logs: Sequence[LogFacts]) -> list[tuple[LogFacts, RunFacts]]:
    """Runs on eight processes that ended with a score; where there are none, those with a score; else all."""
    runs = [(log, run) for log in logs if log.duplicate_of is None for run in log.runs]
    scored = [pair for pair in runs if pair[1].final is not None]
    full = [pair for pair in scored if pair[1].world_size is not None and pair[1].world_size.value == 8]
    return full or scored or runs


def _trained(run: RunFacts) -> bool:
    return run.steps is not None and run.steps.value > 0


def _first(entries: list[tuple[str, At]], value: str) -> int:
    return next(index for index, (text, _) in enumerate(entries) if text == value)


def environment_text(discovery: Discovery, read: EnvTrace, value: Scalar) -> str | None:
    """A text for the variable that makes the code arrive at `value`; None when no usual spelling does."""
    texts = [str(value)]
    if isinstance(value, bool):
        texts = ["1" if value else "0", "True" if value else "False", "true" if value else "false"]
    elif isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        texts.append(str(int(value)))
    elif value is None:
        texts = [""]
    for text in texts:
        got = discovery.fold(read, text)
        if type(got) is type(value) and got == value:
            return text
    return None


def fold_settings(
    discovery: Discovery,
    text: str,
    readme: Command | None,
    run_script: Command | None,
    logs: Sequence[LogFacts],
    shown: Shown = _NOTHING,
) -> tuple[tuple[Setting, ...], dict[str, str]]:
    """All settings with the value in force, and the environment that brings them about.

    `text` is the script's text, in which the labels of printed values are looked up; `shown` what its own lines show.
    """
    environment: dict[str, str] = {}
    settings: list[Setting] = []
    misleading = other_labels(text) if logs else set()
    printed = {name: entry for name, entry in logged_values(logs).items() if name not in misleading}
    printed |= {name: entry for name, entry in shown.values.items() if name not in PER_RUN}
    declared = discovery.declared()
    for item in declared:
        sources: list[SettingSource] = []
        origin, value = SettingOrigin.DEFAULT, item.default
        for kind, command in ((SettingOrigin.README, readme), (SettingOrigin.RUN_SCRIPT, run_script)):
            given = command.environment.get(item.env) if command is not None and item.env is not None else None
            if given is None or command is None:
                continue
            taken = _taken(discovery, item, given)
            if taken is not None:
                origin, value = kind, taken
                environment[item.env or ""] = given
                sources.append(SettingSource(origin=kind, value=taken, at=command.at))
        entry = _printed(printed, item) or _switched(shown, item)
        if entry is not None:
            origin, value = _fold_logged(discovery, item, entry, origin, value, environment, sources)
        if item.env in discovery.launcher:
            origin, value = SettingOrigin.LAUNCHER, coerce(discovery.launcher[item.env], item.default)
            sources.append(SettingSource(origin=origin, value=value, at=item.at))
        settings.append(
            Setting(
                name=item.name[:120], env=item.env, default=item.default, value=value, origin=origin,
                declared=item.at, sources=tuple(sources),
            )
        )  # fmt: skip
    return tuple(settings), {**discovery.wrapped, **environment, **discovery.launcher}


def _switched(shown: Shown, item: Declared) -> tuple[str, At] | None:
    """What the logs show of a flag. That something is on or off is no value of anything else."""
    truth = _printed(shown.truths, item)
    if truth is None or isinstance(item.default, bool):
        return truth
    return ("1" if truth[0] == "True" else "0", truth[1]) if item.default in {"0", "1"} else None


def _printed(printed: Mapping[str, tuple[str, At]], item: Declared) -> tuple[str, At] | None:
    names: Iterable[str] = (item.name.lower(), (item.env or "").lower())
    return next((printed[name] for name in names if name and name in printed), None)


def _fold_logged(
    discovery: Discovery,
    item: Declared,
    entry: tuple[str, At],
    origin: SettingOrigin,
    value: Scalar,
    environment: dict[str, str],
    sources: list[SettingSource],
) -> tuple[SettingOrigin, Scalar]:
    """Let the log's value win, where it has the type of the default and the variable can bring it about."""
    text, at = entry
    if isinstance(item.default, str) and not item.default.startswith("[") and (entries := _LIST.fullmatch(text)):
        text = entries[1].replace(" ", "")  # the program prints what it makes of a text like `4,5`
    taken = coerce(text, value if value is not None else item.default)
    if taken is None and isinstance(item.default, int) and re.fullmatch(r"[+-]?\d{1,15}\.0+", text.strip()):
        taken = int(float(text))
    if taken is None or (isinstance(taken, str) and not _PLAIN.fullmatch(taken)):
        return origin, value
    sources.append(SettingSource(origin=SettingOrigin.LOG, value=scalar(taken), at=at))
    if agrees(text, value) or item.env is None or item.read is None:
        return origin, value
    spelled = environment_text(discovery, item.read, taken) if item.read.expression is not None else text
    if spelled is None:
        return origin, value
    environment[item.env] = spelled
    return SettingOrigin.LOG, scalar(taken)


def _taken(discovery: Discovery, item: Declared, text: str) -> Scalar | None:
    """The value that the code makes of a variable's text; None when it contradicts the default's type."""
    if item.read is None or item.read.expression is None:
        return coerce(text, item.default)
    got = discovery.fold(item.read, text)
    if not is_scalar(raw(item.read.folded)) and not isinstance(got, Unknown) and not is_scalar(got):
        return scalar(text)  # a list or tuple made from the text
    if not is_scalar(got) or got is None:
        return None
    same = type(got) is type(item.default) or item.default is None
    return scalar(got) if same else None
