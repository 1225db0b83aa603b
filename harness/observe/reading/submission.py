"""All files of one submission into `SubmissionFacts`. Runs inside the limited reader process."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from harness.model.facts import Stage, StageStatus, SubmissionFacts, Unreadable
from harness.model.logs import LogFacts
from harness.model.metadata import MetadataFacts
from harness.model.order import OrderFacts
from harness.model.target import FolderEntry
from harness.observe.intake.content import Content
from harness.observe.reading.accounting import read_accounting
from harness.observe.reading.actions import actions_of
from harness.observe.reading.announcements import read_announcements
from harness.observe.reading.documents import read_documents
from harness.observe.reading.flow.read import read_order
from harness.observe.reading.launch import LaunchReading, read_launch
from harness.observe.reading.logs import LogReading, compare_embedded, is_log, read_log
from harness.observe.reading.logs.held import unheld_settings
from harness.observe.reading.metadata import read_metadata
from harness.observe.reading.readme import read_readme
from harness.observe.reading.roles import Role, role_of
from harness.observe.reading.source.script import ScriptReading, read_script
from harness.observe.reading.statements import read_statements
from harness.observe.reading.techniques import techniques_of
from harness.observe.reading.text import decode
from harness.observe.reading.tokenizer import read_tokenizer

T = TypeVar("T")

LAUNCH = "(launch)"
"""Stands for the work on all files together where a file would be named."""
ACTIONS, ANNOUNCED, STATEMENTS, UNHELD = "(actions)", "(announcements)", "(statements)", "(unheld settings)"
ORDER = "(order)"
"""The same for the flow of validation tokens through the launched program."""
MAX_LOGS = 200
MAX_SCRIPTS = 100


@dataclass
class _Reader:
    """Collects facts file by file; one file's failure never loses another's facts."""

    contents: Mapping[str, Content]
    skip: Mapping[str, str]
    announce: Callable[[str], None]
    unreadable: list[Unreadable] = field(default_factory=list)
    stages: list[Stage] = field(default_factory=list)

    def each(self, stage: str, paths: list[str], read: Callable[[str], T]) -> list[T]:
        """Apply `read` to every path, announcing it first so that a crash can be laid to it."""
        started = time.perf_counter()
        results: list[T] = []
        failed = lost = None
        for path in paths:
            if path in self.skip:
                lost = f"{path}: {self.skip[path]}"
                self.unreadable.append(Unreadable(path=path, reason=self.skip[path]))
                continue
            self.announce(path)
            try:
                results.append(read(path))
            except MemoryError:
                raise  # the limit of this process: it ends here and the file is laid aside
            except Exception as error:  # noqa: BLE001  a reader's bug must not cost the other files; it is reported as ours
                failed = f"{path}: the reader failed with {type(error).__name__}: {error}"
                self.unreadable.append(Unreadable(path=path, reason=failed))
        status = StageStatus.ERROR if failed else StageStatus.PARTIAL if lost else StageStatus.DONE
        seconds = round(time.perf_counter() - started, 4)
        self.stages.append(Stage(name=stage, status=status, seconds=seconds, reason=failed or lost))
        return results


def read_submission(
    folder: FolderEntry,
    contents: Mapping[str, Content],
    skip: Mapping[str, str] | None = None,
    announce: Callable[[str], None] = lambda _: None,
) -> SubmissionFacts:
    """Facts of one folder.

    `contents` maps paths (relative to the folder) to their bytes; `skip` names files that must not be read, with the
    reason; `announce` is called with each path before it is read.
    """
    reader = _Reader(contents, skip or {}, announce)
    paths = sorted(contents)
    by_role = {role: [path for path in paths if role_of(path) is role] for role in Role}

    def data(path: str) -> bytes:
        return contents[path].data

    metadata = reader.each("metadata", _by_depth(by_role[Role.METADATA]), lambda p: read_metadata(p, data(p)))
    readmes = reader.each("readme", _by_depth(by_role[Role.README]), lambda p: read_readme(p, data(p)))
    tokenizers = reader.each("tokenizers", by_role[Role.TOKENIZER], lambda p: read_tokenizer(p, data(p)))
    siblings = {path: content.data for path, content in contents.items()}
    scripts = reader.each("scripts", by_role[Role.SCRIPT][:MAX_SCRIPTS], lambda p: read_script(p, data(p), siblings))
    candidates = [path for path in by_role[Role.TEXT] if is_log(path, data(path)[:65536])][:MAX_LOGS]
    logs = reader.each("logs", candidates, _log_reader(contents, _texts(scripts)))
    launch = _launch(reader, by_role, metadata, scripts, logs, siblings)
    order = reader.each("order", [ORDER], lambda _: _order(launch))
    known = launch.facts if launch is not None else None
    actions = reader.each("actions", [ACTIONS], lambda _: (actions_of(scripts, known), techniques_of(scripts, known)))
    statements = reader.each("statements", [STATEMENTS], lambda _: read_statements(siblings))
    announced = reader.each("announcements", [ANNOUNCED], lambda _: read_announcements(scripts, logs, siblings))
    unheld = reader.each("unheld settings", [UNHELD], lambda _: unheld_settings(logs, scripts, siblings))
    launched = [s for s in scripts if launch is not None and s.facts.path == launch.facts.script]
    accounting = reader.each("accounting", [s.facts.path for s in launched], lambda _: read_accounting(launched[0]))
    documents = reader.each("documents", [s.facts.path for s in launched], lambda _: read_documents(launched[0], known))
    return SubmissionFacts(
        folder=folder,
        metadata=tuple(metadata),
        readmes=tuple(readmes),
        logs=tuple(logs),
        scripts=tuple(script.facts for script in scripts),
        launch=known,
        models=launch.models if launch is not None else (),
        order=order[0] if order else None,
        accounting=accounting[0] if accounting else None,
        documents=documents[0] if documents else None,
        tokenizers=tuple(tokenizers),
        requirements=_requirements(by_role[Role.REQUIREMENTS], contents),
        actions=actions[0][0] if actions else (),
        techniques=actions[0][1] if actions else (),
        announcements=announced[0] if announced else (),
        statements=statements[0] if statements else (),
        unheld=unheld[0] if unheld else (),
        unreadable=tuple(reader.unreadable),
        stages=tuple(reader.stages),
    )


def _by_depth(paths: list[str]) -> list[str]:
    """Files at the root first; `submission.json` before its variants."""
    return sorted(paths, key=lambda path: (path.count("/"), len(path), path))


def _texts(scripts: list[ScriptReading]) -> dict[str, str]:
    """Every text of every script: `path` as submitted, `path@n` as unpacked from its n-th wrapper."""
    texts: dict[str, str] = {}
    for script in scripts:
        for layer, text in enumerate(script.texts):
            texts[f"{script.facts.path}@{layer}" if layer else script.facts.path] = text
    return texts


def _log_reader(contents: Mapping[str, Content], texts: Mapping[str, str]) -> Callable[[str], LogFacts]:
    """A reader of logs that recognises a copy of a log it has read, and compares source printed in the log."""
    seen: dict[str, str] = {}

    def read(path: str) -> LogFacts:
        content = contents[path]
        digest = hashlib.sha256(content.data).hexdigest()
        reading: LogReading = read_log(path, content.data, truncated=content.truncated)
        first = seen.setdefault(digest, path)
        if first != path:
            return reading.facts.model_copy(update={"duplicate_of": first, "runs": (), "errors": ()})
        embedded = reading.facts.embedded
        if embedded is None or reading.embedded is None:
            return reading.facts
        compared = compare_embedded(reading.embedded, embedded.first_line, embedded.last_line, texts)
        return reading.facts.model_copy(update={"embedded": compared})

    return read


def _launch(
    reader: _Reader,
    by_role: Mapping[Role, list[str]],
    metadata: list[MetadataFacts],
    scripts: list[ScriptReading],
    logs: list[LogFacts],
    files: Mapping[str, bytes],
) -> LaunchReading | None:
    prose = {path: decode(reader.contents[path].data).text for path in by_role[Role.README] + by_role[Role.RUN_SCRIPT]}
    results = reader.each("launch", [LAUNCH], lambda _: read_launch(scripts, prose, logs, metadata, files))
    return results[0] if results else None


def _order(launch: LaunchReading | None) -> OrderFacts | None:
    if launch is None or launch.trace is None or launch.main is None:
        return None
    return read_order(launch.trace, launch.main, launch.roots)


def _requirements(paths: list[str], contents: Mapping[str, Content]) -> tuple[str, ...]:
    """Lines of the requirements files that name a package."""
    lines = [line.strip() for path in paths for line in decode(contents[path].data).text.split("\n")[:500]]
    return tuple(line[:120] for line in lines if line and not line.startswith("#"))[:200]
