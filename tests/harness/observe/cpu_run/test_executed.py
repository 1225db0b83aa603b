"""Features that the launch enables against what a run executed: the run here is the rewritten text, counting."""

from __future__ import annotations

import builtins
import operator
import os
import textwrap
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest
from tests_support.cases import facts_of

from harness.model.cpu_run import FeatureRun, Ran
from harness.observe.cpu_run.executed import Executed, features, not_executed, program_of
from harness.observe.cpu_run.guest import rewriting
from harness.observe.cpu_run.guest.rewriting import HIT, SUMS, TAKEN, Rewriter
from harness.observe.cpu_run.planning.features import expected
from harness.observe.cpu_run.report import Block
from harness.observe.cpu_run.switched import Program, stretches
from harness.observe.reading.launch.settings import launcher
from harness.observe.reading.source.grammar import parse
from harness.observe.reading.source.script import read_script

SETTINGS = """
import os

class Hyperparameters:
    swa_enabled = bool(int(os.environ.get("SWA_ENABLED", "0")))
    ttt_enabled = bool(int(os.environ.get("TTT_ENABLED", "0")))
    late_qat_threshold = float(os.environ.get("LATE_QAT_THRESHOLD", 0.0))
    ema_decay = float(os.environ.get("EMA_DECAY", 0.9))
    eval_stride = int(os.environ.get("EVAL_STRIDE", 0))
    gptq_enabled = True
    steps = int(os.environ.get("STEPS", 6))

def log0(words):
    pass

"""


def counted(text: str, environment: Mapping[str, str]) -> tuple[Block, ...]:
    """The blocks of a text that is really executed, with how often each ran."""
    rewriter, hits = Rewriter(), Counter[int]()
    names = [name for name in vars(rewriting).values() if isinstance(name, str) and name.startswith("__golf_")]
    quiet = {name: lambda *given: given[-1] if given else None for name in names} | {TAKEN: operator.getitem}
    own = {**vars(builtins), **quiet, **dict.fromkeys((HIT, SUMS), lambda number: hits.update([number]))}
    space: dict[str, Any] = {"__builtins__": own, "__name__": "__main__"}
    code = rewriter.compiled(text, "train_gpt.py", 0, "train_gpt.py")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setitem(os.environ, name, value)
        exec(code, space)
    seen = enumerate(rewriter.blocks)
    return tuple(Block(b.path, b.layer, b.line, b.last, b.function, b.opens, hits[i]) for i, b in seen)


class Run:
    """A launch with these variables, run with `changed` ones on top of them."""

    def __init__(self, body: str, changed: Mapping[str, str] | None = None, **environment: str) -> None:
        text = SETTINGS + textwrap.dedent(body)
        command = " ".join(f"{name}={value}" for name, value in environment.items())
        readme = f"# Mine\n```\n{command} torchrun --nproc_per_node=8 train_gpt.py\n```\n"
        submission = facts_of({"train_gpt.py": text, "README.md": readme})
        assert submission.launch is not None
        program = program_of(submission, {}, read_script("train_gpt.py", text.encode(), {}), environment | launcher(8))
        assert program is not None
        self.text, self.launch, self.program = text, submission.launch, program
        self.done = Executed.of(program, [counted(text, {**environment, **(changed or {})})])

    def feature(self, name: str) -> FeatureRun:
        """The answer for one feature."""
        answers = features(self.program, self.launch, expected(self.launch), self.done)
        return next(one for one in answers if one.feature == name)

    def line(self, words: str) -> int:
        """The number of the line that holds these words."""
        return next(i for i, line in enumerate(self.text.split("\n"), 1) if words in line)


AVERAGING = """
def main():
    args = Hyperparameters()
    state, count = None, 0
    for step in range(args.steps):
        scale = 1.0 - step / 10
        if args.swa_enabled and scale < 0.7:
            if state is None:
                state = 0.0
            state += scale
            count += 1
    if args.swa_enabled:
        log0("averaging")
    if state is not None and count > 1:
        log0(f"applied {state / count}")
        applied = float(state / count)

main()
"""


