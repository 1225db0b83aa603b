"""What a file of a submission is for, by its name. Contents decide only between logs and other text."""

from __future__ import annotations

from enum import StrEnum
from pathlib import PurePosixPath

from harness.model.target import BlobState, FileEntry
from harness.observe.intake.discover import is_metadata

SIBLING_LIMIT = 1 << 20
"""Files without a role are read only up to this size: a wrapper may execute or decode them."""


class Role(StrEnum):
    """The part that a file plays."""

    METADATA = "metadata"
    README = "readme"
    SCRIPT = "script"
    RUN_SCRIPT = "run_script"
    TOKENIZER = "tokenizer"
    REQUIREMENTS = "requirements"
    TEXT = "text"
    """Plain text that may be a log."""
    OTHER = "other"


_BY_SUFFIX = {
    ".py": Role.SCRIPT,
    ".sh": Role.RUN_SCRIPT,
    ".bash": Role.RUN_SCRIPT,
    ".model": Role.TOKENIZER,
    ".vocab": Role.TOKENIZER,
    ".log": Role.TEXT,
    ".txt": Role.TEXT,
    ".out": Role.TEXT,
    ".err": Role.TEXT,
}


def role_of(path: str) -> Role:
    """Role of the file at `path`."""
    name = PurePosixPath(path).name.lower()
    if is_metadata(name):
        return Role.METADATA
    if name.startswith("readme"):
        return Role.README
    if name.startswith("requirements") and name.endswith((".txt", ".in")):
        return Role.REQUIREMENTS
    if name in {"makefile", "dockerfile", "run"}:
        return Role.RUN_SCRIPT
    suffix = PurePosixPath(name).suffix
    if not suffix or suffix[1:].isdigit():
        return Role.TEXT
    return _BY_SUFFIX.get(suffix, Role.OTHER)


def is_wanted(file: FileEntry) -> bool:
    """Whether the bytes of `file` are handed to the reader."""
    if file.state is not BlobState.PRESENT:
        return file.state is BlobState.TOO_LARGE and role_of(file.path) is Role.TEXT
    return role_of(file.path) is not Role.OTHER or (file.size or 0) <= SIBLING_LIMIT
