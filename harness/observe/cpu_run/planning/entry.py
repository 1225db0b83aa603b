"""How a submission is started: what runs, in which order, with which arguments."""

from __future__ import annotations

import ast
import posixpath
from collections.abc import Collection, Mapping, Sequence

from harness.model.base import At
from harness.model.facts import SubmissionFacts
from harness.model.plan import EntryKind, EntryStep, Meaning, StepPurpose
from harness.model.source import ScriptFacts
from harness.observe.cpu_run.inputs.names import argument_moved
from harness.observe.cpu_run.planning.meanings import SECONDS, meaning_of
from harness.observe.cpu_run.planning.shell import steps_of
from harness.observe.cpu_run.planning.sizes import Tiny, shrunk
from harness.observe.reading.launch.commands import Command, find_commands
from harness.observe.reading.launch.pick import resolve
from harness.observe.reading.roles import Role, role_of
from harness.observe.reading.source.grammar import Parsed
from harness.observe.reading.source.index import called, name_of, nodes_under
from harness.observe.reading.text import decode

MAX_STEPS = 8
_ENTRY_NAMES = ("main", "train", "run", "run_training", "train_model", "train_and_eval", "run_eval", "evaluate")
_MODAL_DECORATORS = frozenset({"function", "local_entrypoint", "cls"})
_INPUT_MAKERS = frozenset({"cached_challenge_fineweb", "download_hf_docs_and_tokenize", "download_data"})
_STAGES = ("MODE", "STAGE", "PHASE", "EVAL_ONLY", "CHECKPOINT", "CKPT", "ONLY", "SKIP_", "MODEL_PATH")
_NO_VALUE = ("$", "`", "<", ">", "...", "/path/to", "your-", "your_")
_PREPARING = ("prepare", "download", "tokeniz", "build_", "setup", "make_", "convert", "cached_challenge", "fetch")
_EVALUATING = ("eval", "score", "infer", "slot", "ttt")
_WEIGHTS = (".ptz", ".pt", ".pth", ".bin", ".int8", ".int6", ".xz", ".br", ".zst", ".lzma", ".npz", ".safetensors")
_LEAST_WEIGHTS = 50_000
"""Bytes from which a file of such a name is taken for weights."""


def entry_steps(
    facts: SubmissionFacts, sources: Mapping[str, bytes], script: ScriptFacts, parsed: Parsed, tiny: Tiny
) -> tuple[tuple[EntryStep, ...], tuple[str, ...]]:
    """The steps of the run, and notes on what they could not be given."""
    steps = staged_steps(sources, script, tiny)
    if steps:
        return steps, ()
    if script.runnable and not _started_by_modal_only(parsed):
        command = launch_command(facts, sources)
        arguments, notes = arguments_for(command.arguments if command is not None else (), parsed, tiny)
        step = EntryStep(
            kind=EntryKind.MAIN,
            path=script.path,
            purpose=StepPurpose.TRAIN_AND_EVALUATE if learns(parsed) else StepPurpose.EVALUATE,
            arguments=arguments,
            why="its command" if command is not None else "it runs when it is started",
            at=command.at if command is not None else None,
        )
        whole = "bpb" in parsed.text.lower() and "load_state_dict" in parsed.index.calls
        return (step, *(() if whole else evaluations_after(sources, script, tiny))), notes
    return _called(script, parsed)


def _called(script: ScriptFacts, parsed: Parsed) -> tuple[tuple[EntryStep, ...], tuple[str, ...]]:
    """A step that calls a function, where running the file starts nothing."""
    remote, uncalled = modal_function(parsed), uncalled_function(parsed)
    if remote is not None and _required(remote):
        remote = modal_entry_point(parsed) or remote
    function = remote or uncalled
    if function is None:
        step = EntryStep(kind=EntryKind.MAIN, path=script.path, why="no entry point was found")
        return (step,), ("the program only defines things; nothing starts training",)
    step = EntryStep(
        kind=EntryKind.CALL if remote is None else EntryKind.MODAL,
        path=script.path,
        calls=function.name,
        why="nothing calls it, and nothing else runs" if remote is None else "the function that modal would run",
        at=At(path=script.path, line=function.lineno, layer=len(script.layers)),
    )
    required = _required(function)
    return (step,), (f"{function.name} takes {required} arguments that only its caller gives",) if required else ()


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