def test_executed_under_a_condition() -> None:
    """A feature that begins late in training was executed if it really began, and the lines are given."""
    run = Run(AVERAGING, SWA_ENABLED="1")
    found = run.feature("swa")
    assert found.ran is Ran.EXECUTED
    assert run.line("if state is None") in {at.line for at in found.at}
    assert found.because == ("swa_enabled",)


def test_sizes_switch_it_off() -> None:
    """The same in a run of too few steps: not executed, although the condition on the setting alone was passed."""
    run = Run(AVERAGING, {"STEPS": "2"}, SWA_ENABLED="1")
    found = run.feature("swa")
    assert found.ran is Ran.NOT_EXECUTED
    assert run.line("if state is None") in {at.line for at in found.missed}


def test_gathered_but_never_applied() -> None:
    """One checkpoint is no average: what gathers ran, what applies did not."""
    found = Run(AVERAGING, {"STEPS": "5"}, SWA_ENABLED="1").feature("swa")
    assert (len(found.at), found.ran) == (1, Ran.NOT_EXECUTED)


def test_early_return() -> None:
    """Code behind `if not enabled: return` is what the setting switches on."""
    body = """
    def adapt(args, rounds):
        if not args.ttt_enabled:
            return 0
        if not rounds:
            return 0
        total = sum(range(rounds))
        return total

    adapt(Hyperparameters(), int(os.environ.get("ROUNDS", "3")))
    """
    run = Run(body, TTT_ENABLED="1")
    assert run.feature("ttt").ran is Ran.EXECUTED
    assert run.line("total = sum") in range(
        run.feature("ttt").at[0].line or 0, 1 + (run.feature("ttt").at[0].end_line or 0)
    )
    assert Run(body, {"ROUNDS": "0"}, TTT_ENABLED="1").feature("ttt").ran is Ran.NOT_EXECUTED
    assert Run(body, {"TTT_ENABLED": "0"}, TTT_ENABLED="1").feature("ttt").ran is Ran.NOT_EXECUTED


def test_what_does_not_leave() -> None:
    """Functions and loops that stand above the code of a feature end many times and leave it to run."""
    body = """
    def main(args):
        def scale(step):
            if step:
                return 2
            return 1
        for step in range(9):
            scale(step)
            continue
        return score(args, stride=args.eval_stride)

    def score(args, stride):
        return sum(range(0, 64, stride))

    main(Hyperparameters())
    """
    assert Run(body, EVAL_STRIDE="16").feature("sliding").ran is Ran.EXECUTED


def test_through_a_flag() -> None:
    """A flag that is set because of a setting switches code on elsewhere; setting it alone is not enough."""
    body = """
    class Linear:
        quantised = False

        def forward(self, x):
            if self.quantised:
                x = round(x, 1)
            return x

    def main():
        args, layer = Hyperparameters(), Linear()
        for step in range(args.steps):
            if args.late_qat_threshold > 0 and 1 - step / 6 < args.late_qat_threshold and not Linear.quantised:
                Linear.quantised = True
                log0("from here on")
            if int(os.environ.get("STEPS_OF_FORWARD", "9")) > step:
                layer.forward(1.23)

    main()
    """
    assert Run(body, LATE_QAT_THRESHOLD="0.5").feature("qat").ran is Ran.EXECUTED
    assert Run(body, {"STEPS_OF_FORWARD": "2"}, LATE_QAT_THRESHOLD="0.5").feature("qat").ran is Ran.NOT_EXECUTED


