"""What main held on a day."""

from __future__ import annotations

import datetime as dt

import pytest
from tests_support.history import TRACK, Main, submission
from tests_support.repository import RepositoryBuilder

from harness.leaderboard.history import read_history
from harness.observe.intake.repository import Repository, RepositoryError


@pytest.fixture
def main(builder: RepositoryBuilder) -> Main:
    """A main branch with a launch record, two squashed pull requests and a revert."""
    made = Main(builder)
    made.merge("2026-03-19", 3, submission("2026-03-19_One", 1.1))
    made.merge("2026-03-21", 9, submission("2026-03-21_Two", 1.0))
    gone = tuple(submission("2026-03-21_Two", 1.0))
    made.commit("2026-03-25", {"README.md": "# late\n"}, "Revert bad merges (#12)", remove=gone)
    return made


def state(main: Main, day: str | None) -> dict[str, tuple[int | None, str, bool]]:
    """Folder name to (pull request, day it was accepted, whether it was removed)."""
    as_of = dt.date.fromisoformat(day) if day else None
    history = read_history(Repository(main.builder.path), "refs/heads/main", as_of)
    return {
        held.folder.rpartition("/")[2]: (held.pr, held.accepted.isoformat(), held.removed_by is not None)
        for held in history.held
    }


def test_states(main: Main) -> None:
    """Each day shows what had come, and nothing of what came later; the launch has no pull request."""
    launch = {"2026-03-17_Baseline": (None, "2026-03-18", False)}
    one = {"2026-03-19_One": (3, "2026-03-19", False)}
    assert state(main, "2026-03-18") == launch
    assert state(main, "2026-03-20") == launch | one
    assert state(main, "2026-03-24") == launch | one | {"2026-03-21_Two": (9, "2026-03-21", False)}
    assert state(main, None) == launch | one | {"2026-03-21_Two": (9, "2026-03-21", True)}


def test_removed_folder_is_read_as_it_stood(main: Main) -> None:
    """A folder that was taken off is read at the commit before, and names the commit that took it."""
    repository = Repository(main.builder.path)
    held = next(h for h in read_history(repository, "refs/heads/main").held if h.removed_by is not None)
    assert held.removed_by == main.head
    assert [file.path for file in repository.list_files(held.commit, f"{TRACK}/2026-03-21_Two")]


def test_readme_of_the_day(main: Main) -> None:
    """The README is that of the state asked for."""
    repository = Repository(main.builder.path)
    assert read_history(repository, "refs/heads/main", dt.date(2026, 3, 20)).readme == "# golf\n"
    assert read_history(repository, "refs/heads/main").readme == "# late\n"


def test_merge_commit_and_odd_subject(builder: RepositoryBuilder) -> None:
    """A merge commit is found by its second parent; a subject that begins with "commit" hides no pull request."""
    main = Main(builder)
    files = submission("2026-03-19_Merged", 1.1)
    head = builder.pull_request(5, files, main.head)
    main.head = builder.commit(files, main.head, head, message="whatever it says")
    main.move()
    main.commit("2026-03-22", submission("2026-03-22_Odd", 1.0), "commit ttt record (#77)")
    pulls = {name: found[0] for name, found in state(main, None).items()}
    assert pulls == {"2026-03-17_Baseline": None, "2026-03-19_Merged": 5, "2026-03-22_Odd": 77}


def test_no_state_that_early(main: Main) -> None:
    """A day before the first commit is an error that says so."""
    with pytest.raises(RepositoryError, match="2026-01-01"):
        state(main, "2026-01-01")
