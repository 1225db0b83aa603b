"""Run scripts made plain."""

from hypothesis import given
from hypothesis import strategies as st

from harness.observe.cpu_run.planning.shell import plain, steps_of

_SCRIPT = """
PHASE="${1:-both}"
SCRIPT=records/mine/train.py
COMMON=(
  ITERATIONS=9000   # many
  MATRIX_LR=0.02
)
env "${COMMON[@]}" MODE=train torchrun --nproc_per_node=8 "$SCRIPT" --run-name "run_$PHASE"
MODE=eval python ${SCRIPT} --seed "$UNKNOWN"
"""


def test_variables_arrays_and_parameters_are_replaced() -> None:
    """Commands are found although their script, environment and arguments stand in variables."""
    first, second = steps_of("run.sh", _SCRIPT)
    assert first.script == second.script == "records/mine/train.py"
    assert first.environment == {"ITERATIONS": "9000", "MATRIX_LR": "0.02", "MODE": "train"}
    assert first.arguments == ("--run-name", "run_both")
    assert second.environment["MODE"] == "eval"
    assert "$UNKNOWN" in second.arguments


def test_line_numbers_stay() -> None:
    """A command is found at its own line."""
    assert steps_of("run.sh", _SCRIPT)[1].at.line == 9


@given(st.text(st.sampled_from("A=($\"'{}[@]:-)1 \n#"), max_size=200))
def test_hostile_text_is_read_to_its_end(text: str) -> None:
    """Whatever stands in a run script, it is read line by line."""
    assert plain(text).count("\n") == text.count("\n")
