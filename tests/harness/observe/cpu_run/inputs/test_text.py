"""The invented text."""

from __future__ import annotations

import unicodedata
from collections import Counter
from itertools import islice

from harness.observe.cpu_run.inputs.text import documents, text


def test_the_same_seed_writes_the_same_documents() -> None:
    """Documents depend on the seed alone; another seed has others."""
    first, again, other = (list(islice(documents(seed), 20)) for seed in (3, 3, 4))
    assert first == again
    assert not set(first) & set(other)


def test_the_text_has_what_real_text_has() -> None:
    """Paragraphs, case of all kinds, digits, punctuation, quotes, and characters outside ASCII."""
    whole = "\n".join(text(0, 60_000))
    words = whole.split()
    assert "\n" in text(0, 100)[0]
    assert any(word.istitle() for word in words)
    assert any(len(word) > 3 and word.isupper() for word in words)
    assert any(word.isalpha() and word[0].islower() and not word.islower() for word in words)
    for character in '0123456789.,!?:"$%é東😀':
        assert character in whole


def test_phrases_come_again() -> None:
    """Caches of n-grams find repeats: a tenth of the runs of five words at least."""
    words = " ".join(text(0, 60_000)).split()
    runs = Counter(zip(*(words[n:] for n in range(5)), strict=False))
    again = sum(count for count in runs.values() if count > 1)
    assert again > 0.1 * len(words)


def test_normalisation_keeps_every_byte() -> None:
    """The competition's tokenizers normalise (NFKC, single spaces): the text is written so that no length changes."""
    for document in text(7, 60_000):
        assert unicodedata.normalize("NFKC", document) == document
        assert "  " not in document
        assert document == document.strip()


def test_text_has_the_length_asked_for() -> None:
    """At least so many characters, and no whole document more than needed."""
    found = text(1, 10_000)
    assert sum(map(len, found)) >= 10_000 > sum(map(len, found[:-1]))
