"""Text of a submission made harmless, once for each place that it is shown in.

`plain` is the ground of all others: one line on which every character can be seen. A terminal needs no more (rich is
handed `Text`, never markup); HTML is escaped by jinja2 on top of it (`reports.page`); Markdown has more ways to come
alive, which `markdown` and `code` shut; `json_text` escapes what a JSON document would carry into a terminal raw.
"""

from __future__ import annotations

import html
import re
import unicodedata

_FILLERS = frozenset("\u115f\u1160\u3164\uffa0\u2800\u034f\u17b4\u17b5\u180b\u180c\u180d\u180f")
"""Printable by their category, yet drawn as nothing."""
_EMOJI_STYLE = frozenset("\ufe0e\ufe0f")
_MARKS_KEPT = 2
"""Combining marks that may sit on one letter; more pile up over the lines above."""


def plain(text: str, limit: int | None = None) -> str:
    r"""`text` on one line, at most `limit` characters.

    White space becomes single spaces. Control, bidirectional, private and invisible characters become escapes that can
    be seen (`\u202e`); the two variation selectors that only choose how an emoji is drawn are dropped.
    """
    if limit is not None:
        text = text[: 4 * limit]
    shown = text if text.isascii() and text.isprintable() else "".join(_visible(text))
    flat = " ".join(shown.split())
    return flat if limit is None or len(flat) <= limit else flat[: limit - 1].rstrip() + "…"


def _visible(text: str) -> list[str]:
    shown: list[str] = []
    marks = 0
    for char in text:
        category = unicodedata.category(char)
        marks = marks + 1 if category in {"Mn", "Me"} else 0
        if char.isspace() and char not in "\x1c\x1d\x1e\x1f\x85\u2028\u2029":
            shown.append(" ")
        elif char in _EMOJI_STYLE:
            continue
        elif not char.isprintable() or char in _FILLERS or "\ufe00" <= char <= "\ufe0d" or char >= "\U000e0000":
            shown.append(escape_of(char))
        else:
            shown.append(escape_of(char) if marks > _MARKS_KEPT else char)
    return shown


def escape_of(char: str) -> str:
    r"""The visible escape of one character: `\u202e`, `\U000e0041`."""
    return f"\\u{ord(char):04x}" if ord(char) <= 0xFFFF else f"\\U{ord(char):08x}"


_LIVE = re.compile(r"[@#$]|://|(?<![a-z])www\.|(?:mailto|xmpp):|(?<![a-z])gh-\d|[0-9a-f]{7}|:[+\w-]+:", re.IGNORECASE)
"""What GitHub turns into mentions, references to issues and commits, links, mathematics or emoji inside plain words.
Backslashes do not stop it; code does."""
_MARKUP = re.compile(r"[\\`*\[\]<>&|~^]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
_ENTITIES = {"<": "&lt;", ">": "&gt;", "&": "&amp;", "|": "&#124;", "\\": "&#92;", "`": "&#96;"}


def markdown(text: str, limit: int | None = None) -> str:
    """`text` as words of a GitHub comment, inside a line: never put it where a block could begin.

    Punctuation with a meaning is escaped; words that GitHub would bring to life (mentions, references, addresses) are
    shown as code, where it leaves them alone.
    """
    return " ".join(code(word) if _LIVE.search(word) else _escaped(word) for word in plain(text, limit).split(" "))


def _escaped(word: str) -> str:
    return _MARKUP.sub(lambda found: _ENTITIES.get(found[0], "\\" + found[0]), word)


def code(text: str, limit: int | None = None) -> str:
    """`text` as code inside a line of a GitHub comment; nothing for nothing.

    Backticks where these cannot be broken out of, also in a table; else the element, its text in numeric entities.
    """
    shown = plain(text, limit)
    if not shown:
        return ""
    if "`" not in shown and "|" not in shown:
        return f"`{shown}`"
    return f"<code>{_entities(shown)}</code>"


def code_element(text: str, limit: int | None = None) -> str:
    """`text` as a `<code>` element, for the inside of raw HTML such as a `<summary>`."""
    return f"<code>{_entities(plain(text, limit))}</code>"


def _entities(text: str) -> str:
    """`text` with all ASCII punctuation as numeric entities: harmless both as Markdown and as HTML."""
    return "".join(c if c.isalnum() or c == " " or ord(c) > 127 else f"&#{ord(c)};" for c in text)


def attribute(text: str, limit: int | None = None) -> str:
    """`text` for HTML or SVG, between tags or in a quoted attribute."""
    return html.escape(plain(text, limit), quote=True)


def message(text: str, limit: int | None = None) -> str:
    """`text` as a plain message of SARIF, in which `[words](target)` would be a link."""
    return plain(text, limit).replace("](", "] (")


_HIDDEN = re.compile(r"[^ -~\n]")


def json_text(document: str) -> str:
    """A JSON document with every character that cannot be seen written as an escape; it means the same."""
    return _HIDDEN.sub(lambda found: found[0] if found[0].isprintable() else _json_escape(found[0]), document)


def _json_escape(char: str) -> str:
    units = char.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i] << 8 | units[i + 1]:04x}" for i in range(0, len(units), 2))
