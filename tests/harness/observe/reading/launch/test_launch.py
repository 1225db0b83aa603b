"""From a submission's files to its launch: script, settings, branches, functions, models."""

from __future__ import annotations

import textwrap

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.model.base import At, Fact
from harness.model.launch import LaunchFacts, ModelShape, SettingOrigin
from harness.model.logs import LogFacts, LoggedSetting, RunFacts, Score
from harness.observe.reading.launch import read_launch
from harness.observe.reading.source.script import read_script

SCRIPT = """
import os
import torch
from torch import nn
import torch.distributed as dist

class Hyperparameters:
    seed = int(os.environ.get("SEED", 1337))
    run_id = os.environ.get("RUN_ID", "run")
    num_layers = int(os.environ.get("NUM_LAYERS", 2))
    model_dim = int(os.environ.get("MODEL_DIM", os.environ.get("DIM", 8)))
    lr = float(os.environ.get("LR", 0.02))
    tie = bool(int(os.environ.get("TIE", "1")))
    layers = [int(x) for x in os.environ.get("SPECIAL_LAYERS", "0,1").split(",") if x]
    ngram_order = int(os.environ.get("NGRAM_EVAL_ORDER", "0"))
    vocab_size = 16

class GPT(nn.Module):
    def __init__(self, args):
        super().__init__()
        self.emb = nn.Embedding(args.vocab_size, args.model_dim)
        dim = args.model_dim
        self.blocks = nn.ModuleList([nn.Linear(dim, dim, bias=False) for _ in range(args.num_layers)])
        self.special = nn.ParameterList([nn.Parameter(torch.zeros(1)) for _ in args.layers])

    def forward(self, x):
        for block in self.blocks:
            x = block(x)
        return x

def ngram_eval(model):
    return ngram_table(model)

def ngram_table(model):
    return 0

def cached_eval(model):
    return 1

def main():
    args = Hyperparameters()
    world_size = int(os.environ.get("WORLD_SIZE", "1"))
    rank = int(os.environ.get("RANK", "0"))
    cache = os.environ.get("NGRAM_CACHE", "1" if world_size > 1 else "0") == "1"
    model = GPT(args).cuda()
    n_params = sum(p.numel() for p in model.parameters())
    if rank == 0:
        print(f"model_params:{n_params} lr:{args.lr} tie:{args.tie} width:{n_params}")
    model(torch.zeros(1))
    if args.ngram_order >= 2:
        ngram_eval(model)
    if cache:
        cached_eval(model)
    else:
        print("off")
    torch.save(model.state_dict(), "model.pt")

if __name__ == "__main__":
    main()
"""


def launch(
    files: dict[str, str], prose: dict[str, str] | None = None, logs: tuple[LogFacts, ...] = ()
) -> tuple[LaunchFacts, tuple[ModelShape, ...]]:
    """Facts of the launch of files given as text."""
    data = {path: text.encode() for path, text in files.items()}
    scripts = [read_script(path, content, data) for path, content in data.items() if path.endswith(".py")]
    reading = read_launch(scripts, prose or {}, logs, ())
    return reading.facts, reading.models


def log(*printed: tuple[str, str], world_size: int | None = 8, gpu: str | None = None) -> LogFacts:
    """A log of one run with the given settings."""
    entries = tuple(
        LoggedSetting(name=name, value=value, line=number) for number, (name, value) in enumerate(printed, 1)
    )
    at = At(path="train.log", line=1)
    run = RunFacts(
        first_line=1,
        last_line=9,
        settings=entries,
        final=Score(label="final", val_bpb=1.2, line=9),
        world_size=None if world_size is None else Fact(value=world_size, at=at),
        gpu=None if gpu is None else Fact(value=gpu, at=at),
    )
    return LogFacts(path="train.log", sha256="0" * 64, bytes=10, lines=9, encoding="utf-8", runs=(run,))


def value(facts: LaunchFacts, name: str) -> tuple[object, SettingOrigin]:
    """Value in force and origin of a setting."""
    setting = next(one for one in facts.settings if one.name == name)
    return setting.value, setting.origin


