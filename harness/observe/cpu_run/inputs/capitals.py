"""Capitals written as operators, the lossless transform that `CaseOps` vocabularies are made for.

Over each run of ASCII letters: all capitals (two or more) become ALLCAPS and the word in lower case; a capital at the
head becomes TITLE and its lower case; any other capital becomes CAPNEXT and its lower case. A literal operator is
preceded by ESCAPE. Nothing else changes, so the text and its bytes can be had back.
"""

from __future__ import annotations

import re

TITLE, ALLCAPS, CAPNEXT, ESCAPE = OPERATORS = ("\ue001", "\ue002", "\ue003", "\ue004")
"""Code points of the private use area, in the order of their ids."""

_WORD = re.compile(f"[A-Za-z]+|[{''.join(OPERATORS)}]")
_MARKED = re.compile(f"{ESCAPE}(.)|{ALLCAPS}([a-z]+)|[{TITLE}{CAPNEXT}]([a-z])", re.DOTALL)


def lowered(text: str) -> str:
    """`text` without ASCII capitals, operators in their place."""
    return _WORD.sub(lambda found: _word(found.group()), text)


def restored(text: str) -> str:
    """The inverse of `lowered`."""
    return _MARKED.sub(lambda found: found[1] or (found[2] or found[3]).upper(), text)


def _word(word: str) -> str:
    if word in OPERATORS:
        return ESCAPE + word
    if word.islower():
        return word
    if len(word) > 1 and word.isupper():
        return ALLCAPS + word.lower()
    head = TITLE + word[0].lower() if word[0].isupper() else word[0]
    return head + "".join(CAPNEXT + letter.lower() if letter.isupper() else letter for letter in word[1:])
