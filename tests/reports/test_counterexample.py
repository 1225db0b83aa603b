"""Counter-examples as pictures and words."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from tests_support.hostile import Reader

from harness.model.findings import Proof, Shows
from reports.counterexample import line, picture, words

PLAIN = {"rows_compared": 20, "stream": 600, "replay": "golf replay REVIEW.json PG411"}
NATS = st.floats(min_value=-1e6, max_value=1e6)


def test_moved() -> None:
    """The two numbers, what was compared, and the stream with what was changed and what moved."""
    shown = Proof(position=99, values=(1.5, 2.25), parted=299, moved=2, spans=((90, 99),), **PLAIN)
    assert words(shown) == (
        "Tokens after 299 were changed; of 20 scores up to there 2 moved, that of token 99 from 1.5 to 2.25 nats."
    )
    assert line(shown) == "." * 9 + "!" + "." * 20 + "~" * 30
    assert "score moved 90 to 99" in picture(shown, "k")


def test_changed_inside() -> None:
    """Where only a stretch was changed, what lies after it is as it was."""
    shown = Proof(position=400, values=(1.0, 2.0), changed=(100, 199), moved=1, spans=((400, 400),), **PLAIN)
    assert words(shown).startswith("Tokens 100 to 199 alone were changed; of 20 scores of later documents 1 moved")
    assert line(shown) == "." * 10 + "~" * 10 + "." * 20 + "!" + "." * 19
    assert "the same 200 to 599" in picture(shown, "k")


def test_remade() -> None:
    """The first changed token is marked, and the words do not speak of scores that moved where none did."""
    shown = Proof(shows=Shows.REMADE, position=300, parted=299, **PLAIN)
    assert "was scored from are others then; 20 of 20 scores before it stayed." in words(shown)
    assert line(shown) == "." * 30 + "!" + "~" * 29
    assert "scored from other numbers 300 to 300" in picture(shown, "k")


def test_sum() -> None:
    """Each token's probability and what they are together, against 1."""
    shown = Proof(shows=Shows.SUM, position=7, tokens=(3, 4), values=(math.log(2), math.log(4 / 3)), **PLAIN)
    assert words(shown).endswith("put there in turn: token 3: 0.5000, token 4: 0.7500, together: 1.2500.")
    assert "together: probability 1.2500" in picture(shown, "k")
    assert "at most: 1.0000" in picture(shown, "k")
    assert line(shown) == ""


@given(st.lists(NATS, min_size=9, max_size=20))
def test_sum_of_many(values: list[float]) -> None:
    """Of many the most probable are drawn, and all enter the sum."""
    shown = Proof(shows=Shows.SUM, position=7, tokens=tuple(range(len(values))), values=tuple(values), **PLAIN)
    assert f"{len(values) - 7} others" in picture(shown, "k")
    assert picture(shown, "k").count("<text") == 2 * 9 + 2


def test_row() -> None:
    """What the row sums to stands beside the token's share."""
    shown = Proof(shows=Shows.ROW, position=7, tokens=(3,), values=(math.log(2),), total=1.5, **PLAIN)
    assert words(shown) == "At position 7 token 3 was given 0.5000, out of probabilities that sum to 1.5000."
    assert "all tokens: probability 1.5000" in picture(shown, "k")


def test_chosen() -> None:
    """Both numbers are of the stream's own token."""
    shown = Proof(shows=Shows.CHOSEN, position=7, tokens=(3, 4), values=(math.log(2), math.log(1e4)), **PLAIN)
    assert words(shown) == (
        "At position 7 the program gave token 3 a probability of 0.5000. The distribution that it scored token 4 from "
        "in the same place gives token 3 1.0e-04."
    )
    assert "with 4: probability 1.0e-04" in picture(shown, "k")


@pytest.mark.parametrize("shows", [Shows.SUM, Shows.ROW, Shows.CHOSEN])
def test_incomplete(shows: Shows) -> None:
    """A counter-example without its numbers is none."""
    with pytest.raises(ValidationError, match="lacks its tokens or values"):
        Proof(shows=shows, position=7, tokens=(3,), **PLAIN)


@given(st.sampled_from(Shows), st.lists(NATS, min_size=2, max_size=2), st.integers(0, 10**9))
def test_any_numbers(shows: Shows, values: list[float], position: int) -> None:
    """Whatever the numbers are, there are words and a well-formed picture, or none."""
    shown = Proof(shows=shows, position=position, tokens=(1, 2), values=tuple(values), total=1.0, parted=5, **PLAIN)
    assert words(shown)
    assert not Reader(picture(shown, "k")).open
    assert len(line(shown)) in (0, 60)