def test_defaults_shape_the_model() -> None:
    """Without any other word the defaults of the code are in force."""
    facts, models = launch({"train_gpt.py": SCRIPT})
    assert (facts.script, facts.reason, facts.complete, facts.world_size) == ("train_gpt.py", "name", True, 8)
    assert value(facts, "num_layers") == (2, SettingOrigin.DEFAULT)
    assert value(facts, "vocab_size") == (16, SettingOrigin.DEFAULT)
    assert value(facts, "world_size") == (8, SettingOrigin.LAUNCHER)
    assert [(m.class_name, m.total, m.exact, m.saved) for m in models] == [("GPT", 16 * 8 + 2 * 64 + 2, True, True)]
    assert [t.name for t in models[0].tensors][:2] == ["emb.weight", "blocks.0.weight"]


def test_command_outranks_defaults_and_log_outranks_both() -> None:
    """README, run script and log give values in that order; each keeps its source."""
    readme = "```\nNUM_LAYERS=3 MODEL_DIM=4 LR=abc SPECIAL_LAYERS=0,1,2 torchrun --nproc_per_node=8 train_gpt.py\n```"
    facts, models = launch(
        {"train_gpt.py": SCRIPT},
        {"README.md": readme, "run.sh": "MODEL_DIM=6 python train_gpt.py"},
        (log(("num_layers", "5"), ("TIE", "False"), ("LR", "0.02"), ("SEED", "42")),),
    )
    assert facts.reason == "command"
    assert facts.command is not None
    assert facts.command.at.line == 2
    assert value(facts, "num_layers") == (5, SettingOrigin.LOG)
    assert value(facts, "model_dim") == (6, SettingOrigin.RUN_SCRIPT)
    assert value(facts, "tie") == (False, SettingOrigin.LOG)
    assert value(facts, "lr") == (0.02, SettingOrigin.DEFAULT)
    assert value(facts, "seed") == (42, SettingOrigin.LOG)
    layers = next(one for one in facts.settings if one.name == "num_layers")
    assert [(s.origin.value, s.value) for s in layers.sources] == [("readme", 3), ("log", 5)]
    assert models[0].total == 16 * 6 + 5 * 36 + 3


@pytest.mark.parametrize(
    "sets",
    [
        "os.environ.setdefault('NUM_LAYERS', '7')",
        "os.environ['NUM_LAYERS'] = '7'",
        "os.environ.update({'NUM_LAYERS': '7'})",
        "for name, text in {'NUM_LAYERS': '7'}.items():\n    os.environ.setdefault(name, text)",
    ],
)
def test_what_the_program_sets_before_it_reads_is_the_default(sets: str) -> None:
    """Variables that its first lines set, or those of a wrapper around it, are what the settings find."""
    program = SCRIPT.replace("import os\n", f"import os\n{sets}\n", 1)
    wrapper = f"import os\n{sets}\nfrom inner import main\nmain()\n"
    for files in ({"train_gpt.py": program}, {"train_gpt.py": wrapper, "inner.py": SCRIPT}):
        facts, models = launch(files)
        assert value(facts, "num_layers") == (7, SettingOrigin.DEFAULT)
        assert len([one for one in facts.settings if one.env == "NUM_LAYERS"]) == 1
        assert models[0].total == 16 * 8 + 7 * 64 + 2


def test_a_run_that_trains_nothing_does_not_say_how_long_the_training_is() -> None:
    """What it prints as 0 it has left out; where no other run trained, it is the launch."""
    text = 'import os\niterations = int(os.environ.get("ITERATIONS", 9))\nstride = int(os.environ.get("STRIDE", 9))\n'
    packs = log(("iterations", "0"), ("stride", "8"))
    trains = packs.model_copy(update={"runs": (_with_steps(log(("iterations", "7"), ("stride", "8")).runs[0]),)})
    for logs, iterations in (((packs,), 0), ((packs, trains), 7), ((packs, packs, trains), 7)):
        facts, _ = launch({"train_gpt.py": text}, logs=logs)
        assert (value(facts, "iterations")[0], value(facts, "stride")[0]) == (iterations, 8)


