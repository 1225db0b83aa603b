"""Which files of a submission are logs, and which seed a file's name names."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from harness.observe.reading.text import decode, is_binary

_LOG_SUFFIX = re.compile(r"\.(?:log|out|err|txt)(?:\.\d{1,4})?$", re.IGNORECASE)
_TRAINING_LOG = re.compile(r"train[\w.-]*\.log$", re.IGNORECASE)
_OTHER_SUFFIX = re.compile(r"\.[A-Za-z][\w-]{0,15}~?$")
_NO_LOG = re.compile(
    r"requirements|constraints|readme|license|licence|notice|copying|changelog|authors|citation|manifest|dockerfile|makefile",
    re.IGNORECASE,
)
_SEED_NAME = re.compile(r"seed[_-]?(\d{1,9})(?!\d)", re.IGNORECASE)
_SHORT_SEED_NAME = re.compile(r"(?:^|[_-])s[_-]?(\d{2,9})(?!\d)", re.IGNORECASE)
_METRIC = re.compile(
    r"^.{0,160}?(?:\b(?:train|val)_loss\s?[:=]\s?[\d.]|bpb\b.{0,16}\d\.\d|\bstep[: ]\s{0,8}\d{1,9}\s?[/|]"
    r"|\b[vt]l:\d|model_params:\s?\d|stopping_early|serialized model.{0,40}:\s?\d|train_time\s?[:=]\s?[\d.]"
    r"|eval_time\s?[:=]\s?\d|warmup_step\s?:\s?\d|\b(?:train_)?loss\s?[:=|]?\s{0,4}\d{1,3}\.\d|val_bpb:enabled"
    r"|setting omp_num_threads|^running p(?:ython|ytorch) |^\s{0,8}seed\s?[:=]\s?\d{1,9}\s?$)",
    re.IGNORECASE | re.MULTILINE,
)
_SCRIPT = re.compile(
    r"^(?:import|from) torch\b|^def main\(|^class Hyperparameters\b|^import .{0,40}\btorch\b", re.MULTILINE
)
_HEAD = 65_536


def is_log(path: str, head: bytes) -> bool:
    """Whether the file `path`, which starts with `head` (some 64 KiB), is a training or evaluation log.

    Logs are text files named `.log`, `.out` or `.txt` (also numbered: `train.log.1`), or without any suffix, that show
    steps, scores or a training script printed at their start. Requirements, READMEs and sources are none. A text
    called `train*.log` is the author's log whatever it says: a placeholder is worth knowing.
    """
    name = PurePosixPath(path).name
    named = _LOG_SUFFIX.search(name) is not None
    if not named and _OTHER_SUFFIX.search(name):
        return False
    if _NO_LOG.search(name.split(".", 1)[0]) or name.startswith("."):
        return False
    head = head[:_HEAD]
    if not head.strip() or is_binary(head):
        return False
    if _TRAINING_LOG.match(name):
        return True
    text = decode(head).text
    # A printed script stands before all metrics, and the few words that show it are found much sooner.
    return (named and _SCRIPT.search(text) is not None) or _METRIC.search(text) is not None


def seed_in_name(path: str) -> int | None:
    """The seed in a file's name (`train_seed42.log`, `run_s42.log`), else in that of a folder above (`seed42/a.log`).

    A bare `s` counts only before two digits or more that are no power of two: `s1` is a stage, `s64` a stride.
    """
    pure = PurePosixPath(path)
    for name in (pure.stem, *reversed(pure.parent.parts)):
        if match := _SEED_NAME.search(name):
            return int(match[1])
        for match in _SHORT_SEED_NAME.finditer(name):
            if int(match[1]).bit_count() != 1:
                return int(match[1])
    return None