def launch_command(facts: SubmissionFacts, sources: Mapping[str, bytes]) -> Command | None:
    """The launch's command with its arguments, read again where the facts saw it."""
    known = facts.launch.command if facts.launch is not None else None
    if known is None or known.at.path not in sources:
        return None
    readme = role_of(known.at.path) is not Role.RUN_SCRIPT
    found = find_commands(known.at.path, decode(sources[known.at.path]).text, readme=readme)
    return next((one for one in found if one.at == known.at and one.script is not None), None)


def staged_steps(sources: Mapping[str, bytes], launched: ScriptFacts, tiny: Tiny) -> tuple[EntryStep, ...]:
    """Steps of a run script that starts several programs of the submission, or one in several stages, in order.

    A script that starts one program many times alike (seeds, sweeps) is not staged, nor one without the launched file.
    """
    programs = [path for path in sources if path.endswith(".py")]
    for path in sorted(sources):
        if role_of(path) is not Role.RUN_SCRIPT:
            continue
        steps: dict[tuple[str, StepPurpose], EntryStep] = {}
        for command in steps_of(path, decode(sources[path]).text):
            script = resolve(command.script, programs)
            if script is None or _plain_name(script) in _INPUT_MAKERS:
                continue  # the inputs of the run are there already
            purpose = purpose_of(script, command.environment, command.arguments)
            step = EntryStep(
                kind=EntryKind.SHELL, path=script, purpose=purpose, arguments=shrunk_words(command.arguments, tiny),
                environment=tuple(sorted(_stage_variables(command.environment).items())),
                why="a step of the run script", at=command.at,
            )  # fmt: skip
            steps.setdefault((script, purpose), step)
        if 1 < len(steps) <= MAX_STEPS and any(step.path == launched.path for step in steps.values()):
            return tuple(steps.values())
    return ()


def evaluations_after(sources: Mapping[str, bytes], launched: ScriptFacts, tiny: Tiny) -> tuple[EntryStep, ...]:
    """Programs that evaluate what the launched one trains, where a README starts them after it."""
    programs = [path for path in sources if path.endswith(".py")]
    steps: dict[str, EntryStep] = {}
    for path in sorted(sources):
        if role_of(path) is not Role.README:
            continue
        started = False
        for command in find_commands(path, decode(sources[path]).text, readme=True):
            script = resolve(command.script, programs)
            started = started or script == launched.path
            if script is None or not started or script == launched.path:
                continue
            if purpose_of(script, command.environment, command.arguments) is StepPurpose.EVALUATE:
                step = EntryStep(
                    kind=EntryKind.SHELL, path=script, purpose=StepPurpose.EVALUATE,
                    arguments=shrunk_words(command.arguments, tiny), why="started after training", at=command.at,
                )  # fmt: skip
                steps.setdefault(script, step)
    return tuple(steps.values())[: MAX_STEPS - 1]


def _plain_name(path: str) -> str:
    return posixpath.basename(path).removesuffix(".py")


def _stage_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """Variables that tell one stage from another; sizes are the plan's own matter."""
    return {
        name: text
        for name, text in environment.items()
        if any(word in name for word in _STAGES) and "DATA" not in name and "TOKENIZER" not in name
    }


def purpose_of(script: str, environment: Mapping[str, str], arguments: Sequence[str] = ()) -> StepPurpose:
    """What a step is for: by the stage that its arguments or environment name, else by the file's name."""
    words = {word.lstrip("-").lower() for word in arguments}
    words |= {environment.get(name, "").lower() for name in ("MODE", "STAGE", "PHASE")}
    if environment.get("EVAL_ONLY", "0") not in ("", "0") or environment.get("SKIP_TRAINING", "0") not in ("", "0"):
        words.add("eval")
    if words & {"train", "training"}:
        return StepPurpose.TRAIN
    if words & {"eval", "evaluate", "eval_only", "eval-only", "evaluation"}:
        return StepPurpose.EVALUATE
    name = _plain_name(script).lower()
    if name.startswith("train"):
        return StepPurpose.TRAIN_AND_EVALUATE
    if any(word in name for word in _PREPARING):
        return StepPurpose.PREPARE
    return StepPurpose.EVALUATE if any(word in name for word in _EVALUATING) else StepPurpose.TRAIN_AND_EVALUATE


