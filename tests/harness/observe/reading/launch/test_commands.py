"""Launch commands in READMEs and run scripts."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.observe.reading.launch.commands import Command, find_commands


def one(text: str, *, readme: bool = True) -> Command:
    """The only command of a text."""
    commands = find_commands("README.md" if readme else "run.sh", text, readme=readme)
    assert len(commands) == 1, commands
    return commands[0]


def test_environment_before_torchrun() -> None:
    """Assignments before the command are its environment, across continued lines."""
    command = one(
        "Run:\n```bash\nSEED=42 NUM_LAYERS=11 \\\n  LR='0.02' torchrun --nproc_per_node=8 train_gpt.py\n```\n"
    )
    assert dict(command.environment) == {"SEED": "42", "NUM_LAYERS": "11", "LR": "0.02"}
    assert (command.script, command.processes, command.at.line) == ("train_gpt.py", 8, 3)


@pytest.mark.parametrize(
    ("line", "script", "environment"),
    [
        ("python3 train_gpt.py", "train_gpt.py", {}),
        ("env A=1 python train_gpt.py --flag", "train_gpt.py", {"A": "1"}),
        ("nohup torchrun --nproc-per-node 8 records/x/train_gpt.py > log 2>&1 &", "records/x/train_gpt.py", {}),
        ("export A=1; B=2 torchrun train_gpt.py", "train_gpt.py", {"A": "1", "B": "2"}),
        ("N=${N:-8}; A=$N python train_gpt.py", "train_gpt.py", {"A": "8"}),
        ("for SEED in 7 8 9; do SEED=$SEED python train_gpt.py; done", "train_gpt.py", {"SEED": "7"}),
        ("A=$UNKNOWN B=0.04** C=`date` D=<value> python train_gpt.py", "train_gpt.py", {"B": "0.04"}),
        ("cd x && A=1 python -m torch.distributed.run train_gpt.py", "train_gpt.py", {"A": "1"}),
        ("modal run run_modal.py", "run_modal.py", {}),
        ('A="a b" python train_gpt.py', "train_gpt.py", {"A": "a b"}),
        ("A= python train_gpt.py", "train_gpt.py", {"A": ""}),
    ],
)
def test_shell_forms(line: str, script: str, environment: dict[str, str]) -> None:
    """Usual ways to write a launch are read; values that cannot be told are left out."""
    command = one(line, readme=False)
    assert command.script == script
    assert dict(command.environment) == environment


def test_run_script_with_exports_and_heredoc() -> None:
    """Exports stay in force; the text of a here-document is no command."""
    text = "#!/bin/bash\nexport A=1\ncat > x.py <<'EOF'\npython other.py\nEOF\nB=2 torchrun train_gpt.py\n"
    command = one(text, readme=False)
    assert dict(command.environment) == {"A": "1", "B": "2"}
    assert command.script == "train_gpt.py"


def test_inline_code_and_prose() -> None:
    """Inline code is read as a command only where it runs something."""
    assert one("Run `SEED=1 python train_gpt.py` to reproduce.").environment == {"SEED": "1"}
    assert find_commands("README.md", "The file `train_gpt.py` is compact. We use python.", readme=True) == []


def test_listed_assignments() -> None:
    """A block of assignments without a command is kept for the command elsewhere."""
    command = one("```\nNUM_LAYERS=11\nMODEL_DIM=512\nMLP_MULT=3\n```\n")
    assert command.script is None
    assert command.environment["MLP_MULT"] == "3"


def test_shell_script_is_named() -> None:
    """`bash run.sh` is a command without a Python file."""
    command = one("bash run.sh", readme=False)
    assert (command.script, command.shell) == (None, "run.sh")


@settings(max_examples=200, deadline=None)
@given(
    st.text(alphabet="ABC=$'\"`\\\n ;&|<>{}:-#train_gpt.py torchrun for in do export EOF", max_size=300), st.booleans()
)
def test_never_raises(text: str, readme: bool) -> None:
    """No text makes the reader raise; values never span lines."""
    for command in find_commands("README.md", text, readme=readme):
        assert all("\n" not in value for value in command.environment.values())


def test_long_lines_end_soon() -> None:
    """A line of a million characters is cut, not searched."""
    assert find_commands("README.md", "A=" + "x" * 1_000_000 + " python train_gpt.py", readme=True) == []
