"""F-strings of Python 3.12 rewritten for 3.11."""

from __future__ import annotations

import ast
import warnings
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from harness.observe.reading.source.pep701 import needs_312, to_311

NAMES = {
    "x": {"k": "v", "n": 7},
    "n": 3.14159,
    "w": 9,
    "s": "text",
    "items": [1, 2],
    "chr": chr,
    "dict": dict,
    "str": str,
}


def evaluate(source: str) -> Any:
    """The value of an expression over `NAMES`, without warnings about escapes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return eval(compile(source, "test", "eval"), dict(NAMES))  # the sources are those of this file


CASES = {
    'f"{x["k"]}"': "v",
    'f"a{x["k"]!r:>5}b"': "a  'v'b",
    "f'{x['k']}' f'-{x['n']}'": "v-7",
    'f"{"\\n".join(["a", "b"])}"': "a\nb",
    'f"{f"{f"{s}"}"}"': "text",
    'f"{f"{f"{f"{f"{1 + 1}"}"}"}"}"': "2",
    'f"{x["n"]:{w}}"': "        7",
    'f"{x["n"]:0{w - 4}d}|{x["k"]:>{"3"}}"': "00007|  v",
    'f"{n:{"0"}.{2}f}"': "3.14",
    'f"{n:{w:{1}}.{2}f}"': "     3.14",
    'f"{x["k"]=}"': "x[\"k\"]='v'",
    'f"{x["n"] = :>3}"': 'x["n"] =   7',
    'f"{x["n"] = !s}"': 'x["n"] = 7',
    'f"{x["k"]=:}"': 'x["k"]=v',
    'f"{{{x["k"]}}}"': "{v}",
    'f"\\x7b{x["k"]}\\x7d\\173\\u007d\\N{LEFT CURLY BRACKET}"': "{v}{}{",
    'f"{x["k"]}\\N{BULLET}"': "v\u2022",
    'rf"\\d{x["k"]}\\n"': "\\dv\\n",
    'Rf"\\{x["k"]}"': "\\v",
    'f"{s #}comment\n}"': "text",
    'f"{\n  x["k"]\n}"': "v",
    'f"{s\n!r\n:>8}"': "  'text'",
    "f'''{x['k']}\n{x['''n''']}'''": "v\n7",
    'f"""{"""triple"""}"""': "triple",
    'f"{"#"}"': "#",
    'f"{"{}"}"': "{}",
    'f"{ {"a": 1}["a"] }"': "1",
    'f"{x["n"] != 7}{x["n"] == 7}"': "FalseTrue",
    'f"{(lambda q: q["k"])(x)}"': "v",
    'f"{*items, "z"}"': "(1, 2, 'z')",
    'f"{x["k"]}".upper()': "V",
    'f"{x["k"]}{x["n"]}" * 2': "v7v7",
    '"{}" f"{x["k"]}" "{{}}" \'q\'': "{}v{{}}q",
    'str("a"  # why\n f"{x["k"]}"\n "b")': "avb",
    '"a" \\\n f"{x["k"]}"': "av",
    'f"{"é"}{x["k"]}"': "év",
    'f"{s:{"\\x3e"}6}"': "  text",
    'f"{x["n"]:\\x3e3}"': "  7",
    "f\"{x['k']}{'''a\nb'''}\"": "va\nb",
    'f"{dict(a="b")["a"]}" if s else f"{s}"': "b",
}


@pytest.mark.parametrize("source", CASES)
def test_value_is_that_of_python_312(source: str) -> None:
    """The rewritten expression is accepted here and has the value that Python 3.12 gives the original."""
    assert evaluate(to_311(source)) == CASES[source]


@pytest.mark.parametrize("source", CASES)
def test_lines_stay_and_a_second_pass_changes_nothing(source: str) -> None:
    """The number of lines is kept; what is rewritten is valid for Python 3.11, so that nothing is left to do."""
    once = to_311(source)
    assert once.count("\n") == source.count("\n")
    assert to_311(once) == once
    assert not needs_312(once)


def test_only_offending_strings_are_rewritten() -> None:
    """F-strings that Python 3.11 accepts, and text in comments and strings, stay as they are."""
    source = 'a = f\'{x["k"]}\'  # f"{x["k"]}"\nb = \'f"{x["k"]}"\'\nc = f"{x["k"]}"\n'
    lines = to_311(source).split("\n")
    assert lines[0] == 'a = f\'{x["k"]}\'  # f"{x["k"]}"'
    assert lines[1] == 'b = \'f"{x["k"]}"\''
    assert lines[2] == 'c = "{}".format((x["k"]))'


def test_statements_on_following_lines_are_not_joined() -> None:
    """Strings on lines of their own are statements; only inside brackets are they one string."""
    source = '\'a\'\nf"{x["k"]}"\n'
    assert to_311(source) == '\'a\'\n"{}".format((x["k"]))\n'
    tree = ast.parse(to_311('y = [\'a\'\nf"{x["k"]}"]'))
    assert len(tree.body) == 1


def test_a_field_is_formatted_before_the_next_is_evaluated() -> None:
    """An f-string formats from left to right, so that a later expression cannot change what an earlier one showed."""
    source = to_311('f"{z["a"]}{z["a"].append(1)}{z["a"]}"')
    assert eval(source, {"z": {"a": []}}) == "[]None[1]"


@pytest.mark.parametrize(
    "source",
    [
        'f"{',
        'f"{x',
        'f"}"',
        'f"{}"',
        'f"{x!}"',
        'f"{x!r',
        "'",
        '"""',
        'f"{x:{y}"',
        "f'{a['",
        'f"{x!r y}"',
        "f'{\\",
        'f"\\N{',
    ],
)
def test_broken_text_comes_back_unchanged(source: str) -> None:
    """What is Python in no version is left alone, for the parser to complain about."""
    assert to_311(source) == source
    assert not needs_312(source)


