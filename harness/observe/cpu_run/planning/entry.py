"""How a submission is started: what runs, in which order, with which arguments."""

from __future__ import annotations

import ast
import posixpath
from collections.abc import Mapping, Sequence

from harness.model.base import At
from harness.model.facts import SubmissionFacts
from harness.model.plan import EntryKind, EntryStep, Meaning, StepPurpose
from harness.model.source import ScriptFacts
from harness.observe.cpu_run.planning.meanings import meaning_of
from harness.observe.cpu_run.planning.sizes import Tiny, shrunk
from harness.observe.reading.launch.commands import Command, find_commands
from harness.observe.reading.launch.pick import resolve
from harness.observe.reading.roles import Role, role_of
from harness.observe.reading.source.grammar import Parsed
from harness.observe.reading.source.index import called, name_of
from harness.observe.reading.text import decode

MAX_STEPS = 8
_ENTRY_NAMES = ("main", "train", "run", "run_training", "train_model", "train_and_eval", "run_eval", "evaluate")
_MODAL_DECORATORS = frozenset({"function", "local_entrypoint", "cls"})
_PREPARING = ("prepare", "download", "tokeniz", "build_", "setup", "make_", "convert", "cached_challenge", "fetch")
_EVALUATING = ("eval", "score", "infer", "slot", "ttt")
_WEIGHTS = (".ptz", ".pt", ".pth", ".bin", ".int8", ".int6", ".xz", ".br", ".zst", ".lzma", ".npz", ".safetensors")
_LEAST_WEIGHTS = 50_000
"""Bytes from which a file of such a name is taken for weights."""


def entry_steps(
    facts: SubmissionFacts, sources: Mapping[str, bytes], script: ScriptFacts, parsed: Parsed, tiny: Tiny
) -> tuple[tuple[EntryStep, ...], tuple[str, ...]]:
    """The steps of the run, and notes on what they could not be given."""
    steps = _run_script_steps(sources, script)
    if steps:
        return steps, ()
    command = _command(facts, sources)
    at = command.at if command is not None else None
    if script.runnable and not _started_by_modal_only(parsed):
        arguments, notes = _arguments(command.arguments if command is not None else (), parsed, tiny)
        purpose = StepPurpose.TRAIN_AND_EVALUATE if learns(parsed) else StepPurpose.EVALUATE
        reason = "its command" if command is not None else "it runs when it is started"
        step = EntryStep(kind=EntryKind.MAIN, path=script.path, purpose=purpose, arguments=arguments, why=reason, at=at)
        return (step,), notes
    modal = _modal_function(parsed)
    if modal is not None:
        function, needs = modal
        step = EntryStep(
            kind=EntryKind.MODAL, path=script.path, calls=function.name, why="the function that modal would run",
            at=At(path=script.path, line=function.lineno, layer=len(script.layers)),
        )  # fmt: skip
        return (step,), needs
    uncalled = _uncalled(parsed)
    if uncalled is not None:
        step = EntryStep(
            kind=EntryKind.CALL, path=script.path, calls=uncalled.name, why="nothing calls it, and nothing else runs",
            at=At(path=script.path, line=uncalled.lineno, layer=len(script.layers)),
        )  # fmt: skip
        return (step,), ()
    step = EntryStep(kind=EntryKind.MAIN, path=script.path, why="no entry point was found")
    return (step,), ("the program only defines things; nothing starts training",)


def learns(parsed: Parsed) -> bool:
    """Whether the program has a backward pass."""
    return "backward" in parsed.index.calls


def shipped_artifact(facts: SubmissionFacts, parsed: Parsed) -> str | None:
    """A file of weights in the folder that the program names and that nothing in it writes; None without one."""
    shipped = {
        posixpath.basename(file.path): file.path
        for file in facts.folder.files
        if file.path.endswith(_WEIGHTS) and (file.size or 0) >= _LEAST_WEIGHTS
    }
    if not shipped:
        return None
    texts = {one.value for one in parsed.index.of(ast.Constant) if isinstance(one.value, str) and len(one.value) < 200}
    named = [path for name, path in sorted(shipped.items()) if any(name in text for text in texts)]
    return named[0] if named and not learns(parsed) else None