def test_functions_of_its_own() -> None:
    """Where functions exist for the feature alone, preparing it is not executing it."""
    body = """
    def window(args, size):
        total = 0
        for start in range(0, size, args.eval_stride):
            total += start
            total += 1
        return total

    def warm(args):
        return max(1, 2)

    def main():
        args = Hyperparameters()
        if args.eval_stride > 0:
            warm(args)
        if args.eval_stride > 0 and int(os.environ.get("SIZE", "8")) > 4:
            window(args, 8)

    main()
    """
    assert Run(body, EVAL_STRIDE="2").feature("sliding").ran is Ran.EXECUTED
    run = Run(body, {"SIZE": "3"}, EVAL_STRIDE="2")
    assert run.feature("sliding").ran is Ran.NOT_EXECUTED
    missing = not_executed(run.program, run.done)
    assert [at.line for at in missing] == [run.line("def window")]


def test_a_constant_in_the_code() -> None:
    """A setting that no variable feeds is switched off in the code, for the comparison only."""
    body = """
    def main():
        args = Hyperparameters()
        if args.gptq_enabled and int(os.environ.get("ROWS", "1")):
            rows = sum([1, 2])

    main()
    """
    run = Run(body)
    assert run.feature("gptq").ran is Ran.EXECUTED
    assert "gptq_enabled = True" in run.text
    assert Run(body, {"ROWS": "0"}).feature("gptq").ran is Ran.NOT_EXECUTED


def test_sizes_alone() -> None:
    """Where nothing switches, the statements that compute with the setting tell, under other names as well."""
    body = """
    def main():
        args = Hyperparameters()
        decay = args.ema_decay
        average = 0.0
        for step in range(args.steps):
            average = average * decay + (1 - decay) * step

    if int(os.environ.get("GO", "1")):
        main()
    """
    run = Run(body)
    assert run.feature("ema").ran is Ran.EXECUTED
    assert [at.line for at in run.feature("ema").at] == [run.line("average = average")]
    assert Run(body, {"GO": "0"}).feature("ema").ran is Ran.NOT_EXECUTED


def test_sizes_of_what_another_setting_leaves_out() -> None:
    """A size that only unreached code computes with enables nothing."""
    body = """
    def average(args):
        return sum(args.ema_decay * step for step in range(args.steps))

    def main():
        args = Hyperparameters()
        if os.environ.get("AVERAGING", "off") == "ema":
            average(args)

    main()
    """
    run = Run(body)
    assert "ema" not in {one.feature for one in features(run.program, run.launch, expected(run.launch), run.done)}
    assert Run(body, AVERAGING="ema").feature("ema").ran is Ran.EXECUTED


@pytest.mark.parametrize(("mode", "ran"), [("plain", None), ("sliding", Ran.EXECUTED)])
def test_a_size_that_is_only_named(mode: str, ran: Ran | None) -> None:
    """Giving a size a name, with others in one assignment, executes nothing: what computes with it must run."""
    run = Run(
        """
        def planned(length, args):
            first, stride = 0, args.eval_stride
            if os.environ.get("EVALUATION", "plain") == "plain":
                return list(range(first, length, 8))
            return list(range(first, length, stride))

        planned(32, Hyperparameters())
        """,
        EVAL_STRIDE="2",
        EVALUATION=mode,
    )
    answers = features(run.program, run.launch, expected(run.launch), run.done)
    assert [one.ran for one in answers if one.feature == "sliding"] == ([] if ran is None else [ran])


def test_more_processes() -> None:
    """What only the competition's number of processes switches on did not run in one; to read a size is no use."""
    body = """
    def main():
        default = "1" if int(os.environ.get("WORLD_SIZE", "1")) > 1 else "0"
        use_ngram = bool(int(os.environ.get("NGRAM_CACHE", default)))
        ngram_order = int(os.environ.get("NGRAM_ORDER", "7"))
        if use_ngram:
            tables = list(range(ngram_order))

    main()
    """
    assert Run(body).feature("ngram").ran is Ran.NOT_EXECUTED
    assert Run(body, {"WORLD_SIZE": "8"}).feature("ngram").ran is Ran.EXECUTED