def test_deep_nesting_ends() -> None:
    """Thousands of strings inside strings are not followed."""
    source = 'f"{' * 5000 + "1" + '}"' * 5000
    assert to_311(source) == source


@pytest.mark.parametrize(
    "prefix", ["if x:\n    y = 1 if s else", "print", "for a in", "elif", "return ", "not in", "x = or"]
)
def test_keywords_before_a_quote_are_no_prefix(prefix: str) -> None:
    """A keyword that ends in a prefix letter and touches a string does not make an f-string of it."""
    source = prefix + '"{x["\n'
    assert to_311(source) == source


@given(st.text(alphabet="f'\"{}\\\n#:!=rN x()[]ab", max_size=60))
@settings(max_examples=400, deadline=None)
def test_garbage_never_raises(source: str) -> None:
    """Any text is handled: nothing raises and no line is lost or won."""
    assert to_311(source).count("\n") == source.count("\n")
    assert to_311(source, every=True).count("\n") == source.count("\n")


EXPRESSIONS = [
    "s",
    "n",
    "w + 1",
    "items",
    "(1, 2)",
    "{0}s{0}",
    "x[{0}k{0}]",
    "{0}a{0} + s",
    "chr(65)",
    "{0}{{{0}",
    "(w != 9)",
]
LITERALS = ["a", " ", "{{", "}}", "\\n", "\\x7b", "\\N{{BULLET}}", "é", "\\\\", "%s", "\\173", ":", "!", "="]
SPECS = ["", ":", ":>8", ":{{w}}", ":>{{w}}", ":{0}>{{w}}"]


@st.composite
def f_strings(draw: st.DrawFn) -> str:
    """An f-string; most are valid in Python 3.11, where inner strings need the other quote."""
    quote, inner = draw(st.sampled_from([('"', "'"), ("'", '"'), ('"""', "'"), ("'''", '"')]))
    parts = []
    for _ in range(draw(st.integers(1, 5))):
        if draw(st.booleans()):
            parts.append(draw(st.sampled_from(LITERALS)).replace("{{BULLET}}", "{BULLET}"))
        else:
            expression = draw(st.sampled_from(EXPRESSIONS)).format(inner)
            shown = draw(st.sampled_from(["", "", "=", " = "]))
            conversion = draw(st.sampled_from(["", "!r", "!s", "!a"]))
            spec = draw(st.sampled_from(SPECS)).replace("{0}", "*").replace("{{", "{").replace("}}", "}")
            parts.append("{" + expression + shown + conversion + spec + "}")
    return draw(st.sampled_from(["f", "rf", "F", "fR"])) + quote + "".join(parts) + quote


@given(st.lists(f_strings(), min_size=1, max_size=3))
@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
def test_forced_conversion_keeps_the_value(strings: list[str]) -> None:
    """F-strings that Python 3.11 accepts evaluate to the same value after they were rewritten all the same."""
    source = " ".join(strings)
    try:
        expected = evaluate(source)
    except (SyntaxError, ValueError, TypeError, NameError):
        assume(condition=False)
    rewritten = to_311(source, every=True)
    assert evaluate(rewritten) == expected
    tree = ast.parse(rewritten)
    assert not any(isinstance(node, ast.FormattedValue) for node in ast.walk(tree))
