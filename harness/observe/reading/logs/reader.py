"""A log file to `LogFacts`."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from harness.model.logs import LogFacts
from harness.observe.reading.logs.detect import seed_in_name
from harness.observe.reading.logs.embedded import describe, find_source, outside
from harness.observe.reading.logs.errors import ErrorReader
from harness.observe.reading.logs.lines import clean_lines, split_lines
from harness.observe.reading.logs.repeats import merge_repeats
from harness.observe.reading.logs.runs import RunSplitter
from harness.observe.reading.text import decode


@dataclass(frozen=True)
class LogReading:
    """What a log says, and the text of the source code printed in it (the last one, where it holds several)."""

    facts: LogFacts
    embedded: str | None = None


def read_log(path: str, data: bytes, *, truncated: bool = False) -> LogReading:
    """Read the log `path` with content `data`; `truncated` says that the caller cut its middle out.

    Never raises on any content. Source code printed in the log is left out of the facts; compare it with the submitted
    code by `compare_embedded`.
    """
    decoded = decode(data)
    numbered, total, omitted = split_lines(decoded.text)
    regions = find_source(numbered)
    errors = ErrorReader(path)
    splitter = RunSplitter(path, errors, (region.first for region in regions))
    for line in clean_lines(outside(numbered, regions)):
        splitter.read(line)
    source = regions[-1] if regions else None
    facts = LogFacts(
        path=path,
        sha256=hashlib.sha256(data).hexdigest(),
        bytes=len(data),
        lines=total,
        encoding=decoded.encoding,
        seed_in_name=seed_in_name(path),
        truncated=truncated or omitted > 0,
        runs=merge_repeats(splitter.finish()),
        dialect=splitter.dialect,
        embedded=describe(source.text, source.first, source.last) if source else None,
        errors=errors.finish(),
        errors_omitted=errors.omitted,
    )
    return LogReading(facts, source.text if source else None)