def test_unknown() -> None:
    """No answer is made up: where other settings close all of a feature's code, or another text ran."""
    body = """
    def main():
        args = Hyperparameters()
        if args.ttt_enabled and not args.gptq_enabled:
            total = sum([1, 2])

    main()
    """
    run = Run(body, TTT_ENABLED="1")
    assert run.feature("ttt").ran is Ran.UNKNOWN
    assert "reaches no code" in run.feature("ttt").reason
    run.done = Executed.of(run.program, [counted("pass\n", {})])
    assert "not the one that was read" in run.feature("gptq").reason
    assert not_executed(run.program, run.done) == ()


def test_stretches_are_the_recorder_s_blocks() -> None:
    """Every kind of statement: host and guest number the same stretches, in the same order."""
    text = textwrap.dedent("""
    \"\"\"Words.\"\"\"
    from __future__ import annotations
    import triton
    class Outer:
        size = 3
        if size:
            other = 1
        def method(self):
            try:
                return 1
            except ValueError:
                pass
            else:
                a = 1
            finally:
                b = 2
        async def later(self):
            async with x as y: pass
            async for z in y: pass
            else: pass
    @triton.jit
    def kernel(p):
        if p: pass
    def f(x):
        match x:
            case 1: return 1
            case _:
                def g(): return lambda: 1
        while x: break
        else: x = 1
        if x: pass
        elif x > 1: pass
        else:
            with x: pass
    """)
    rewriter = Rewriter()
    rewriter.compiled(text, "a.py", 0, "a.py")
    tree = parse(text).tree
    assert tree is not None
    assert [stretch.mark for stretch in stretches(tree)] == [(b.line, b.function, b.opens) for b in rewriter.blocks]
    assert len(rewriter.blocks) == 22


def test_loaded_twice() -> None:
    """A file that is run and then imported, or run by two steps, counts as one; other blocks of its name as none."""
    run = Run(AVERAGING, SWA_ENABLED="1")
    blocks = counted(run.text, {"SWA_ENABLED": "1"})
    twice = Executed.of(run.program, [blocks + blocks, blocks])
    assert twice.hits["train_gpt.py"] == [3 * count for count in run.done.hits["train_gpt.py"]]
    assert not Executed.of(run.program, [blocks[:-1]]).hits


HELPER = "def start(n):\n    return n and deeper(n)\n\ndef deeper(n):\n    return n\n\ndef never(): ...\n"


def modules_of(main: str) -> Program:
    """A program that imports a helper."""
    raw = {"train_gpt.py": main.encode(), "helper.py": HELPER.encode()}
    submission = facts_of(raw)
    program = program_of(submission, raw, read_script("train_gpt.py", raw["train_gpt.py"], raw), {})
    assert program is not None
    return program


def test_modules() -> None:
    """Imported files belong to the program: a function of theirs that the launch reaches and no run did is named."""
    program = modules_of(SETTINGS + "import helper\ndef main():\n    helper.start(2)\n\nmain()\n" + 1000 * "size = 1\n")
    assert [source.path for source in program.sources] == ["train_gpt.py", "helper.py"]
    missing = not_executed(program, Executed.of(program, ()))
    assert {(at.path, at.line) for at in missing} == {
        ("train_gpt.py", 1 + (SETTINGS + "import helper\n").count("\n")),
        ("helper.py", 1),
        ("helper.py", 4),
    }


def test_launcher() -> None:
    """Where a file only starts another, the other's text is the program, wherever it was loaded from."""
    program = modules_of("import helper\nif __name__ == '__main__':\n    helper.start(2)\n")
    blocks = [block._replace(path="helper.py") for block in counted(HELPER + "if start: pass\n", {})]
    assert Executed.of(program, [blocks]).hits.get("train_gpt.py") is None
    blocks = [block._replace(path="helper.py") for block in counted(HELPER, {})]
    done = Executed.of(program, [blocks])
    assert done.hits["train_gpt.py"][0] == 1
    assert {at.line for at in not_executed(program, done)} >= {1, 4}
