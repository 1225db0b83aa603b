"""How programs are started."""

import textwrap

import pytest

from harness.model.facts import SubmissionFacts
from harness.model.plan import EntryKind, StepPurpose
from harness.model.target import FileEntry, FolderEntry, Origin
from harness.observe.cpu_run.planning.entry import (
    arguments_for,
    entry_steps,
    evaluations_after,
    modal_function,
    purpose_of,
    shipped_artifact,
    shrunk_words,
    staged_steps,
    uncalled_function,
)
from harness.observe.cpu_run.planning.sizes import Original, Tiny
from harness.observe.reading.source.grammar import Parsed, parse
from harness.observe.reading.source.script import read_script

_TINY = Tiny(Original(sequence=1024))


def _parsed(text: str) -> Parsed:
    return parse(textwrap.dedent(text))


@pytest.mark.parametrize(
    ("words", "left"),
    [
        (("--seq-len", "1024", "--seed", "7"), ("--seq-len", "64", "--seed", "7")),
        (("--stride=64", "--fast"), ("--stride=16", "--fast")),
        (("--seed", "$SEED", "--fast"), ("--fast",)),
        (("--checkpoint", "/path/to/model", "--eval"), ("--eval",)),
        (("--eval", "2>&1", "|", "tee", "log"), ("--eval",)),
        (("golf", "--model_dim", "512"), ("golf", "--model_dim", "512")),
    ],
)
def test_words_of_a_command(words: tuple[str, ...], left: tuple[str, ...]) -> None:
    """Sizes shrink, what is left of prose and of the shell goes with its option, the rest stays."""
    assert shrunk_words(words, _TINY) == left


@pytest.mark.parametrize(
    ("words", "left"),
    [
        ("--data_path /x/data/datasets/fineweb10B_sp1024", "--data_path ./data/datasets/fineweb10B_sp1024"),
        ("--tokenizer=../../tokenizers/fineweb_1024_bpe.model", "--tokenizer=./data/tokenizers/fineweb_1024_bpe.model"),
        ("--data_path /x/my_own_shards", "--data_path /x/my_own_shards"),
        ("--data-dir /x/data", "--data-dir ./data"),
        ("--data-path data/datasets/mine", "--data-path data/datasets/mine"),
        ("--output_dir /tmp/out", "--output_dir /tmp/out"),
    ],
)
def test_data_that_arguments_name_is_moved(words: str, left: str) -> None:
    """Places of the author's machine that an option for data is given become the run's own; other paths stay."""
    assert shrunk_words(words.split(), _TINY) == tuple(left.split())


def test_arguments_that_nobody_gives_are_noted() -> None:
    """A required argument without a value is told, and optional ones are not."""
    program = _parsed("""
        p.add_argument("data")
        p.add_argument("more", nargs="?")
        p.add_argument("--out", required=True)
        p.add_argument("--seed", type=int, default=1)
    """)
    words, notes = arguments_for(("tokens.bin",), program, _TINY)
    assert words == ("tokens.bin",)
    assert [note.split()[5] for note in notes] == ["--out,"]
    assert len(arguments_for((), program, _TINY)[1]) == 2


def test_options_of_whole_numbers_are_given_whole_numbers() -> None:
    """Seconds become fractions only where the program takes them."""
    given = ("--train_seconds", "600", "--budget_seconds=600")
    program = 'p.add_argument("--train_seconds", {}default=600)\np.add_argument("--budget_seconds", {}default=600)'
    whole, _ = arguments_for(given, _parsed(program.format("type=int, ", "type=int, ")), _TINY)
    assert whole == ("--train_seconds", "1", "--budget_seconds=1")
    parts, _ = arguments_for(given, _parsed(program.format("type=float, ", "type=float, ")), _TINY)
    assert float(parts[1]) < 1


def test_a_program_without_arguments_is_given_none() -> None:
    """What a README shows behind a program that reads no arguments is not passed."""
    assert arguments_for(("--seed", "1"), _parsed("print(1)"), _TINY) == ((), ())


@pytest.mark.parametrize(
    ("script", "environment", "arguments", "purpose"),
    [
        ("train_gpt.py", {}, (), StepPurpose.TRAIN_AND_EVALUATE),
        ("train_gpt.py", {"MODE": "train"}, (), StepPurpose.TRAIN),
        ("train_gpt.py", {"MODE": "eval"}, (), StepPurpose.EVALUATE),
        ("train_gpt.py", {"EVAL_ONLY": "1"}, (), StepPurpose.EVALUATE),
        ("train_gpt.py", {"EVAL_ONLY": "0"}, (), StepPurpose.TRAIN_AND_EVALUATE),
        ("train_gpt.py", {}, ("--train", "--seed", "1"), StepPurpose.TRAIN),
        ("train_gpt.py", {}, ("--eval", "--checkpoint", "a.pt"), StepPurpose.EVALUATE),
        ("prepare_tables.py", {}, (), StepPurpose.PREPARE),
        ("eval_sliding.py", {}, (), StepPurpose.EVALUATE),
        ("main.py", {}, (), StepPurpose.TRAIN_AND_EVALUATE),
    ],
)
def test_what_a_step_is_for(
    script: str, environment: dict[str, str], arguments: tuple[str, ...], purpose: StepPurpose
) -> None:
    """Stages named by arguments or environment count more than the file's name."""
    assert purpose_of(script, environment, arguments) is purpose


