"""English-like documents from a seed: something a tiny model learns from, and nobody's text.

Documents have titles, paragraphs, sentences by a small grammar, case of all kinds, digits, punctuation, quotes and
characters outside ASCII. Every document is about a few names and has a phrase of its own that comes back, and all
share some lines that any website has, so that caches of n-grams find repeats. Words are drawn by Zipf's law, from
written lists first and from invented ones after, so a vocabulary of any size finds work.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from itertools import count


def _words(listed: str) -> tuple[str, ...]:
    return tuple(listed.split())


_NOUNS = _words(
    "time year people way day man thing woman life child world school state family student group country problem "
    "hand part place case week company system program question work government number night point home water room "
    "mother area money story fact month lot right study book eye job word business issue side kind head house "
    "service friend father power hour game line end member law car city community name president team minute idea "
    "body information back parent face others level office door health person art war history party result change "
    "morning reason research girl guy moment air teacher force education foot boy age policy music market sense "
    "nation plan college interest death experience effect use class control field development role effort rate "
    "heart drug show leader light voice wife police mind price report decision son view relationship town road "
    "arm difference value building action season society tax director position player record paper space ground "
    "form event matter center project activity star table need court oil situation cost industry figure street "
    "image phone data picture practice piece land product doctor wall patient worker news test movie north love "
    "step computer type attention film tree source garden kitchen recipe bridge river mountain"
)
_VERBS = _words(
    "makes knows takes sees gets gives finds thinks tells becomes shows leaves feels puts brings begins keeps "
    "holds writes stands hears lets means sets meets runs pays sits speaks lies leads reads grows loses falls "
    "sends builds understands draws breaks spends cuts rises drives buys wears chooses uses needs wants helps "
    "turns starts offers includes follows stops creates allows adds changes opens wins watches remembers "
    "considers appears serves expects moves likes believes supports explains covers improves describes reaches "
    "develops"
)
_ADJECTIVES = _words(
    "good new first last long great little own other old right big high different small large next early young "
    "important few public bad same able free real best better local sure clear recent certain personal open red "
    "difficult available likely short single medical current wrong private past foreign fine common poor natural "
    "significant similar hot dead central happy serious ready simple left physical general green dark various "
    "entire close legal religious cold final main huge popular traditional cultural modern warm quiet careful "
    "useful"
)
_ADVERBS = _words(
    "also only now very often never usually always really still again already quickly together nearly slowly"
)
_PREPOSITIONS = _words(
    "of in to for with on at from by about into after over under between through during without before"
)
_DETERMINERS = _words("the the the the a this that its our their every another no some")
_JOINS = ("and", "but", "because", "while", "although", "which means that", "so that", "as if", "and then", "or")
_FOREIGN = _words("café naïve Zürich São-Paulo résumé jalapeño Łódź Ångström Москва 東京 Ελλάδα smörgåsbord")
_SIGNS = ("— ", "€", "£", "§", "✓ ", "→ ", "😀 ", "“", "•")
_EVERYWHERE = (
    "Click here to read more.",
    "All rights reserved.",
    "Please leave a comment below and share this page with your friends.",
    "This article was last updated on Monday.",
    "For more information, visit our website or call us today.",
)
_ONSETS = _words("b br c ch cl d dr f fl g gr h j k l m n p pl pr qu r s sh sl st t th tr v w y z")
_VOWELS = _words("a e i o u a e i o ai ea ee ou oo io")
_CODAS = ("", "", "", "n", "r", "l", "s", "t", "m", "nd", "ng", "ck", "st", "ll", "x")
_ENDINGS = ("", "", "", "s", "er", "ing", "ed", "ly", "ness", "tion", "al", "ism")

INVENTED = 40_000
"""Invented words in reach; the rarest are met about once in a million words."""


def documents(seed: int) -> Iterator[str]:
    """Documents without end, the same for the same seed. Some 200 to 4,000 characters each."""
    for number in count():
        yield _Writer(random.Random(f"document {seed} {number}")).document()


def text(seed: int, characters: int) -> list[str]:
    """The first documents of `seed` that together have at least so many characters."""
    found: list[str] = []
    total = 0
    for document in documents(seed):
        if total >= characters:
            break
        found.append(document)
        total += len(document)
    return found


class _Writer:
    """Writes one document. Draws by `random()` alone, whose sequence Python keeps the same across versions."""

    def __init__(self, source: random.Random) -> None:
        self.draw = source.random
        self.said: list[str] = []
        self.names = [self.invented().capitalize() for _ in range(3)]
        self.names.append(self.invented()[:4].upper())
        self.phrase = f"the {self.words(2)} {self.pick(_PREPOSITIONS)} the {self.words(2)}"

    def document(self) -> str:
        title = self.words(3 + self.below(4))
        body = [self.paragraph() for _ in range(1 + self.below(6))]
        if self.chance(0.3):
            body.insert(self.below(len(body) + 1), self.items())
        if self.chance(0.4):
            body.append(self.pick(_EVERYWHERE))
        return "\n".join([title.title() if self.chance(0.7) else title.upper(), *body])

    def paragraph(self) -> str:
        return " ".join(self.sentence() for _ in range(1 + self.below(6)))

    def items(self) -> str:
        return "\n".join(f"{n}. {self.words(2 + self.below(4)).capitalize()}" for n in range(1, 3 + self.below(4)))

    def sentence(self) -> str:
        said = self.clause()
        if self.chance(0.35):
            said += f"{',' if self.chance(0.5) else ''} {self.pick(_JOINS)} {self.clause()}"
        if self.chance(0.15):
            said = f"{self.pick(_ADVERBS)}, {said}"
        said = said[0].upper() + said[1:]
        if self.chance(0.06):
            return f'"{said}," said {self.pick(self.names)}.'
        return said + self.pick((".", ".", ".", ".", ".", "!", "?", ":", " ..."))

    def clause(self) -> str:
        if self.said and self.chance(0.12):
            return self.pick(self.said)
        verb = self.pick_common(_VERBS)
        parts = [self.noun_phrase(), verb, self.noun_phrase()]
        if self.chance(0.2):
            parts.insert(1, self.pick(_ADVERBS))
        if self.chance(0.4):
            parts += [self.pick(_PREPOSITIONS), self.noun_phrase()]
        if self.chance(0.12):
            parts.append(self.number())
        self.said.append(" ".join(parts))
        return self.said[-1]

    def noun_phrase(self) -> str:
        kind = self.draw()
        if kind < 0.15:
            return self.pick(self.names)
        if kind < 0.25:
            return self.phrase
        if kind < 0.28:
            return self.pick(_SIGNS) + self.pick(_FOREIGN)
        noun = self.invented() if kind < 0.36 else self.pick_common(_NOUNS)
        adjective = f"{self.pick_common(_ADJECTIVES)} " if self.chance(0.35) else ""
        return f"{self.pick(_DETERMINERS)} {adjective}{noun}"

    def number(self) -> str:
        year, small = 1900 + self.below(130), 1 + self.below(99)
        return self.pick((
            f"in {year}", f"({small}%)", f"for ${small}.{self.below(10)}0", f"at {1 + small % 12}:{self.below(6)}0 pm",
            f"by {small},{100 + self.below(900)}", f"on May {1 + small % 30}, {year}", f"v{small}.{self.below(20)}",
            f"www.{self.invented()}.com/{year}", f"i{self.invented().capitalize()}",
        ))  # fmt: skip

    def words(self, number: int) -> str:
        return " ".join(self.pick_common(_NOUNS if n % 2 else _ADJECTIVES) for n in range(number))

    def invented(self) -> str:
        """One of `INVENTED` words; low ranks far oftener than high ones."""
        rank = int(INVENTED ** self.draw())
        spell = random.Random(f"word {rank}").random
        syllables = 1 + (rank > 40) + (rank > 2_000 and spell() < 0.7)
        parts = [_ONSETS, _VOWELS, _CODAS] * syllables + [_ENDINGS]
        return "".join(part[int(spell() * len(part))] for part in parts)

    def pick(self, options: Sequence[str]) -> str:
        return options[self.below(len(options))]

    def pick_common(self, options: Sequence[str]) -> str:
        """One of a list that is sorted by frequency."""
        return options[int((len(options) + 1) ** self.draw()) - 1]

    def below(self, limit: int) -> int:
        return int(self.draw() * limit)

    def chance(self, probability: float) -> bool:
        return self.draw() < probability
