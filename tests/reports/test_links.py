"""Addresses of numbers."""

from __future__ import annotations

import pytest

from harness.model.findings import Basis
from harness.model.target import Target, TargetKind
from reports.links import Links, basis_link, github_name, repository_path

SHA = "0123456789abcdef0123456789abcdef01234567"
LINKS = Links("owner/name", SHA, frozenset({"f/train.py"}))


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("https://github.com/openai/parameter-golf", "openai/parameter-golf"),
        ("https://github.com/openai/parameter-golf.git", "openai/parameter-golf"),
        ("https://user@github.com/openai/parameter-golf/", "openai/parameter-golf"),
        ("git@github.com:openai/parameter-golf.git", "openai/parameter-golf"),
        ("ssh://git@github.com/openai/parameter-golf", "openai/parameter-golf"),
        ("openai/parameter-golf", "openai/parameter-golf"),
        ("https://github.com.evil.example/openai/x", None),
        ("https://evil.example/github.com/openai/x", None),
        ("https://gitlab.com/openai/x", None),
        ("openai/..", None),
        ("/somewhere/clone", None),
        ("clone", None),
    ],
)
def test_github_name(address: str, name: str | None) -> None:
    """Only github.com itself counts, in all the ways in which it is written."""
    assert github_name(address) == name


def test_lines() -> None:
    """A place is the file at the commit, with its lines; special characters are quoted."""
    root = f"https://github.com/owner/name/blob/{SHA}/"
    assert LINKS.file("f", "a.log", 3) == root + "f/a.log#L3"
    assert LINKS.file("f", "a.log", 3, 5) == root + "f/a.log#L3-L5"
    assert LINKS.file("", "README.md") == root + "README.md"
    assert LINKS.file("f", 'a b#"?(x).log', 1) == root + "f/a%20b%23%22%3F%28x%29.log#L1"


def test_unpacked_text_has_no_lines() -> None:
    """Lines that count in unpacked text are not those of the file."""
    assert LINKS.file("f", "train.py", 400) == f"https://github.com/owner/name/blob/{SHA}/f/train.py"
    assert LINKS.in_unpacked("f", "train.py")


@pytest.mark.parametrize(
    "path", ["../../x", "a/../../x", "/etc/passwd", "a//b", ".", "harness/competition/records.toml"]
)
def test_no_way_out(path: str) -> None:
    """Paths that leave the repository, or that are the harness's own data, have no address."""
    assert LINKS.file("f", path) is None
    assert repository_path("f", path) is None


def test_targets() -> None:
    """A pull request has its page, a ref its commit; a folder and an unknown repository have none."""
    pull = Target(kind=TargetKind.PR, repository="r", pr=5, sha=SHA)
    ref = Target(kind=TargetKind.REF, repository="r", ref="main", sha=SHA)
    assert Links.of(pull, "owner/name").target(pull) == "https://github.com/owner/name/pull/5"
    assert Links.of(ref, "owner/name").target(ref) == f"https://github.com/owner/name/tree/{SHA}"
    assert Links.of(pull, None).target(pull) is None
    odd = Links.of(pull.model_copy(update={"sha": "main"}), "owner/name")
    assert odd.file("f", "a.log") is None


def test_basis() -> None:
    """A ruling's address is a web page or none."""
    assert basis_link(Basis(title="t", url="https://example.org", date="2026-01-01")) == "https://example.org"
    assert basis_link(Basis(title="t", url="javascript:alert(1)", date="2026-01-01")) is None