def _staged(script: bytes, *others: str) -> list[tuple[str, StepPurpose]]:
    sources = {"run.sh": script, "train_gpt.py": b"import torch\nmain()\n"} | dict.fromkeys(others, b"main()\n")
    launched = read_script("train_gpt.py", sources["train_gpt.py"], sources).facts
    steps = staged_steps(sources, launched, _TINY)
    assert all(step.kind is EntryKind.SHELL for step in steps)
    return [(step.path, step.purpose) for step in steps]


def test_a_run_script_of_several_programs() -> None:
    """Steps keep their order; the makers of data are left out because the inputs are there."""
    script = b"""
    python data/cached_challenge_fineweb.py --variant sp1024
    python build_tables.py
    torchrun --nproc_per_node=8 train_gpt.py
    python eval_model.py --stride 64
    """
    assert _staged(script, "build_tables.py", "eval_model.py", "data/cached_challenge_fineweb.py") == [
        ("build_tables.py", StepPurpose.PREPARE),
        ("train_gpt.py", StepPurpose.TRAIN_AND_EVALUATE),
        ("eval_model.py", StepPurpose.EVALUATE),
    ]


def test_one_program_in_two_stages() -> None:
    """Training and evaluation of one file are two steps."""
    script = b"MODE=train torchrun train_gpt.py\nMODE=eval torchrun train_gpt.py\n"
    assert _staged(script) == [("train_gpt.py", StepPurpose.TRAIN), ("train_gpt.py", StepPurpose.EVALUATE)]


def test_seeds_are_no_stages() -> None:
    """A script that repeats one command is not staged."""
    assert _staged(b"SEED=1 torchrun train_gpt.py\nSEED=2 torchrun train_gpt.py\n") == []


def test_the_function_that_nothing_calls() -> None:
    """Named like an entry, or with a backward pass in it; tools are no entries."""
    assert uncalled_function(_parsed("def helper(): pass\ndef main(): helper()")).name == "main"  # type: ignore[union-attr]
    learning = "def tool(): pass\ndef fit(steps=3):\n    loss.backward()"
    assert uncalled_function(_parsed(learning)).name == "fit"  # type: ignore[union-attr]
    assert uncalled_function(_parsed("def tool(): pass")) is None
    assert uncalled_function(_parsed("def main(config): pass")) is None


def test_the_function_that_modal_runs() -> None:
    """Of several remote functions, the one that the local entry point starts."""
    program = _parsed("""
        @app.function(gpu="H100:8")
        def train(): pass

        @app.function()
        def download():
            a()
            b()

        @app.local_entrypoint()
        def main():
            train.remote()
    """)
    found = modal_function(program)
    assert found is not None
    assert found.name == "train"
    assert modal_function(_parsed("def train(): pass")) is None


def test_a_modal_function_with_arguments_is_called_by_the_local_entry_point() -> None:
    """What only a caller knows comes from the app's own entry point, where that one needs nothing."""
    program = """
        @app.function()
        def train(rows, *, columns): pass

        @app.local_entrypoint()
        def begin({given}):
            train.remote(4, columns=3)
    """
    for given, calls in (("rows=4", "begin"), ("rows", "train")):
        read = read_script("train.py", textwrap.dedent(program.format(given=given)).encode(), {})
        (step,), _ = entry_steps(_facts(), {}, read.facts, read.parsed, _TINY)
        assert (step.kind, step.calls) == (EntryKind.MODAL, calls)


@pytest.mark.parametrize(
    ("commands", "started"),
    [
        ("python train_gpt.py\npython score_model.py --batch 4", ["score_model.py"]),
        ("python score_model.py\npython train_gpt.py", []),
        ("python train_gpt.py\npython plot.py", []),
        ("python train_gpt.py\npython train_gpt.py", []),
    ],
)
def test_a_readme_evaluates_after_training(commands: str, started: list[str]) -> None:
    """A program that scores what another one trains is run after it, as the README says."""
    sources = dict.fromkeys(("train_gpt.py", "score_model.py", "plot.py"), b"")
    sources["README.md"] = f"# Run\n```bash\n{commands}\n```\n".encode()
    launched = read_script("train_gpt.py", b"", {}).facts
    steps = evaluations_after(sources, launched, _TINY)
    assert [step.path for step in steps] == started
    assert all(step.purpose is StepPurpose.EVALUATE for step in steps)


def _facts(*files: FileEntry) -> SubmissionFacts:
    return SubmissionFacts(folder=FolderEntry(path="x", track=None, origin=Origin.GIVEN, files=files))


def test_shipped_weights_fix_sizes_only_where_nothing_trains() -> None:
    """A program that reads weights of the folder and has no backward pass evaluates only."""
    facts = _facts(FileEntry(path="model.int6.ptz", size=15_000_000), FileEntry(path="other.pt", size=9))
    evaluating = 'open("model.int6.ptz")'
    assert shipped_artifact(facts, _parsed(evaluating)) == "model.int6.ptz"
    assert shipped_artifact(facts, _parsed(evaluating + "\nloss.backward()")) is None
    assert shipped_artifact(facts, _parsed('open("other.pt")')) is None
