"""Hints: a pattern is tried on every line that it could match, and on few others."""

from harness.observe.reading.logs.events import KINDS
from harness.observe.reading.logs.hints import Hinted
from harness.observe.reading.logs.run import FAMILIES

THINGS = Hinted([(("total_eval", "clock"), 1), (("total",), 2), (("eval",), 3), (("total_eval",), 4)])


def test_order() -> None:
    """Those whose hint the line holds come in the order in which they were given, each once."""
    assert THINGS.on("total_eval and a clock") == [1, 2, 3, 4]
    assert THINGS.on("the clock, evaluated") == [1, 3]


def test_longer_hints() -> None:
    """A hint that holds another one is not met by the shorter one alone, nor by two of them apart."""
    assert THINGS.on("total") == [2]
    assert THINGS.on("total of eval") == [2, 3]
    assert THINGS.on("neither") == []


def test_families_are_reached() -> None:
    """Every family is tried on its own example."""
    hinted = Hinted((family.hints, family) for family in FAMILIES)
    assert all(family in hinted.on(family.example.lower()) for family in FAMILIES)


def test_kinds_are_reached() -> None:
    """Kinds of events are tried on lines that tell them, in their order of precedence."""
    assert [kind.kind for kind in KINDS.on("final_eval_mode:sliding_window stride:64")] == [
        "sliding_eval",
        "eval_start",
    ]