def _with_steps(run: RunFacts) -> RunFacts:
    return run.model_copy(update={"steps": Fact(value=100, at=At(path="train.log", line=1), text="")})


def test_a_printed_list_is_the_text_that_it_was_made_of() -> None:
    """What a log prints as a list stands for the text that the program splits at its commas."""
    text = 'import os\nlayers = os.environ.get("RECUR_LAYERS", "4,5")\n'
    for printed, expected in (("[4,5]", "4,5"), ("[3,4,5]", "3,4,5")):
        facts, _ = launch({"train_gpt.py": text}, logs=(log(("layers", printed)),))
        assert value(facts, "layers")[0] == expected


def test_labels_of_other_values_are_no_settings() -> None:
    """A log line `width:{n_params}` says nothing of a setting `width`; rounded values contradict nothing."""
    script = SCRIPT.replace("vocab_size = 16", 'vocab_size = 16\n    width = int(os.environ.get("WIDE", "7"))')
    facts, _ = launch({"train_gpt.py": script}, {}, (log(("width", "258"), ("lr", "0.0200")),))
    assert value(facts, "width") == (7, SettingOrigin.DEFAULT)
    assert value(facts, "lr") == (0.02, SettingOrigin.DEFAULT)


def test_dead_branch_and_unreached_functions() -> None:
    """A switch that is off closes its lines and what only they call; one that eight processes open is open."""
    facts, _ = launch({"train_gpt.py": SCRIPT})
    lines = SCRIPT.split("\n")
    dead = {lines[b.line - 1].strip(): (b.because, b.dead_first, b.dead_last) for b in facts.branches if b.dead_first}
    guard = next(i for i, line in enumerate(lines, 1) if "ngram_eval(model)" in line and "def" not in line)
    off = next(i for i, line in enumerate(lines, 1) if '"off"' in line)
    assert dead["if args.ngram_order >= 2:"] == (("NGRAM_EVAL_ORDER",), guard, guard)
    assert dead["if cache:"] == (("NGRAM_CACHE", "world_size"), off, off)
    assert "if rank == 0:" not in dead
    assert [fact.value for fact in facts.unreached] == ["ngram_eval", "ngram_table"]


def test_setting_that_opens_the_branch() -> None:
    """With the variable set, the same code is alive."""
    facts, _ = launch({"train_gpt.py": SCRIPT}, {"README.md": "    NGRAM_EVAL_ORDER=3 python train_gpt.py"})
    assert facts.unreached == ()


def test_incomplete_evaluations_accuse_nobody() -> None:
    """Where something could not be followed, no branch is called dead and no function unreached."""
    facts, models = launch({"train_gpt.py": SCRIPT.replace("def main():", "def main():\n    exec(open('x').read())")})
    assert not facts.complete
    assert facts.branches == ()
    assert facts.unreached == ()
    assert models[0].exact


def test_lines_after_a_certain_return_are_dead() -> None:
    """An `if` that always leaves closes the rest of its block."""
    head = "import os\ndef main():\n    if os.environ.get('EVAL_ONLY', '1') == '1':\n        return\n"
    script = head + "    train()\ndef train():\n    pass\nmain()\n"
    facts, _ = launch({"train_gpt.py": script})
    assert [(b.line, b.value, b.because, b.dead_first, b.dead_last) for b in facts.branches] == [
        (3, True, ("EVAL_ONLY",), 5, 5)
    ]
    assert [fact.value for fact in facts.unreached] == ["train"]


def test_script_that_refuses_eight_processes() -> None:
    """The number of processes of its own command is then assumed, and said."""
    script = SCRIPT.replace("    cache =", "    if world_size != 1:\n        raise ValueError('one only')\n    cache =")
    facts, models = launch({"train_gpt.py": script}, {"README.md": "`torchrun --nproc_per_node=1 train_gpt.py`"})
    assert (facts.world_size, facts.complete) == (1, True)
    assert "refuses 8 processes" in facts.notes[0]
    assert models[0].exact


