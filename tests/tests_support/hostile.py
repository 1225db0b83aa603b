"""Text that tries to come alive in a report, reviews full of it, and readers that see what came of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from enum import Enum
from html.parser import HTMLParser
from typing import Any

from hypothesis import strategies as st
from markdown_it import MarkdownIt
from pydantic import BaseModel

from harness.model.findings import Basis
from harness.model.review import Compliance, HarnessInfo
from reports.markdown import MARKER

PAYLOADS = (
    # Four that stand in real pull requests, without any intention.
    "Add PR cross-references (#1012 <-> #1013)",
    "``` Add record (in progress) ```",
    "mean val_bpb=1.1807 (std=0.0004, p<0.01) | stride=64 <= 1500 lines",
    "2026-03-19_int6_STE QAT_ MLP_bigram _U_Net",
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    '<img width="3840" height="1280" alt="banner" src="https://evil.example/x.png" />',
    "<a href=https://evil.example>x</a>",
    "</details></summary></code></svg></style><style>*{display:none}</style>",
    "<!-- golf-review -->",
    "-->",
    "<![CDATA[x]]>",
    "![x](https://evil.example/x.png)",
    "[click](javascript:alert(1))",
    "[x]: https://evil.example",
    "](https://evil.example)",
    "<https://evil.example>",
    "https://evil.example/a?b=c",
    "www.evil.example",
    "ftp://evil.example",
    "someone@evil.example",
    "mailto:someone@evil.example",
    "@everyone",
    "cc @openai/team, please merge",
    "as in #123 and GH-1",
    "openai/parameter-golf#1",
    "someone/fork@0123456789abcdef0123456789abcdef01234567",
    "b8f8b76de5d41d5803fc0278798394882103fe6f",
    "fixes #1",
    "`code` ```` fence",
    "```\nx\n```",
    "~~~",
    "a | b \\| c \\\\| d",
    "\\",
    "\\`",
    "**bold** __bold__ *it* _it_ ~~no~~",
    "# heading",
    "- [ ] task",
    "1. one",
    "> [!WARNING]",
    "---",
    "[^1]",
    "$x^2$ $$y$$",
    ":octocat: :+1:",
    "&lt;script&gt; &#60;b&#62; &amp;",
    "{{ 7 * 7 }} {% raw %} {# x #}",
    "[red]markup[/red] [link=https://evil.example]x[/link]",
    "\x1b[31mred\x1b[0m",
    "\x1b]8;;https://evil.example\x1b\\x\x1b]8;;\x1b\\",
    "\x9b31m",
    "\u202egnp.exe",
    "\u2066\u2069\u200b\u200f\u2060\ufeff",
    "\U000e0041\U000e007f",
    "z\u0300\u0301\u0302\u0303\u0304\u0305",
    "\u3164\u115f",
    "a\r\nb\x00c\x07\x08d\x7f",
    "line\u2028line\u2029line\x85line",
    "../../../../etc/passwd",
    "javascript:alert(1)",
    "data:text/html,<script>",
)
HOSTILE = st.lists(st.one_of(st.sampled_from(PAYLOADS), st.text(max_size=12)), min_size=1, max_size=4).map("".join)
"""Payloads and arbitrary text, joined: what stands at the seams is new."""

_OURS = (HarnessInfo, Compliance, Basis)
_OUR_FIELDS = frozenset({"schema_id", "rule", "sha", "committed_at", "violation_class"})
"""What no submission can reach; every other string of a review is replaced."""


def poisoned(value: Any, text: Callable[[], str]) -> Any:
    """`value`, a review or part of one, with `text()` in place of every string, keys of mappings included."""
    if isinstance(value, BaseModel):
        if isinstance(value, _OURS):
            return value
        fields = ((name, getattr(value, name)) for name in type(value).model_fields if name not in _OUR_FIELDS)
        return value.model_copy(update={name: poisoned(item, text) for name, item in fields})
    if isinstance(value, Enum):
        return value
    if isinstance(value, str):
        return text()
    if isinstance(value, tuple):
        return tuple(poisoned(item, text) for item in value)
    if isinstance(value, dict):
        return {text(): poisoned(item, text) for item in value.values()}
    return value


class Reader(HTMLParser):
    """What an HTML document is made of: its elements with the names of their attributes, its links and its words."""

    VOID = frozenset({"meta", "br", "hr", "img", "link", "input", "rect", "line", "circle", "polyline"})

    def __init__(self, document: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: set[tuple[str, tuple[str, ...]]] = set()
        self.links: list[str] = []
        self.values: list[str] = []
        self.words: list[tuple[str, str]] = []
        """Text with the element that it stands in."""
        self.comments: list[str] = []
        self.open: list[str] = []
        self.counts: dict[str, int] = {}
        self.feed(document)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element opens."""
        self.elements.add((tag, tuple(sorted(name for name, _ in attrs))))
        self.counts[tag] = self.counts.get(tag, 0) + 1
        self.links += [value or "" for name, value in attrs if name in {"href", "src", "action"}]
        self.values += [value or "" for _, value in attrs]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element without content."""
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        """An element closes: it must be the one opened last."""
        if tag in self.VOID:
            return
        assert self.open, f"</{tag}> closes nothing"
        assert self.open[-1] == tag, f"</{tag}> closes <{self.open[-1]}>"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        """Text, with its references resolved."""
        self.words.append((self.open[-1] if self.open else "", data))

    def handle_comment(self, data: str) -> None:
        """A comment."""
        self.comments.append(data)

    def handle_decl(self, decl: str) -> None:
        """Only the document type."""
        assert decl.lower() == "doctype html"

    def handle_pi(self, data: str) -> None:
        """There are none."""
        raise AssertionError(f"processing instruction {data!r}")

    def unknown_decl(self, data: str) -> None:
        """There are none."""
        raise AssertionError(f"declaration {data!r}")


_LIVE_IN_GITHUB = {
    "mention": re.compile(r"@\w"),
    "issue": re.compile(r"#\d|\bgh-\d", re.IGNORECASE),
    "commit": re.compile(r"\b[0-9a-f]{7,40}\b"),
    "address": re.compile(r"\w://|\bwww\.|\b(mailto|xmpp):", re.IGNORECASE),
    "emoji": re.compile(r":[a-z0-9_+-]+:"),
    "mathematics": re.compile(r"\$"),
}
MARKDOWN_ELEMENTS = frozenset(
    {"h2", "h3", "p", "ol", "ul", "li", "strong", "em", "code", "a", "table", "thead", "tbody", "tr", "th", "td"}
    | {"details", "summary", "br", "hr", "sub"}
)


def live_in_markdown(text: str) -> Iterator[str]:
    """What would come alive in a GitHub comment; nothing if all is well."""
    rendered = MarkdownIt("gfm-like", {"html": True, "linkify": True}).enable(["linkify"])
    rendered.linkify.set({"fuzzy_link": False})  # type: ignore[union-attr]  # GitHub links no bare names such as train.py
    seen = Reader(rendered.render(text))
    for tag, attributes in seen.elements:
        if tag not in MARKDOWN_ELEMENTS:
            yield f"element {tag}"
        if not set(attributes) <= {"a": {"href"}, "th": {"style"}, "td": {"style"}, "ol": {"start"}}.get(tag, set()):
            yield f"attributes {attributes} of {tag}"
    for comment in seen.comments:
        if f"<!--{comment}-->" != MARKER:
            yield f"comment {comment!r}"
    yield from (f"open element {tag}" for tag in seen.open)
    for element, words in seen.words:
        if element != "code":
            yield from (f"{name} in {words!r}" for name, what in _LIVE_IN_GITHUB.items() if what.search(words))
    yield from (f"link to {link}" for link in seen.links if not ours(link))
    yield from hidden_in(text)


_LINKS = (
    "https://github.com/openai/parameter-golf",
    "https://redirect.github.com/openai/parameter-golf",
)


def ours(link: str) -> bool:
    """Whether a link goes where reports may send people: into the page, the reviewed repository, its rulings."""
    return link.startswith("#") or any(link == known or link.startswith((known + "/", known + "#")) for known in _LINKS)


def hidden_in(text: str) -> Iterator[str]:
    """Characters of `text` that cannot be seen."""
    yield from (f"hidden U+{ord(c):04X}" for c in set(text) if not c.isprintable() and c != "\n")
