"""Which paths make submission folders."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.observe.intake.discover import is_metadata, submission_folders, track_of

T = "records/track_10min_16mb"


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        ([f"{T}/A/train_gpt.py", f"{T}/A/logs/x.log"], {f"{T}/A": "10min_16mb"}),
        (["records/A/README.md"], {"records/A": None}),
        ([f"records/{T}/A/README.md"], {f"records/{T}/A": "10min_16mb"}),
        ([f"{T}/{T}/A/README.md"], {f"{T}/{T}/A": "10min_16mb"}),
        ([f"{T}/train.log"], {T: "10min_16mb"}),
        (
            [f"{T}/G/A/submission.json", f"{T}/G/A/t.py", f"{T}/G/B/submission.json", f"{T}/G/B/t.py"],
            {f"{T}/G/A": "10min_16mb", f"{T}/G/B": "10min_16mb"},
        ),
        ([f"{T}/A/train_gpt.py", f"{T}/A/old/submission.json", f"{T}/A/old/t.py"], {f"{T}/A": "10min_16mb"}),
        ([f"{T}/A/picture.png"], {}),
        (["train_gpt.py", "README.md"], {}),
        (["mine/submission.json", "mine/train_gpt.py"], {"mine": None}),
        (["submission.json", "train_gpt.py"], {".": None}),
        (["submissions/track_cpu_demo/A/submission.json", "submissions/track_cpu_demo/A/t.py"],
         {"submissions/track_cpu_demo/A": "cpu_demo"}),
    ],
)  # fmt: skip
def test_layouts(paths: list[str], expected: dict[str, str | None]) -> None:
    """Every layout that real pull requests use gives the folder that a person would name."""
    assert submission_folders(paths) == expected


@given(st.lists(st.text(alphabet="records/track_ab.py\n ", min_size=1, max_size=30), max_size=12))
def test_any_paths(paths: list[str]) -> None:
    """Any paths give folders that hold at least one of them, and never an exception."""
    clean = [path for path in (p.strip("/") for p in paths) if path and ".." not in path]
    for folder in submission_folders(clean):
        assert folder == "." or any(path.startswith(folder + "/") for path in clean)


def test_names() -> None:
    """Metadata is known under its misspelling and its variants, and nothing else is."""
    assert is_metadata("submission.json")
    assert is_metadata("subbmission.json")
    assert is_metadata("submission_ternary.json")
    assert not is_metadata("results.json")
    assert track_of("a/track_x/records/track_y/z") == "y"
