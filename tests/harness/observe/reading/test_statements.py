"""Sentences and commands about data: what counts, and what a denial silences."""

from __future__ import annotations

import pytest

from harness.model.statements import StatementKind
from harness.observe.reading.statements import read_statements


def kinds(path: str, text: str) -> list[StatementKind]:
    """Kinds of statements in one file."""
    return [one.kind for one in read_statements({path: text.encode()})]


@pytest.mark.parametrize(
    "line",
    [
        "5. **Val-only training**: the train glob points at the evaluation shard.",
        "The model is trained entirely on the validation shard for ten minutes.",
        "# 11L Val-Only + Int6",
    ],
)
def test_trains_on_validation(line: str) -> None:
    """Plain sentences count."""
    assert kinds("README.md", line + "\n") == [StatementKind.TRAINS_ON_VALIDATION]


@pytest.mark.parametrize(
    "line",
    [
        "- [x] No training on validation data",
        "The model is never trained on the validation set.",
        "TTT: trained on validation tokens that were already scored.",
        "Sliding window eval-only run, trained on the training set.",
        "You can't train on the validation set before you score it.",
        "- Pre-quant TTT trains on validation data BEFORE quantization",
    ],
)
def test_denials(line: str) -> None:
    """A denial in the sentence, and words of test-time adaptation, silence it."""
    assert kinds("README.md", line + "\n") == []


def test_only_descriptions_are_prose() -> None:
    """Sentences count in README and submission.json, at the root; not in notes or sub-folders."""
    line = "Trained on the validation set.\n"
    assert kinds("notes.md", line) == kinds("old/README.md", line) == []
    assert kinds("submission.json", f'{{"blurb": "{line.strip()}"}}') == [StatementKind.TRAINS_ON_VALIDATION]


def test_links() -> None:
    """A validation shard under the name of a training shard; a copy under its own name is none."""
    link = "ln -s /d/fineweb_val_000000.bin /d/valonly/fineweb_train_000000.bin\n"
    assert kinds("README.md", link) == [StatementKind.LINKS_VALIDATION]
    assert kinds("run.sh", link.replace("_train_", "_val_")) == []


def test_paid_prefix() -> None:
    """Stored validation tokens, unless denied."""
    assert kinds("README.md", "A paid prefix blob stores validation target tokens.\n") == [StatementKind.PAID_PREFIX]
    assert kinds("README.md", "- No paid prefix: validation tokens are never stored in the artifact.\n") == []


@pytest.mark.parametrize(
    ("path", "line", "kind", "value"),
    [
        ("prepare.py", 'p.add_argument("--val-docs", type=int, default=10_000)', StatementKind.SPLIT_DEFAULT, 10_000),
        ("run.sh", "python prepare.py --val-docs 50000", StatementKind.SPLIT_STATED, 50_000),
        ("README.md", "made with the default `val_docs=10000`", StatementKind.SPLIT_STATED, 10_000),
    ],
)
def test_split(path: str, line: str, kind: StatementKind, value: int) -> None:
    """The boundary of the split, as a default and as stated."""
    (found,) = read_statements({path: line.encode()})
    assert (found.kind, found.value, found.at.line) == (kind, value, 1)


def test_seeds() -> None:
    """A mean over several seeds."""
    (found,) = read_statements({"README.md": b"**val_bpb: 1.0810** (3-seed mean, std 0.0002)"})
    assert (found.kind, found.value) == (StatementKind.SEEDS, 3)


def test_hostile() -> None:
    """Long lines and many lines end soon."""
    text = "val " * 200_000 + "\n" + "Trained on the validation set.\n" * 50_000
    assert len(read_statements({"README.md": text.encode()})) < 100


def test_headings_name_techniques() -> None:
    """Headings name techniques; those under a heading of failures, and sentences, do not."""
    text = (
        "# M\n## Techniques\n### 5. SWA\n### Warmdown-QAT\nEMA in a sentence\n## What did not work\n### EMA\n## Setup\n"
    )
    assert kinds("README.md", text) == [StatementKind.NAMES_AVERAGE, StatementKind.NAMES_QUANTISED_TRAINING]
