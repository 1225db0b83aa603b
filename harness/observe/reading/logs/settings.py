"""Settings that a run prints: configuration dumps (`  seed: 42`), settings lines (`embed_lr:0.05 ...`), JSON."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from harness.model.logs import LoggedSetting
from harness.observe.reading.logs.lines import Line

MAX_SETTINGS = 400
"""Settings kept of a run."""
MAX_VALUES = 3
"""Different values of one name that are kept of a run; a name with more of them is telemetry."""
MAX_LENGTH = 200

_HEADER = re.compile(r"\W{0,4}(?:hyper-?parameters?|config(?:uration)?|args|settings)\W{0,6}$", re.IGNORECASE)
_HEADER_LENGTH = 26
"""Characters that `_HEADER` matches at most."""
_ENTRY = re.compile(r"\s{1,8}[\"']?(?P<name>[A-Za-z_]\w{0,63})[\"']?\s{0,24}[:=]\s?(?P<value>.{0,400})$")
_PAIR = re.compile(r"(?P<name>[A-Za-z_][\w.]{0,63})[:=](?P<value>\S{1,400})$")
_DUMP = re.compile(r"(?P<open>\{|\b(?:Hyperparameters|Namespace|Config|Args)\()(?P<body>.{2,2000})$")
_ITEM = re.compile(
    r"[\"']?(?P<name>[A-Za-z_]\w{0,63})[\"']?\s?[:=]\s?"
    r"(?P<value>\"[^\"]{0,200}\"|'[^']{0,200}'|\[[^\]]{0,200}\]|\([^)]{0,200}\)|[^,{}()\[\]]{1,200})"
)
_ENVIRONMENT = re.compile(
    r"(?:[#>+] ?)?(?:export |env[:.] ?|condition: ?)?(?P<name>[A-Z][A-Z0-9_]{2,63})=(?P<value>\S{1,400})\s?\\?$"
)
_IN_LIST = re.compile(r",\s{1,8}(?=[^\[\]]{0,200}\])")
"""Between two entries of a printed list."""
_NO_VALUE = re.compile(r"\d{1,9}/\d{1,9}$|//")
_CONFIGURATION = re.compile(r"param|arg|config")
_SHARE = 0.6
_LONG_LINE = 1_200


class SettingsReader:
    """Collects settings line by line. A dump opens with its header line and ends at the first line that is no entry.

    Settings lines count only before training starts (`header` true) or where a phase announces itself with `start`,
    `enabled` or `config`: later ones are telemetry.
    """

    def __init__(self) -> None:
        self.settings: list[LoggedSetting] = []
        self.omitted = 0
        self._seen: set[tuple[str, str]] = set()
        self._names: Counter[str] = Counter()
        self._in_dump = False

    def read(self, line: Line, *, header: bool) -> bool:
        """Take the settings of `line`; whether it is nothing but configuration (an entry of a dump, an assignment)."""
        if self._in_dump:
            if entry := _ENTRY.match(line.text):
                self._add(entry["name"], entry["value"], line.number)
                return True
            self._in_dump = False
        if len(line.text) <= _HEADER_LENGTH and _HEADER.match(line.text):
            self._in_dump = True
            return True
        if ":" not in line.text and "=" not in line.text:
            return False
        if "=" in line.text and (entry := _ENVIRONMENT.match(line.text.strip())):
            self._add(entry["name"], entry["value"], line.number)
            return True
        for name, value in _pairs(line, header=header):
            self._add(name, value, line.number)
        return False

    def _add(self, name: str, value: str, number: int) -> None:
        value = value.strip().rstrip(",").strip("\"'")[:MAX_LENGTH]
        if (name, value) in self._seen or self._names[name] >= MAX_VALUES:
            return
        if len(self.settings) >= MAX_SETTINGS:
            self.omitted += 1
            return
        self._seen.add((name, value))
        self._names[name] += 1
        self.settings.append(LoggedSetting(name=name, value=value, line=number))


def _pairs(line: Line, *, header: bool) -> Iterator[tuple[str, str]]:
    """Names and values of a one-line dump or of a settings line."""
    dump = _DUMP.search(line.text) if header and ("{" in line.text or "(" in line.text) else None
    if dump and (":" in dump["body"] or "=" in dump["body"]):
        if dump["open"] != "{" or _CONFIGURATION.search(line.low):
            yield from ((item["name"], item["value"]) for item in _ITEM.finditer(dump["body"]))
    elif header or "start" in line.low or "enabled" in line.low or "config" in line.low:
        yield from _settings_line(line.text)


def _settings_line(text: str) -> list[tuple[str, str]]:
    """The pairs of a line that consists of `name:value` words for the most part; else nothing."""
    if len(text) > _LONG_LINE:
        return []
    words = (_IN_LIST.sub(",", text) if "[" in text else text).split()
    if len(words) == 2 and words[0].endswith((":", "=")):  # `seed: 42`
        words = ["".join(words)]
    pairs = [(m["name"], m["value"]) for word in words if (m := _PAIR.match(word)) and not _NO_VALUE.match(m["value"])]
    return pairs if len(pairs) >= _SHARE * len(words) else []
