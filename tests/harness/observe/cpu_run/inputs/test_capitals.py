"""Capitals as operators."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.observe.cpu_run.inputs.capitals import ALLCAPS, CAPNEXT, ESCAPE, OPERATORS, TITLE, lowered, restored

LETTERS = st.text(st.sampled_from(["a", "B", "c", "D", " ", "é", "É", "1", "'", *OPERATORS]))


@given(st.one_of(LETTERS, st.text()))
def test_nothing_is_lost(text: str) -> None:
    """The text can be had back from what it is written as, operators in it included."""
    assert restored(lowered(text)) == text


@given(LETTERS)
def test_no_ascii_capital_is_left_and_bytes_stay(text: str) -> None:
    """Without operators the result has as many bytes as the text, and no ASCII capital."""
    made = lowered(text)
    assert not any("A" <= character <= "Z" for character in made)
    if not set(OPERATORS) & set(text):
        assert len("".join(c for c in made if c not in OPERATORS).encode()) == len(text.encode())


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("word", "word"),
        ("Word", f"{TITLE}word"),
        ("NASA", f"{ALLCAPS}nasa"),
        ("A", f"{TITLE}a"),
        ("iPhone", f"i{CAPNEXT}phone"),
        ("McDonald", f"{TITLE}mc{CAPNEXT}donald"),
        ("É1B", f"É1{TITLE}b"),
        (TITLE, f"{ESCAPE}{TITLE}"),
    ],
)
def test_runs_of_letters(text: str, made: str) -> None:
    """Each kind of word has the operators that the transform defines."""
    assert lowered(text) == made