def _command(facts: SubmissionFacts, sources: Mapping[str, bytes]) -> Command | None:
    """The launch's command with its arguments, read again where the facts saw it."""
    known = facts.launch.command if facts.launch is not None else None
    if known is None or known.at.path not in sources:
        return None
    readme = role_of(known.at.path) is not Role.RUN_SCRIPT
    found = find_commands(known.at.path, decode(sources[known.at.path]).text, readme=readme)
    return next((one for one in found if one.at == known.at and one.script is not None), None)


def _run_script_steps(sources: Mapping[str, bytes], launched: ScriptFacts) -> tuple[EntryStep, ...]:
    """Steps of a run script that starts the launched file together with others of the submission, in order."""
    programs = [path for path in sources if path.endswith(".py")]
    for path in sorted(sources):
        if role_of(path) is not Role.RUN_SCRIPT:
            continue
        commands = find_commands(path, decode(sources[path]).text, readme=False)
        steps: dict[tuple[str, tuple[str, ...], str], EntryStep] = {}
        for command in commands:
            script = resolve(command.script, programs)
            if script is None:
                continue
            purpose = purpose_of(script, command.environment)
            if purpose is StepPurpose.PREPARE and "data" in script:
                continue  # the run's inputs are there already
            mode = command.environment.get("MODE", "")
            steps.setdefault(
                (script, command.arguments, mode),
                EntryStep(
                    kind=EntryKind.SHELL, path=script, purpose=purpose, arguments=command.arguments,
                    environment=tuple(sorted(_modes(command.environment).items())),
                    why="a step of the run script", at=command.at,
                ),
            )  # fmt: skip
        scripts = {step.path for step in steps.values()}
        if launched.path in scripts and 1 < len(steps) <= MAX_STEPS and (len(scripts) > 1 or _staged(steps.values())):
            return tuple(steps.values())
    return ()


def _modes(environment: Mapping[str, str]) -> dict[str, str]:
    """Variables that tell one stage from another; sizes are the plan's own matter."""
    return {
        name: text
        for name, text in environment.items()
        if any(word in name for word in ("MODE", "STAGE", "PHASE", "EVAL_ONLY", "CHECKPOINT", "CKPT", "_PATH", "ONLY"))
        and "DATA" not in name
        and "TOKENIZER" not in name
    }


def _staged(steps: Sequence[EntryStep] | object) -> bool:
    return len({step.environment for step in steps}) > 1 if isinstance(steps, (list, tuple)) else False


def purpose_of(script: str, environment: Mapping[str, str]) -> StepPurpose:
    """What a step is for, by the file's name and the stage that its environment names."""
    stage = environment.get("MODE", environment.get("STAGE", "")).lower()
    name = posixpath.basename(script).lower()
    if stage.startswith("train") or (not stage and name.startswith("train")):
        return StepPurpose.TRAIN if stage else StepPurpose.TRAIN_AND_EVALUATE
    if any(word in stage or word in name for word in _EVALUATING):
        return StepPurpose.EVALUATE
    if any(word in name for word in _PREPARING):
        return StepPurpose.PREPARE
    return StepPurpose.TRAIN_AND_EVALUATE


def _arguments(given: Sequence[str], parsed: Parsed, tiny: Tiny) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The command's arguments with sizes shrunk, and those that the parser requires but nobody gives."""
    options = _options(parsed)
    if not options:
        return (), ()  # the program reads no arguments: what the command shows is meant for others
    result: list[str] = []
    words = [word for word in given if not any(sign in word for sign in "|&;<>`$")]
    for index, word in enumerate(words):
        before = words[index - 1] if index else ""
        name, sign, value = word.partition("=")
        if sign and name.startswith("--"):
            result.append(f"{name}={_small(name, value, tiny)}")
        else:
            result.append(_small(before, word, tiny) if before.startswith("--") and "=" not in before else word)
    missing = [
        name for name, required in options.items() if required and not any(w.split("=")[0] == name for w in words)
    ]
    positional = [name for name in missing if not name.startswith("-")]
    plain = [
        word for i, word in enumerate(words) if not word.startswith("-") and not (i and words[i - 1].startswith("--"))
    ]
    missing = [name for name in missing if name.startswith("-") or name in positional[len(plain) :]]
    return tuple(result), tuple(f"the program requires the argument {name}, which no command gives" for name in missing)