def arguments_for(given: Sequence[str], parsed: Parsed, tiny: Tiny) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The command's arguments with sizes shrunk, and notes on those that the parser requires but nobody gives."""
    options = _options(parsed)
    if not options and "argv" not in parsed.text:
        return (), ()  # the program reads no arguments: what the command shows is meant for others
    words = shrunk_words(given, tiny, _whole_numbers(parsed))
    flags = {word.partition("=")[0] for word in words}
    plain = sum(1 for i, word in enumerate(words) if word[:1] != "-" and not (i and words[i - 1][:1] == "-"))
    missing = [name for name, required in options.items() if required and name[:1] == "-" and name not in flags]
    missing += [name for name, required in options.items() if required and name[:1] != "-"][plain:]
    return words, tuple(f"the program requires the argument {name}, which no command gives" for name in missing)


def shrunk_words(given: Sequence[str], tiny: Tiny, whole: Collection[str] = ()) -> tuple[str, ...]:
    """Words of a command line with sizes shrunk, and data where those of the run lie.

    What is left of the shell or of prose is dropped, with its option.
    `whole` are the options that take whole numbers only.
    """
    result: list[str] = []
    for word in given:
        if word[:1] in ("|", ">", "&", ";", "<") or word.startswith("2>"):
            break
        option = result[-1] if result and result[-1][:1] == "-" and "=" not in result[-1] else ""
        if any(sign in word for sign in _NO_VALUE) or word in ('"', "'", "\\"):
            if option and word[:1] != "-":
                result.pop()
            continue
        name, sign, value = word.partition("=")
        if sign and name[:1] == "-":
            result.append(f"{name}={_small(name, value, tiny, whole)}")
        else:
            result.append(_small(option, word, tiny, whole) if option else word)
    return tuple(result)


def _small(name: str, text: str, tiny: Tiny, whole: Collection[str]) -> str:
    try:
        value = float(text) if "." in text or "e" in text.lower() else int(text)
    except ValueError:
        return argument_moved(name, text)
    meaning = meaning_of(name, value)
    new = shrunk(meaning, value, name, tiny) if meaning is not None else None
    if new is None:
        return text
    if name in whole:
        return str(max(int(new), 1)) if meaning is Meaning.WALLCLOCK else str(int(new))
    return repr(float(new)) if isinstance(value, float) or meaning in SECONDS else str(int(new))


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


def _whole_numbers(parsed: Parsed) -> frozenset[str]:
    """Options that the program declares with `type=int`."""
    return frozenset(
        one.value
        for call in parsed.index.calls.get("add_argument", ())
        if any(
            keyword.arg == "type" and isinstance(keyword.value, ast.Name) and keyword.value.id == "int"
            for keyword in call.keywords
        )
        for one in call.args
        if isinstance(one, ast.Constant) and isinstance(one.value, str)
    )


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


def modal_function(parsed: Parsed) -> ast.FunctionDef | None:
    """The function that a modal app runs remotely: one that its local entry point calls, else the longest."""
    remote = [one for one in _top_functions(parsed) if _modal_decorated(one) == "function"]
    called_remotely = {
        name_of(call.func.value)
        for name in ("remote", "spawn", "local", "map")
        for call in parsed.index.calls.get(name, ())
        if isinstance(call.func, ast.Attribute)
    }
    chosen = [one for one in remote if one.name in called_remotely] or remote
    return max(chosen, key=_length, default=None)


def modal_entry_point(parsed: Parsed) -> ast.FunctionDef | None:
    """The local entry point of a modal app, if it needs no arguments: it gives the remote functions theirs."""
    local = [one for one in _top_functions(parsed) if _modal_decorated(one) == "local_entrypoint"]
    return next((one for one in local if not _required(one)), None)


def _required(function: ast.FunctionDef) -> int:
    """Arguments that a call must give."""
    by_name = sum(default is None for default in function.args.kw_defaults)
    return len(function.args.posonlyargs) + len(function.args.args) - len(function.args.defaults) + by_name


def uncalled_function(parsed: Parsed) -> ast.FunctionDef | None:
    """The function that starts everything: called by nobody, callable without arguments, and named like one.

    None where the uncalled functions are tools: a function without such a name counts only with a backward pass in it.
    """
    names = {called(call) for call in parsed.index.of(ast.Call)}
    free = [one for one in _top_functions(parsed) if one.name not in names and not _required(one)]
    named = [one for wanted in _ENTRY_NAMES for one in free if one.name == wanted]
    learning = [one for one in free if any(called(node) == "backward" for node in nodes_under(one))]
    return next(iter(named), None) or max(learning, key=_length, default=None)


def _length(function: ast.FunctionDef) -> int:
    return (function.end_lineno or function.lineno) - function.lineno
