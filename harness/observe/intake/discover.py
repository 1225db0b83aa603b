"""Which folders of a tree or diff are submissions: a pure function of paths.

Layouts met in the competition's pull requests: `records/track_X/NAME/...` (the rule), `records/NAME/...` without a
track, `records/records/track_X/NAME`, `records/track_X/records/track_X/NAME`, `records/track_X/GROUP/NAME`, files
directly in `records/track_X/`, and folders outside `records/`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import PurePosixPath

RECORDS = "records"
TRACK_PREFIX = "track_"


def track_of(path: str) -> str | None:
    """Id of the track that `path` lies in: the last `track_ID` directory on it, without the prefix."""
    tracks = [part for part in PurePosixPath(path).parts if part.startswith(TRACK_PREFIX)]
    return tracks[-1].removeprefix(TRACK_PREFIX) if tracks else None


def is_metadata(name: str) -> bool:
    """Whether a file name is a submission.json in one of its spellings."""
    lower = name.lower()
    return lower.endswith(".json") and lower.startswith(("submission", "subbmission"))


def is_material(name: str) -> bool:
    """Whether a file alone makes its folder worth a review: script, metadata, README or log."""
    lower = name.lower()
    return is_metadata(name) or lower.startswith("readme") or lower.endswith((".py", ".log", ".ipynb"))


def submission_folders(paths: Iterable[str]) -> dict[str, str | None]:
    """Submission folders that hold at least one of `paths` (repository relative), each with its track id.

    Folders without any material file are left out. The order is that of first appearance.
    """
    members: dict[str, list[str]] = {}
    for path in dict.fromkeys(paths):
        folder = _folder_of(path)
        if folder is not None:
            members.setdefault(folder, []).append(path)
    found: dict[str, str | None] = {}
    for folder, inside in members.items():
        for part in _split_group(folder, inside):
            if any(is_material(PurePosixPath(path).name) for path in inside if _within(path, part)):
                found[part] = track_of(part)
    return found or _loose(paths)


def _folder_of(path: str) -> str | None:
    """The folder that the layout rules give to one path; None outside `records/`."""
    parts = PurePosixPath(path).parts
    if RECORDS not in parts[:-1]:
        return None
    last = max(i for i, part in enumerate(parts[:-1]) if part == RECORDS or part.startswith(TRACK_PREFIX))
    depth = last + 1 if last == len(parts) - 2 else last + 2
    if depth == 1 or (parts[0] != RECORDS and not any(part.startswith(TRACK_PREFIX) for part in parts)):
        return None
    return str(PurePosixPath(*parts[:depth]))


def _split_group(folder: str, paths: Collection[str]) -> list[str]:
    """`folder` itself, or its sub-folders when only those hold a submission.json and a script each."""
    relative = [PurePosixPath(path).relative_to(folder) for path in paths]
    direct = {path.name for path in relative if len(path.parts) == 1}
    if any(is_metadata(name) or name.endswith(".py") for name in direct):
        return [folder]
    groups: dict[str, set[str]] = {}
    for path in relative:
        if len(path.parts) == 2:
            groups.setdefault(path.parts[0], set()).add(path.name)
    nested = [name for name, names in groups.items() if any(map(is_metadata, names))]
    scripted = [name for name in nested if any(file.endswith(".py") for file in groups[name])]
    return [f"{folder}/{name}" for name in scripted] or [folder]


def _loose(paths: Iterable[str]) -> dict[str, str | None]:
    """Folders outside `records/` that carry a submission.json together with a script or README."""
    directories: dict[str, set[str]] = {}
    for path in paths:
        pure = PurePosixPath(path)
        directories.setdefault(str(pure.parent), set()).add(pure.name)
    found: dict[str, str | None] = {}
    for directory, names in directories.items():
        others = any(name.endswith(".py") or name.lower().startswith("readme") for name in names)
        if any(map(is_metadata, names)) and others:
            found[directory] = track_of(directory)
    return found


def _within(path: str, folder: str) -> bool:
    return folder == "." or path.startswith(folder + "/")