def _small(name: str, text: str, tiny: Tiny) -> str:
    try:
        value = float(text) if "." in text or "e" in text.lower() else int(text)
    except ValueError:
        return text
    meaning = meaning_of(name, value)
    new = shrunk(meaning, value, name, tiny) if meaning is not None else None
    if new is None:
        return text
    seconds = meaning in (Meaning.WALLCLOCK, Meaning.RESERVE)
    return repr(float(new)) if isinstance(value, float) or seconds else str(int(new))


def _options(parsed: Parsed) -> dict[str, bool]:
    """Arguments that the program declares, each with whether it must be given."""
    found: dict[str, bool] = {}
    for call in parsed.index.calls.get("add_argument", ()):
        names = [one.value for one in call.args if isinstance(one, ast.Constant) and isinstance(one.value, str)]
        if not names:
            continue
        keywords = {keyword.arg: keyword.value for keyword in call.keywords}
        required = keywords.get("required")
        optional = "default" in keywords or _constant(keywords.get("nargs")) in ("?", "*")
        name = max(names, key=len)
        found[name] = _constant(required) is True if name.startswith("-") else not optional
    return found


def _constant(node: ast.expr | None) -> object:
    return node.value if isinstance(node, ast.Constant) else None


def _top_functions(parsed: Parsed) -> list[ast.FunctionDef]:
    return [
        statement
        for statement, around in parsed.outline.statements
        if isinstance(statement, ast.FunctionDef) and around.top
    ]


def _modal_decorated(function: ast.FunctionDef) -> str | None:
    for decorator in function.decorator_list:
        target = decorator.func if isinstance(decorator, ast.Call) else decorator
        if isinstance(target, ast.Attribute) and target.attr in _MODAL_DECORATORS:
            return target.attr
    return None


def _started_by_modal_only(parsed: Parsed) -> bool:
    """Whether modal functions are all that the file runs."""
    decorated = any(_modal_decorated(function) for function in _top_functions(parsed))
    return decorated and not any(
        isinstance(statement, ast.If) and around.top and "__name__" in {name_of(n) for n in (_left(statement.test),)}
        for statement, around in parsed.outline.statements
    )


def _left(test: ast.expr) -> ast.expr:
    return test.left if isinstance(test, ast.Compare) else test


def _modal_function(parsed: Parsed) -> tuple[ast.FunctionDef, tuple[str, ...]] | None:
    """The function that a modal app runs remotely: the one that its local entry point calls, else the first."""
    remote = [one for one in _top_functions(parsed) if _modal_decorated(one) == "function"]
    if not remote:
        return None
    called_remotely = {
        name_of(call.func.value)
        for name in ("remote", "spawn", "local", "map")
        for call in parsed.index.calls.get(name, ())
        if isinstance(call.func, ast.Attribute)
    }
    chosen = next((one for one in remote if one.name in called_remotely), remote[0])
    required = len(chosen.args.args) - len(chosen.args.defaults)
    note = (f"{chosen.name} takes {required} arguments that only its caller gives",) if required else ()
    return chosen, note


def _uncalled(parsed: Parsed) -> ast.FunctionDef | None:
    """The function that starts everything: named like one, called by nobody, and callable without arguments."""
    functions = {one.name: one for one in _top_functions(parsed)}
    names = {called(call) for call in parsed.index.of(ast.Call)}
    free = [
        one for name, one in functions.items() if name not in names and len(one.args.args) <= len(one.args.defaults)
    ]
    for wanted in _ENTRY_NAMES:
        for one in free:
            if one.name == wanted:
                return one
    return max(free, key=lambda one: (one.end_lineno or 0) - one.lineno, default=None)
