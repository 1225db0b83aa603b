"""Text to a tree, and the grammar that accepts it."""

from __future__ import annotations

import ast
import gc
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.observe.reading.source.grammar import MAX_TEXT, parse

NESTED_QUOTES = 'x = {"k": 1}\n\nprint(f"{x["k"]}")\ny = 2\n'


def test_plain_python_is_311() -> None:
    """Ordinary code has a tree, the lowest grammar and no error."""
    parsed = parse("x = 1\n")
    assert (parsed.grammar, parsed.error, parsed.text, parsed.source) == ("3.11", None, "x = 1\n", "x = 1\n")
    assert isinstance(parsed.tree, ast.Module)


def test_pep_701_is_312_on_every_python() -> None:
    """F-strings of Python 3.12 are told apart, keep their lines, and leave the original text at hand."""
    parsed = parse(NESTED_QUOTES)
    assert (parsed.grammar, parsed.error) == ("3.12", None)
    assert parsed.source == NESTED_QUOTES
    assert parsed.text.count("\n") == NESTED_QUOTES.count("\n")
    assert parsed.tree is not None
    assert [node.lineno for node in parsed.tree.body] == [1, 3, 4]


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("x = 1\nif (:\n", 2),
        ("# — fine\n—\n", 2),
        ("a\n<<<<<<< HEAD\n", 2),
        ("x = 'open\n", 1),
        ('y = f"{x["k"]}"\nz = )\n', 2),
        ("", None),
    ],
)
def test_errors_have_a_line(source: str, line: int | None) -> None:
    """What does not parse gives the line and a reason; an empty file parses."""
    parsed = parse(source)
    assert (parsed.error[0] if parsed.error else None) == line
    assert (parsed.tree is None) == (line is not None)
    assert (parsed.grammar is None) == (line is not None)


@pytest.mark.parametrize("source", ["type X = int\n", "def f[T](x: T) -> T: return x\n", "class A[T]: pass\n"])
def test_type_parameters_need_312(source: str) -> None:
    """PEP 695 cannot be rewritten: Python 3.11 names it as the reason, later ones say that it needs 3.12."""
    parsed = parse("x = 1\n" + source)
    if sys.version_info >= (3, 12):
        assert parsed.grammar == "3.12"
    else:
        assert parsed.error is not None
        assert parsed.error[0] == 2
        assert "PEP 695" in parsed.error[1]


def test_warnings_about_escapes_stay_silent() -> None:
    """A submission's bad escapes are its own matter (warnings are errors in this test run)."""
    assert parse("x = '\\d'\nassert (1, 'always')\n").tree is not None
    assert parse("x = 1if y else 2\n").tree is not None


@pytest.mark.parametrize(
    "source",
    [
        "x = 1\0",
        "(" * 10_000,
        "[" * 150 + "]" * 150,
        "-" * 50_000 + "1",
        "x" + ".a" * 20_000,
        "1+" * 20_000 + "1",
        "f(" * 120 + ")" * 120,
        "x = '\ud800'",
        "x = " + "9" * 10_000,
        "if x:\n" + "".join(" " * depth + "if x:\n" for depth in range(1, 120)),
        "\ufeffx = 1",
        "lambda: " * 5_000 + "1",
    ],
    ids=range(12),
)
def test_hostile_text_never_raises(source: str) -> None:
    """NUL bytes, deep nesting, lone surrogates and huge numbers give a tree or an error, never an exception."""
    parsed = parse(source)
    assert (parsed.tree is None) == (parsed.error is not None)


def test_size_is_limited() -> None:
    """A text beyond the limit is not parsed, and the reason says so."""
    parsed = parse("#" * (MAX_TEXT + 1))
    assert parsed.tree is None
    assert parsed.error is not None
    assert str(MAX_TEXT) in parsed.error[1]


def test_carriage_returns_end_lines() -> None:
    """Windows and old Mac line ends count as one line end each."""
    parsed = parse("a = 1\r\nb = 2\rc = 3\n")
    assert parsed.tree is not None
    assert [node.lineno for node in parsed.tree.body] == [1, 2, 3]


def test_the_collector_is_left_as_it_was() -> None:
    """Parsing holds the garbage collector and gives it back as it found it."""
    assert gc.isenabled()
    parse("x = 1")
    parse("x = (")
    assert gc.isenabled()
    gc.disable()
    try:
        parse("x = 1")
        assert not gc.isenabled()
    finally:
        gc.enable()


@given(st.text(max_size=200))
@settings(deadline=None)
def test_any_text(source: str) -> None:
    """Whatever the text, there is a tree or a reason, at a line of the text."""
    parsed = parse(source)
    assert (parsed.tree is None) == (parsed.error is not None)
    if parsed.error:
        assert 1 <= parsed.error[0] <= parsed.source.count("\n") + 1
