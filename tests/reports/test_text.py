"""Text of a submission made harmless."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests_support.hostile import HOSTILE, Reader, hidden_in, live_in_markdown

from reports.text import attribute, code, code_element, escape_of, json_text, markdown, message, plain

CASES = [
    ("train_gpt.py", "train_gpt.py"),
    ("val_bpb is *1.2*", r"val_bpb is \*1.2\*"),
    ("thanks @someone", "thanks `@someone`"),
    ("builds on #123, GH-9", "builds on `#123,` `GH-9`"),
    ("see https://example.org/x", "see `https://example.org/x`"),
    ("a|b", "a&#124;b"),
    ("<b>", "&lt;b&gt;"),
    ("_x_ y_z", r"\_x\_ y_z"),
    ("1.22743 of 151,080,891", "1.22743 of 151,080,891"),
]


@pytest.mark.parametrize(("text", "shown"), CASES)
def test_markdown_words(text: str, shown: str) -> None:
    """Ordinary words stay readable; what would come alive is escaped or shown as code."""
    assert markdown(text) == shown


def test_visible_escapes() -> None:
    """What cannot be seen is written out; white space is one space; a limit ends with an ellipsis."""
    assert plain("a\u202eb\x1b[0m") == "a\\u202eb\\u001b[0m"
    assert plain(" a\r\n\tb\u00a0c ") == "a b c"
    assert plain("\u26a0\ufe0f") == "\u26a0"
    assert plain("x" * 30, 10) == "x" * 9 + "…"
    assert plain("e\u0301" + "o\u0300" * 2) == "e\u0301" + "o\u0300" * 2
    assert escape_of("\U000e0041") == "\\U000e0041"


def test_code_forms() -> None:
    """Backticks where they hold, an element where they would not, nothing for nothing."""
    assert code("a_b*c") == "`a_b*c`"
    assert code("a`b") == "<code>a&#96;b</code>"
    assert code("  ") == ""
    assert code("a < b") == "`a < b`"
    assert code_element("<a>") == "<code>&#60;a&#62;</code>"


@given(HOSTILE)
def test_markdown_is_dead(text: str) -> None:
    """In a line, a list, a table and as code: nothing comes alive."""
    for shown in (markdown(text), code(text)):
        assert not list(live_in_markdown(f"- x {shown} y\n\n| a | b |\n| --- | --- |\n| x {shown} | y |\n"))
    assert not list(live_in_markdown(f"<details><summary>x {code_element(text)}</summary>\n\nx\n\n</details>\n"))


@given(HOSTILE)
def test_table_cells_hold(text: str) -> None:
    """A cell stays one cell."""
    for shown in (markdown(text), code(text)):
        cells = Reader(_rendered(f"| a | b |\n| --- | --- |\n| x {shown} | y |\n")).counts
        assert (cells["td"], cells["tr"]) == (2, 2)


def _rendered(text: str) -> str:
    from markdown_it import MarkdownIt

    return str(MarkdownIt("gfm-like", {"html": True, "linkify": False}).render(text))


@given(HOSTILE)
def test_attributes_hold(text: str) -> None:
    """In a quoted attribute and between tags it stays text."""
    seen = Reader(f'<p title="{attribute(text)}">{attribute(text)}</p>')
    assert seen.elements == {("p", ("title",))}


@given(st.text())
def test_plain_is_visible_and_stable(text: str) -> None:
    """Nothing is hidden, nothing spans lines, and doing it twice changes nothing."""
    shown = plain(text)
    assert shown.isprintable()
    assert plain(shown) == shown


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_json_means_the_same(text: str) -> None:
    """The escapes of `json_text` read back as what they stand for."""
    document = json_text(json.dumps({"x": text}, ensure_ascii=False))
    assert json.loads(document) == {"x": text}
    assert not list(hidden_in(document))


def test_message_has_no_links() -> None:
    """SARIF's embedded links cannot arise."""
    assert message("[x](https://evil.example)") == "[x] (https://evil.example)"
