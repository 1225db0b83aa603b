"""Source code printed in a log: finding it, and comparing it with what was submitted."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.observe.reading.logs import read_log
from harness.observe.reading.logs.embedded import MAX_COMPARED, compare_embedded

CODE = '''"""Trains."""
from __future__ import annotations
import os
import torch

# settings
LR = 0.5


class Model:
    def forward(self, x):
        return x


def main() -> None:
    print(f"step:1/2 val_loss:{1.0} val_bpb:{2.0}")


if __name__ == "__main__":
    main()
'''
RULE = "=" * 100
BODY = "seed:1337\nstep:0/20 val_loss:6.9 val_bpb:4.1 train_time:0ms\n"


def source(log: str) -> tuple[str | None, int | None, int | None]:
    """Text and lines of the code found in `log`."""
    reading = read_log("train.log", log.encode())
    found = reading.facts.embedded
    return reading.embedded, found.first_line if found else None, found.last_line if found else None


def test_code_at_the_start() -> None:
    """The baseline prints its script, a line of `=`, then its environment."""
    assert source(f"{CODE}\n{RULE}\nRunning Python 3.12\n{RULE}\n{BODY}") == (CODE, 1, CODE.count("\n") + 1)


def test_code_behind_a_dump() -> None:
    """The refactored stack prints its settings first."""
    text, first, _ = source(f"{RULE}\nHyperparameters:\n  seed: 42\n{RULE}\n{CODE}\n{RULE}\n{BODY}")
    assert (text, first) == (CODE, 5)


def test_code_without_a_rule_ends_with_its_main_block() -> None:
    """Some scripts print no line of `=`."""
    assert source(f"{CODE}\nrun_id:abc\n{BODY}")[0] == CODE


def test_code_without_an_end_stops_at_the_log() -> None:
    """Cut code ends where log lines begin."""
    cut = "\n".join(CODE.splitlines()[:11]) + "\n"
    assert source(f"{cut}train_loader:dataset:x train_shards:1\n{BODY}")[0] == cut


def test_code_whose_head_was_overwritten() -> None:
    """Console and log written to one file: the code's first lines are gone, the rest is still no log."""
    lines = CODE.splitlines()[9:]
    code = "\n".join([*(line.replace("Model", "Other") for line in lines[:5]), *lines]) + "\n"
    text, first, _ = source(f"step:3/20 train_loss:1.5 train_time:3ms\n{code}\n{RULE}\n{BODY}")
    assert (text, first) == (code, 2)


def test_a_wrapper_is_code() -> None:
    """A packed script is two lines of text."""
    wrapper = 'import lzma as L,base64 as B\nexec(L.decompress(B.b85decode("abc")))\n'
    assert source(f"{RULE}\n{wrapper}\n{RULE}\n{BODY}")[0] == wrapper


def test_the_last_code_counts() -> None:
    """A file that holds several runs prints the code of each."""
    second = CODE.replace("0.5", "0.25")
    assert source(f"{CODE}\n{RULE}\n{BODY}{second}\n{RULE}\n{BODY}")[0] == second


@pytest.mark.parametrize(
    "text", ["/usr/lib/torch/cuda.py:63: FutureWarning\n  import pynvml  # type\n" * 4, "import os\nok\n"]
)
def test_a_stray_import_is_no_code(text: str) -> None:
    """Warnings quote a line of source."""
    assert source(text + BODY)[0] is None


def test_code_is_not_read_as_log() -> None:
    """Numbers and formats in the code are no facts of the run."""
    (run,) = read_log("train.log", f"{CODE}\n{RULE}\n{BODY}".encode()).facts.runs
    assert [score.line for score in run.scores] == [CODE.count("\n") + 4]


def test_equal_but_for_line_ends() -> None:
    """Line ends and blanks at both ends are the log's doing."""
    result = compare_embedded(
        CODE, 3, 22, {"other.py": "x", "train_gpt.py@1": "\r\n" + CODE.replace("\n", "\r\n") + "\n\n"}
    )
    assert (result.equals, result.differing_lines, result.first_line, result.last_line) == ("train_gpt.py@1", 0, 3, 22)
    assert result.bytes == len(CODE.encode())


def test_the_nearest_text_is_compared() -> None:
    """A changed default shows as one line taken away and one added."""
    result = compare_embedded(CODE, 1, 20, {"far.py": "x = 1\n", "near.py": CODE.replace("0.5", "0.25")})
    assert (result.equals, result.nearest, result.differing_lines) == (None, "near.py", 2)
    assert result.differences == ("-LR = 0.5", "+LR = 0.25")


def test_nothing_to_compare_with() -> None:
    """No submitted text: the code is described and no more."""
    result = compare_embedded(CODE, 1, 20, {})
    assert (result.equals, result.nearest, result.differing_lines, result.differences) == (None, None, None, ())


@given(st.lists(st.sampled_from("abcd"), max_size=30), st.lists(st.sampled_from("abcd"), max_size=30))
@settings(deadline=None)
def test_the_count_is_that_of_a_diff(a: list[str], b: list[str]) -> None:
    """Counted lines are at least those that only one text has, at most all, and zero only for equal texts."""
    ours, theirs = "\n".join(["#", *a, "#"]), "\n".join(["#", *b, "#"])
    result = compare_embedded(ours, 1, 1, {"t": theirs})
    only = sum(abs(a.count(c) - b.count(c)) for c in "abcd")
    assert result.differing_lines is not None
    assert only <= result.differing_lines <= len(a) + len(b)
    assert (result.differing_lines == 0) == (a == b)


@pytest.mark.parametrize("step", [1, 7])
def test_crafted_texts_cost_no_more_than_the_limit(step: int) -> None:
    """Texts made to be hard to align are compared without order, in bounded time."""
    lines = [f"line {n % (MAX_COMPARED // step)}" for n in range(MAX_COMPARED)]
    begin = time.process_time()
    result = compare_embedded("\n".join(lines), 1, 1, {"t": "\n".join(reversed(lines)), "u": "\n".join(lines[::2])})
    assert time.process_time() - begin < 30
    assert result.nearest is not None
    assert len(result.differences) <= 10
