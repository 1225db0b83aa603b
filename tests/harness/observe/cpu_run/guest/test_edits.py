"""Rewriting of a program's text by directives."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.model.base import At
from harness.model.plan import Directive
from harness.observe.cpu_run.guest.edits import MisplacedError, rewritten


def _directive(line: int, column: int, old: str, new: str) -> Directive:
    return Directive(
        at=At(path="a.py", line=line),
        column=column,
        end_column=column + len(old.encode()),
        old=old,
        new=new,
        why="a test",
    )


def test_pieces_of_one_line_are_replaced_wherever_the_others_stand() -> None:
    """Several directives on a line do not move each other, whatever their order."""
    text = "a = 1; b = 22\nc = 3\n"
    wanted = "a = 1000; b = 4\nc = 5\n"
    directives = [_directive(1, 4, "1", "1000"), _directive(2, 4, "3", "5"), _directive(1, 11, "22", "4")]
    assert rewritten(text, directives) == wanted
    assert rewritten(text, reversed(directives)) == wanted


def test_columns_count_bytes() -> None:
    """Text outside ASCII before a place moves it by its bytes, as in a syntax tree."""
    text = 'x = "é"; y = 7'
    assert rewritten(text, [_directive(1, len('x = "é"; y = '.encode()), "7", "8")]) == 'x = "é"; y = 8'


@pytest.mark.parametrize("line", [0, 1, 3])
def test_another_text_at_the_place_is_an_error(line: int) -> None:
    """A directive never changes anything but what it names."""
    with pytest.raises(MisplacedError):
        rewritten("a = 1\nb = 2", [_directive(line, 4, "9", "8")])


def test_overlapping_directives_are_an_error() -> None:
    """Two directives for the same piece of text contradict each other."""
    with pytest.raises(MisplacedError):
        rewritten("a = 123", [_directive(1, 4, "123", "1"), _directive(1, 5, "23", "2")])


@given(st.lists(st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"])), min_size=1), st.data())
def test_line_numbers_stay(lines: list[str], data: st.DataObject) -> None:
    """Lines that no directive names are the same afterwards, at the same numbers."""
    number = data.draw(st.integers(1, len(lines)))
    old = lines[number - 1]
    got = rewritten("\n".join(lines), [_directive(number, 0, old, "new")]).split("\n")
    assert got == [*lines[: number - 1], "new", *lines[number:]]
