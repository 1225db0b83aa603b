"""Labels of printed values: which of them stand before something else."""

import pytest

from harness.observe.reading.launch.labels import other_labels


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ('f"embed_lr:{token_lr} seed={args.seed}"', {"embed_lr"}),
        ('f"embed_lr:{token_lr}" f"EMBED_LR: {args.embed_lr:.3f}"', set()),
        ('f"lr = {x!r}"', {"lr"}),
        ('f"{a} b {c}"', set()),
        ('x = {"a": {1: 2}}', {"x"}),
        ('f"a={b:{c}}"', {"a"}),
        ("9a={b}", set()),
        ("n" * 61 + "={b}", {"n" * 61}),
        ("n" * 62 + "={b}", set()),
        ("={b}", set()),
    ],
)
def test_other_labels(text: str, names: set[str]) -> None:
    """A name in front of a printed expression counts, unless it names that expression somewhere."""
    assert other_labels(text) == names
