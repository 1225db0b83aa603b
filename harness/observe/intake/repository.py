"""A git repository read as a database of objects: no checkout, no hook, no filter, no network.

Everything goes through plumbing commands of GitPython (`rev-parse`, `merge-base`, `rev-list`, `cat-file`).
The environment shuts off what a hostile repository could make git do: foreign configuration, lazy fetches of missing
objects (they would start a transport named in the repository's own config), prompts and pagers.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import git

from harness.model.target import BlobState, ChangeKind, EntryKind, FileEntry, FolderEntry
from harness.observe.intake.content import READ_LIMIT, Content, read_limited
from harness.observe.intake.graph import CommitGraph
from harness.observe.intake.trees import changes_between, files_below, sub_directory

_SETTINGS = {
    "core.hooksPath": os.devnull,
    "core.fsmonitor": "false",
    "core.pager": "cat",
    "protocol.allow": "never",
    "log.showSignature": "false",
    "core.attributesFile": os.devnull,
}
_KINDS = {
    "100644": EntryKind.FILE,
    "100664": EntryKind.FILE,
    "100755": EntryKind.EXECUTABLE,
    "120000": EntryKind.SYMLINK,
    "160000": EntryKind.GITLINK,
}
NULL = "0" * 40
_PULL_REQUEST = re.compile(r"refs/(?:pull/|remotes/origin/pull/)(\d{1,7})/head|refs/remotes/origin/pr/(\d{1,7})")
_PARENTS_KEPT = 8
_TREES_KEPT = 20_000
_FEW_BASES = 16
"""Merge bases that git is asked for one by one: beyond, the listing of all commits is cheaper."""
_FEW = 100
"""Objects that are asked for one by one: a process of their own costs as much as about that many questions."""


class RepositoryError(Exception):
    """The repository or a name in it cannot be used; the message says which and what to do."""


@dataclass(frozen=True)
class RawChange:
    """A path on which two commits differ: what happens to it, and the new blob."""

    path: str
    change: ChangeKind
    kind: EntryKind
    blob: str


class Repository:
    """Objects of a local repository, bare or not."""

    def __init__(self, path: Path) -> None:
        """Open `path`. Raises RepositoryError when it holds no repository."""
        try:
            self._repo = git.Repo(path, odbt=git.GitCmdObjectDB, expand_vars=False)
        except (git.InvalidGitRepositoryError, git.NoSuchPathError) as error:
            raise RepositoryError(f"{path} is not a git repository; give a repository, or drop --pr / --ref") from error
        settings = _SETTINGS | {"safe.directory": str(path.resolve())}
        environment = {
            # Named outright: a bare mirror without a config file is otherwise taken for a work tree's .git.
            "GIT_DIR": str(Path(self._repo.git_dir).resolve()),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_NO_LAZY_FETCH": "1",
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_ALLOW_PROTOCOL": "",
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_CONFIG_COUNT": str(len(settings)),
        }
        for i, (key, value) in enumerate(settings.items()):
            environment |= {f"GIT_CONFIG_KEY_{i}": key, f"GIT_CONFIG_VALUE_{i}": value}
        self._repo.git.update_environment(**environment)
        self.path = path
        self._commits: dict[str, str] = {}
        self._bases: dict[tuple[str, str], str | None] = {}
        self._parents: dict[str, dict[str, bytes]] = {}
        self._tree_bytes: dict[str, bytes] = {}

    def close(self) -> None:
        """End the persistent `cat-file` processes."""
        self._repo.close()

    def resolve(self, name: str) -> str:
        """Commit id of a ref or revision, as it was when first asked. Raises RepositoryError when there is none."""
        try:
            if name not in self._commits:
                revision = self._repo.git.rev_parse("--verify", "--quiet", "--end-of-options", name + "^{commit}")
                self._commits[name] = str(revision)
            return self._commits[name]
        except git.GitCommandError as error:
            raise RepositoryError(f"{self.path} has no commit named {name!r}; fetch it first") from error

    def exists(self, name: str) -> bool:
        """Whether `name` resolves to a commit."""
        try:
            self.resolve(name)
        except RepositoryError:
            return False
        return True

    @cached_property
    def base_branch(self) -> str:
        """The branch that pull requests are made against: `main` or `master`, local or of origin, else HEAD."""
        names = ("refs/heads/main", "refs/remotes/origin/main", "refs/remotes/origin/HEAD")
        for name in (*names, "refs/heads/master", "refs/remotes/origin/master", "HEAD"):
            if self.exists(name):
                return name
        raise RepositoryError(f"{self.path} has no main, master or HEAD to compare with; name one with --base")

    def pull_request(self, number: int) -> str:
        """Head commit of pull request `number`. Raises RepositoryError when it was not fetched."""
        if number not in self.pull_requests:
            raise RepositoryError(
                f"{self.path} has no pull request {number}; fetch it with: "
                f"git fetch origin refs/pull/{number}/head:refs/pull/{number}/head"
            )
        return self.pull_requests[number]

    @cached_property
    def pull_requests(self) -> dict[int, str]:
        """Number to head commit of all pull requests that the repository holds, in order.

        Mirrors keep them as refs/pull/N/head, clones fetch them as refs/remotes/origin/pr/N or .../pull/N/head.
        """
        found: dict[int, str] = {}
        listing = self._repo.git.for_each_ref("--format=%(objectname) %(refname)", "refs/pull", "refs/remotes/origin")
        for line in listing.splitlines():
            sha, _, name = line.partition(" ")
            match = _PULL_REQUEST.fullmatch(name)
            if match:
                found.setdefault(int(match.group(1) or match.group(2)), sha)
        return dict(sorted(found.items()))

    def merge_base(self, one: str, other: str) -> str | None:
        """Best common ancestor of two commits, None for unrelated histories.

        Remembered: to tell who brought a folder in, a sweep asks for the same heads again for every folder.
        """
        if (one, other) not in self._bases:
            self._bases[one, other] = self._merge_base(one, other)
        return self._bases[one, other]

    def _merge_base(self, one: str, other: str) -> str | None:
        graph = self._graph if len(self._bases) >= _FEW_BASES else None
        if graph is not None and one in graph and other in graph:
            best = graph.common_ancestors(one, other)
            if len(best) < 2:
                return best[0] if best else None
        # Between equally good ancestors git decides.
        try:
            return str(self._repo.git.merge_base(one, other)) or None
        except git.GitCommandError:
            return None

    @cached_property
    def _graph(self) -> CommitGraph | None:
        """All commits that refs lead to; None where git cannot list them, as in a repository that lacks some."""
        try:
            return CommitGraph.from_listing(self._repo.git.rev_list("--parents", "--all"))
        except git.GitCommandError:
            return None

    def committed_at(self, sha: str) -> str:
        """Committer date of a commit, ISO 8601 with offset."""
        return self._repo.commit(sha).committed_datetime.isoformat()

    def first_parents(self, branch: str) -> list[tuple[str, tuple[str, ...], str]]:
        """(commit, parents, subject) along the first parents of `branch`, newest first."""
        # The tab tells a subject that begins with "commit" from the line that names a commit.
        listing = self._repo.git.rev_list("--first-parent", "--parents", "--format=%x09%s", branch)
        commits = []
        head: list[str] = []
        for line in listing.splitlines():
            if line.startswith("commit "):
                head = line.split()[1:]
            elif head:
                commits.append((head[0], tuple(head[1:]), line[1:]))
                head = []
        return commits

    def first_containing(self, branch: str, sha: str) -> str | None:
        """The oldest first-parent commit of `branch` that contains `sha`: the merge that brought it in."""
        listing = self._repo.git.rev_list("--first-parent", "--ancestry-path", "--reverse", f"{sha}..{branch}")
        return str(listing.split("\n", 1)[0]) or None

    def diff(self, old: str, new: str) -> list[RawChange]:
        """Paths that differ between two commits, without rename detection and without any driver.

        Raises RepositoryError where the repository lacks one of the trees.
        """
        try:
            before, after = self._root(old), self._root(new)
            found = list(changes_between(before, after, self._tree, len(old) // 2))
        except KeyError as error:
            raise RepositoryError(
                f"{self.path} lacks the tree {error}; fetch {old} and {new} with their files"
            ) from error
        return [
            RawChange(
                path.decode("utf-8", errors="replace"),
                ChangeKind.ADDED if was is None else ChangeKind.DELETED if now is None else ChangeKind.MODIFIED,
                EntryKind.SPECIAL if now is None else _KINDS.get(now.mode, EntryKind.SPECIAL),
                NULL if now is None else now.sha,
            )
            for path, was, now in found
        ]

    def list_files(self, commit: str, folder: str) -> list[FileEntry]:
        """All files below `folder` in `commit`, with the size and state of each blob; none where it is no folder."""
        id_size = len(commit) // 2
        try:
            tree = self._root(commit)
            for name in folder.split("/") if folder not in ("", ".") else ():
                below = sub_directory(tree, name, id_size)
                if below is None:
                    return []
                tree = self._tree(below)
            found = list(files_below(tree, self._tree, id_size))
        except KeyError:
            return []
        return self._entries(
            [
                (_KINDS.get(mode, EntryKind.SPECIAL), sha, path.decode("utf-8", errors="replace"))
                for path, mode, sha in found
            ]
        )

    def changed_files(self, changes: Iterable[RawChange]) -> list[FileEntry]:
        """The new state of changed paths, with the size and state of each blob; deletions are left out."""
        return self._entries([(c.kind, c.blob, c.path) for c in changes if c.change is not ChangeKind.DELETED])

    def _entries(self, rows: list[tuple[EntryKind, str, str]]) -> list[FileEntry]:
        sizes = self.sizes(blob for kind, blob, _ in rows if kind is not EntryKind.GITLINK)
        return [_file_entry(kind, blob, path, sizes.get(blob)) for kind, blob, path in rows]

    def sizes(self, blobs: Iterable[str]) -> dict[str, int]:
        """Size of each blob that is present; missing ones are left out."""
        answers = self._batch_check(dict.fromkeys(blob for blob in blobs if blob != NULL))
        return {asked: int(answer[2]) for asked, answer in answers if len(answer) == 3 and answer[2].isdigit()}

    def trees(self, commits: Iterable[str], folder: str) -> dict[str, str]:
        """Tree id of `folder` in each of `commits` that has it. A folder name with a line break has none."""
        parent, _, name = folder.rpartition("/")
        if "\n" in folder or "\ufffd" in folder or not name:
            return {}
        listings = self._listings(parent)
        unread = [commit for commit in commits if commit not in listings]
        answers = self._batch_check({f"{commit}:{parent}": None for commit in unread})
        listings |= dict.fromkeys(unread, b"")
        listings |= {asked.partition(":")[0]: self._tree(answer[0]) for asked, answer in answers if "tree" in answer}
        found = {commit: sub_directory(listings[commit], name, len(commit) // 2) for commit in commits}
        return {commit: tree for commit, tree in found.items() if tree is not None}

    def _listings(self, parent: str) -> dict[str, bytes]:
        """Raw tree object of directory `parent` by commit, as far as it was asked for; a few directories are kept.

        All pull requests share the parents of their folders, so the trees are read once for many folders.
        """
        if parent not in self._parents:
            while len(self._parents) >= _PARENTS_KEPT:
                del self._parents[next(iter(self._parents))]
            self._parents[parent] = {}
        return self._parents[parent]

    def _root(self, commit: str) -> bytes:
        """The raw tree object of a commit. Raises KeyError where there is none."""
        header = self._header(commit + "^{tree}")
        if not header:
            raise KeyError(commit)
        return self._tree(header[0])

    def _tree(self, sha: str) -> bytes:
        """A raw tree object, the same bytes object for the same tree. Raises KeyError for anything else."""
        if sha not in self._tree_bytes:
            if len(self._tree_bytes) >= _TREES_KEPT:
                self._tree_bytes.clear()
            try:
                stream = self._repo.odb.stream(bytes.fromhex(sha))
            except (ValueError, git.BadObject) as error:
                raise KeyError(sha) from error
            data = stream.read()
            if stream.type != b"tree":
                raise KeyError(sha)
            self._tree_bytes[sha] = data
        return self._tree_bytes[sha]

    def read(self, folder: FolderEntry, file: FileEntry, limit: int = READ_LIMIT) -> Content | None:  # noqa: ARG002  the protocol names it
        """Bytes of a blob; None when it is absent or no regular file."""
        if file.blob is None or file.state is not BlobState.PRESENT:
            return None
        return self.read_blob(file.blob, limit)

    def read_blob(self, blob: str, limit: int = READ_LIMIT) -> Content | None:
        """Bytes of a blob by id, None when it is absent."""
        try:
            stream = self._repo.odb.stream(bytes.fromhex(blob))
        except (ValueError, git.BadObject):
            return None
        return read_limited(stream, limit)

    def _header(self, name: str) -> list[str]:
        """Id, type and size of an object; empty where it is absent."""
        try:
            sha, kind, size = self._repo.git.get_object_header(name)
        except ValueError:
            return []
        return [os.fsdecode(sha), os.fsdecode(kind), str(size)]  # bytes, whatever the annotation says

    def _batch_check(self, names: dict[str, None]) -> Iterator[tuple[str, list[str]]]:
        """(name, answer words) for each object name: few from the process that is kept, many from one of their own."""
        if len(names) <= _FEW:
            yield from ((name, self._header(name)) for name in names)
            return
        with tempfile.TemporaryFile() as queries:
            queries.write("\n".join(names).encode() + b"\n")
            queries.seek(0)
            answers = self._repo.git.cat_file("--batch-check", istream=queries, stdout_as_string=False)
        for name, line in zip(names, answers.decode("utf-8", errors="replace").split("\n"), strict=False):
            yield name, [] if line.endswith(("missing", "ambiguous")) else line.split(" ")


def _file_entry(kind: EntryKind, blob: str, path: str, size: int | None) -> FileEntry:
    if kind in {EntryKind.SYMLINK, EntryKind.GITLINK, EntryKind.SPECIAL}:
        return FileEntry(path=path, kind=kind, state=BlobState.NOT_READ, blob=blob)
    state = BlobState.MISSING if size is None else BlobState.PRESENT
    return FileEntry(path=path, kind=kind, state=state, size=size, blob=blob)
