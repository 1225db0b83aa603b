"""Labels under which a script prints values: `f"embed_lr:{args.embed_lr}"`."""

from __future__ import annotations

import re

_PRINTED = re.compile(r"\{([^{}:!\n]{1,80})[:!}]")
_LABEL = re.compile(r"\b([A-Za-z_]\w{0,60})\s?[:=]\s?$")
_REACH = 70
"""Characters in front of a printed expression that its label may take."""


def other_labels(text: str) -> set[str]:
    """Names that a script's `text` prints before something else: `embed_lr:{token_lr}` says nothing of `embed_lr`.

    In lower case; names that stand before their own value anywhere in the text are not among them.
    """
    own: set[str] = set()
    others: set[str] = set()
    behind = 0
    for printed in _PRINTED.finditer(text):
        start = printed.start()
        before = text[start - 2 : start]
        if ":" not in before and "=" not in before:
            continue
        label = _LABEL.search(text, max(behind, start - _REACH), start)
        if label is not None:
            behind = printed.end()
            name = label[1].lower()
            last = printed[1].strip().rpartition(".")[2].lower()
            (own if last == name else others).add(name)
    return others - own
