"""Raw trees are listed and compared as git itself lists and compares them."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.observe.intake.trees import changes_between, files_below, sub_directory

BEFORE = {"a": "1", "b/c": "2", "b/d/e": "3", "b.txt": "4", "kind": "5", "same/x": "6", "z-dir/y": "7"}
AFTER = {"a": "changed", "b/c": "2", "b/new": "8", "b.txt": "4", "kind/now": "9", "same/x": "6", "zz": "10"}


class Trees:
    """Two trees of a repository, and git to ask about them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.git("init", "--quiet")
        self.before, self.after = self._tree(BEFORE, executable="a"), self._tree(AFTER, link="zz")

    def git(self, *words: str, given: str | None = None) -> bytes:
        """What a git command prints."""
        command = ["git", *words]
        text = None if given is None else given.encode()
        return subprocess.run(command, cwd=self.path, input=text, check=True, capture_output=True).stdout

    def load(self, sha: str) -> bytes:
        """A raw tree object."""
        return self.git("cat-file", "tree", sha)

    def _tree(self, files: dict[str, str], executable: str = "", link: str = "") -> str:
        self.git("read-tree", "--empty")
        for path, text in files.items():
            mode = "100755" if path == executable else "120000" if path == link else "100644"
            blob = self.git("hash-object", "-w", "--stdin", given=text).decode().strip()
            self.git("update-index", "--add", "--cacheinfo", f"{mode},{blob},{path}")
        return self.git("write-tree").decode().strip()


@pytest.fixture
def trees(tmp_path: Path) -> Trees:
    """Two trees that differ in every way: by content, mode, kind, and by files that came and went."""
    return Trees(tmp_path)


def test_files(trees: Trees) -> None:
    """All files come in git's order, with mode and id."""
    listed = trees.git("ls-tree", "-r", trees.before).decode().splitlines()
    found = files_below(trees.load(trees.before), trees.load, 20)
    assert [f"{mode} blob {sha}\t{path.decode()}" for path, mode, sha in found] == listed


@pytest.mark.parametrize("turn", [lambda old, new: (old, new), lambda old, new: (new, old), lambda old, _: (old, old)])
def test_changes(trees: Trees, turn: Callable[[str, str], tuple[str, str]]) -> None:
    """Two trees differ in the paths, modes and ids that git tells, in its order; a tree does not differ from itself."""
    old, new = turn(trees.before, trees.after)
    raw = trees.git("diff-tree", "-r", "--raw", "--no-renames", "--no-abbrev", old, new).decode().splitlines()
    nothing = ("000000", "0" * 40)
    found = []
    for path, was, now in changes_between(trees.load(old), trees.load(new), trees.load, 20):
        left, right = was[1:] if was else nothing, now[1:] if now else nothing
        found.append(f":{left[0]} {right[0]} {left[1]} {right[1]}\t{path.decode()}")
    assert found == ["\t".join((line.split("\t")[0].rpartition(" ")[0], line.split("\t")[1])) for line in raw]


def test_sub_directory(trees: Trees) -> None:
    """A directory is found by its name; a file, a part of a name and what is not there are no directories."""
    tree = trees.load(trees.before)
    assert sub_directory(tree, "b", 20) == trees.git("rev-parse", f"{trees.before}:b").decode().strip()
    assert [sub_directory(tree, name, 20) for name in ("a", "dir", "z-di", "none")] == [None] * 4