def test_contradicting_settings_are_told() -> None:
    """A launch that would end in an exception says where."""
    script = SCRIPT.replace("    cache =", "    if args.model_dim % 3:\n        raise ValueError('no')\n    cache =")
    facts, _ = launch({"train_gpt.py": script})
    assert not facts.complete
    assert "ValueError" in facts.notes[0]


TORCH = "import torch\nmain()"


@pytest.mark.parametrize(
    ("files", "command", "expected"),
    [
        ({"a.py": TORCH}, "", ("a.py", "only script")),
        ({"train_gpt.py": TORCH, "prepare_data.py": "main()"}, "", ("train_gpt.py", "name")),
        ({"train_gpt.py": TORCH, "train_v2.py": TORCH}, "python train_v2.py", ("train_v2.py", "command")),
        ({"train_gpt.py": TORCH, "prepare.py": TORCH}, "python prepare.py", ("train_gpt.py", "name")),
        ({"train_gpt.py": TORCH, "go.py": "import modal\nmain()"}, "modal run go.py", ("train_gpt.py", "name")),
        ({"t_mlx.py": "import mlx\nmain()", "x/big.py": TORCH}, "python t_mlx.py", ("x/big.py", "only runnable")),
        ({"README.md": ""}, "", (None, "none")),
    ],
)
def test_which_script_is_launched(files: dict[str, str], command: str, expected: tuple[str | None, str]) -> None:
    """A command decides, except for helpers, launchers of other machines and MLX variants of a CUDA run."""
    facts, _ = launch(files, {"README.md": f"`{command}`"}, (log(gpu="NVIDIA H100 80GB HBM3"),))
    assert (facts.script, facts.reason) == expected


def test_sibling_modules_count() -> None:
    """Models defined in another file of the submission are found, also below a folder."""
    head = "import torch\nfrom torch import nn\nclass M(nn.Module):\n    def __init__(self):\n"
    model = head + "        super().__init__()\n        self.l = nn.Linear(2, 3)\n"
    _, models = launch(
        {"train_gpt.py": "from parts.model import M\nm = M()\nm.state_dict()\n", "parts/model.py": model}
    )
    assert [(m.total, m.at.path) for m in models] == [(9, "train_gpt.py")]


def test_sweep_scripts_say_nothing() -> None:
    """A run script that starts the same file in several ways is no launch."""
    sweep = "NUM_LAYERS=3 python train_gpt.py\nNUM_LAYERS=4 python train_gpt.py\n"
    facts, _ = launch({"train_gpt.py": SCRIPT}, {"sweep.sh": sweep})
    assert value(facts, "num_layers") == (2, SettingOrigin.DEFAULT)


def test_broken_scripts_are_told() -> None:
    """A script that does not parse gives a launch without settings, not an exception."""
    facts, models = launch({"train_gpt.py": "def ("})
    assert (facts.script, facts.complete, models) == ("train_gpt.py", False, ())


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.text(max_size=120),
    st.text(max_size=120),
    st.lists(st.tuples(st.text(max_size=12), st.text(max_size=12)), max_size=5),
)
def test_never_raises(code: str, readme: str, printed: list[tuple[str, str]]) -> None:
    """Whatever stands in script, README and log, the reader gives facts."""
    files = {"train_gpt.py": code + textwrap.dedent(SCRIPT)}
    launch(files, {"README.md": readme}, (log(*printed),))
    launch({"train_gpt.py": code}, {"README.md": readme})


def test_line_shared_with_its_condition_is_not_dead() -> None:
    """`if x: y` on one line is decided, but its line is alive: the condition stands there."""
    facts, _ = launch({"train_gpt.py": "import os\nif os.environ.get('X'): print(1)\nelse: print(2)\n"})
    assert [(b.line, b.value, b.dead_first) for b in facts.branches] == [(2, False, None)]
