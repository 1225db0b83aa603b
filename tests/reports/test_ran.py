"""What a run did, in few words."""

from __future__ import annotations

import pytest
from tests_support.reviews import FAILED_RUN, WHOLE_RUN, run_folder

from harness.model.cpu_run import CpuRunFacts, RunStage
from reports.ran import ran, size, stages_line


def said(run: CpuRunFacts) -> dict[str, str]:
    """The lines of a run by their labels."""
    return dict(ran(run_folder(run)[0].submissions[0]))


def test_whole() -> None:
    """Everything that a run reached, with its costs, and everything that was not the real thing."""
    assert said(WHOLE_RUN) == {
        "Ran": "trained 16 steps, wrote final_model.int8.ptz (312 kB) and 1 more, read it back, "
        "printed 2.7246, which is what was summed (12.8 s, 323 MB, width 96, 2 sizes tried)",
        "Scored": "1,984 of 1,985 tokens of the made stream once, 3 after the last one, 4,321 bytes counted, "
        "4,321 there",
        "Features": "sliding ran; swa did not run",
        "Not real": "2 sizes changed; 1 other setting changed; flash_attn stood in for exactly; "
        "some_kernel stood in for, which is not examined",
    }


def test_failed() -> None:
    """Of a run that ended early: where, in what, whose fault that is, and what to do."""
    lines = said(FAILED_RUN)
    assert lines["Ran"] == "got past its imports (4.2 s, 310 MB, width 64)"
    assert lines["Ended"] == "early at train_gpt.py:3, RuntimeError: sizes do not fit (the fault is this harness's)"
    assert lines["Remedy"] == "Nothing to mend."


def test_so_far() -> None:
    """Of a run that was ended from outside, what it did until then, and said to be that."""
    lines = said(WHOLE_RUN.model_copy(update={"so_far": True}))
    assert lines["Ran"].startswith("until it was ended: trained 16 steps")
    assert lines["Scored"].endswith(", so far")


def test_without() -> None:
    """A refused run says why, one that nothing is known of says so, and without a run there is no line at all."""
    assert said(CpuRunFacts(refused="no sandbox; install it")) == {"Ran": "not run: no sandbox; install it"}
    assert said(CpuRunFacts())["Ran"] == "nothing of the script was seen to run"
    submission = run_folder()[0].submissions[0].model_copy(update={"cpu_run": None})
    assert not list(ran(submission))


def test_doubts() -> None:
    """What does not acquit is said, unless nothing was observed that could."""
    lines = said(WHOLE_RUN.model_copy(update={"checks": ()}))
    assert lines["Doubts"] == "nothing was checked from outside"
    assert "Doubts" not in said(CpuRunFacts(reached=()))
    assert "Doubts" in said(CpuRunFacts(reached=(RunStage.DECODED,)))


def test_stages() -> None:
    """Stages stand on one line, with the reason of those that did not end well."""
    assert stages_line(run_folder()[0].submissions[0]) == (
        "inputs 0.0 s, sandbox 0.0 s, size 64 0.0 s (partial: RuntimeError: sizes do not fit), size 96 0.0 s"
    )


@pytest.mark.parametrize(
    ("count", "words"),
    [(0, "0 bytes"), (999, "999 bytes"), (1_000, "1 kB"), (312_345, "312 kB"), (15_999_999, "16 MB")],
)
def test_sizes(count: int, words: str) -> None:
    """Sizes have three digits."""
    assert size(count) == words
