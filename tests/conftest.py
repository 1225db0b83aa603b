"""Fixtures shared by all tests: a small repository of pull requests, real corpus files where they are there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings
from tests_support.repository import RepositoryBuilder

settings.register_profile("shared", deadline=None)  # how long an example takes is the machine's matter
settings.load_profile("shared")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest come first, those with an allowance of their own: none runs alone at the end while a core rests."""
    items.sort(key=lambda item: item.get_closest_marker("timeout") is None)


@pytest.fixture
def builder(tmp_path: Path) -> RepositoryBuilder:
    """A git repository under construction, with a main branch that holds one record."""
    return RepositoryBuilder(tmp_path / "repository")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test has a store of its own."""
    monkeypatch.setenv("GOLF_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="session")
def corpus() -> Path:
    """Real logs, tokenizers and text of the competition; only machines that keep them set GOLF_CORPUS."""
    root = os.environ.get("GOLF_CORPUS")
    if not root or not Path(root).is_dir():
        pytest.skip("GOLF_CORPUS names no folder of real competition files")
    return Path(root)
