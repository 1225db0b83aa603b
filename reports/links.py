"""Where a number can be looked up: addresses on github.com, made from what the user asked for and nothing else."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import quote

from harness.model.findings import Basis
from harness.model.target import Target

_GITHUB = re.compile(
    r"(?:https://(?:[\w.-]+@)?github\.com/|(?:ssh://)?git@github\.com[:/])([\w-]{1,39}/[\w.-]{1,100}?)(?:\.git)?/?"
)
_NAME = re.compile(r"[A-Za-z0-9-]{1,39}/[A-Za-z0-9._-]{1,100}")
_SHA = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
OWN_DATA = "harness/competition/"
"""Where evidence from the harness's own dated data says that it is from."""


def github_name(address: str) -> str | None:
    """`owner/name` of a repository's address where that is on github.com; a bare `owner/name` is taken as it is."""
    found = _GITHUB.fullmatch(address)
    name = found[1] if found else address
    return name if _NAME.fullmatch(name) and set(name.partition("/")[2]) != {"."} else None


@dataclass(frozen=True)
class Links:
    """Addresses of one commit of a repository on GitHub; none where `repository` or `sha` is None.

    `unpacked` are paths (relative to the repository) whose lines count in unpacked text, so that a line of the file
    itself would mislead.
    """

    repository: str | None = None
    sha: str | None = None
    unpacked: Collection[str] = ()

    @classmethod
    def of(cls, target: Target, repository: str | None, unpacked: Collection[str] = ()) -> Links:
        """Links into the commit of `target`. `repository` is the user's word for it, as an address or `owner/name`."""
        name = github_name(repository) if repository else None
        sha = target.sha if target.sha and _SHA.fullmatch(target.sha) else None
        return cls(name, sha, unpacked)

    def file(self, folder: str, path: str, line: int | None = None, end_line: int | None = None) -> str | None:
        """The address of `path` in `folder` (empty for the repository itself), or None where there is none."""
        full = repository_path(folder, path)
        if self.repository is None or self.sha is None or full is None:
            return None
        anchor = ""
        if line is not None and not self.in_unpacked(folder, path):
            anchor = f"#L{line}" + (f"-L{end_line}" if end_line not in {None, line} else "")
        return f"https://github.com/{self.repository}/blob/{self.sha}/{quote(full)}{anchor}"

    def in_unpacked(self, folder: str, path: str) -> bool:
        """Whether lines of `path` count in the text that came out of its wrapper."""
        return repository_path(folder, path) in self.unpacked

    def target(self, target: Target) -> str | None:
        """The address of what was reviewed."""
        if self.repository is None:
            return None
        if target.pr is not None:
            return f"https://github.com/{self.repository}/pull/{target.pr}"
        return f"https://github.com/{self.repository}/tree/{self.sha}" if self.sha else None


def repository_path(folder: str, path: str) -> str | None:
    """`path` of `folder` as a path of the repository; None for a place that is no file of it."""
    if path == "." or path.startswith(OWN_DATA):
        return None
    full = f"{folder}/{path}" if folder not in {"", "."} else path
    return None if any(part in {"", ".", ".."} for part in full.split("/")) else full


def basis_link(basis: Basis) -> str | None:
    """The address of a ruling; rules are ours, but a plug-in's address must be a web page too."""
    return basis.url if basis.url.startswith("https://") else None
