"""Facts through the store: a folder is read once, whoever holds it, and everything comes back as it was."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tests_support.repository import RepositoryBuilder, folder

from harness.facts import facts_of, stored_facts
from harness.model.facts import Facts, StageStatus, SubmissionFacts
from harness.model.target import FolderEntry
from harness.observe.intake.content import Content
from harness.observe.intake.pull_request import read_pull_request
from harness.observe.intake.repository import Repository
from harness.observe.observe import facts_key, observe
from harness.observe.reading.worker import Reader, ReaderError
from harness.store.store import Store

HERE = "records/track_10min_16mb/2026-03-20_Here"
THERE = "records/track_non_record_16mb/2026-03-21_There"


class Counting(Reader):
    """A reader that counts what it reads, and fails on demand."""

    def __init__(self) -> None:
        super().__init__()
        self.folders: list[str] = []
        self.broken = False

    def read(self, folder: FolderEntry, contents: Mapping[str, Content]) -> SubmissionFacts:
        """Read, and remember which folder it was."""
        self.folders.append(folder.path)
        if self.broken:
            raise ReaderError("broken")
        return super().read(folder, contents)


def facts(builder: RepositoryBuilder, number: int, reader: Reader, store: Store) -> tuple[Facts, bool]:
    """Facts of a pull request through the store."""
    repository = Repository(builder.path)
    return facts_of(read_pull_request(repository, number), repository, reader, store)


def test_folder_is_read_once(builder: RepositoryBuilder, tmp_path: Path) -> None:
    """The same files in another pull request, elsewhere and beside others, are not read again; the place is theirs."""
    builder.pull_request(1, folder(HERE))
    builder.pull_request(2, {f"{THERE}{path.removeprefix(HERE)}": text for path, text in folder(HERE).items()})
    builder.pull_request(3, folder(HERE) | folder(THERE, readme_md="# other words"))
    store = Store(tmp_path / "store")
    with Counting() as reader:
        first, _ = facts(builder, 1, reader, store)
        second, known = facts(builder, 2, reader, store)
        assert reader.folders == [HERE]
        assert not known
        assert second.submissions[0].folder.path == THERE
        assert second.submissions[0].folder.track == "non_record_16mb"
        moved = second.submissions[0].model_copy(update={"folder": first.submissions[0].folder})
        assert moved == first.submissions[0]
        facts(builder, 3, reader, store)
        assert reader.folders == [HERE, THERE]


def test_comes_back_as_it_was(builder: RepositoryBuilder, tmp_path: Path) -> None:
    """What the store gives is what was read, in order; without one of its folders it gives nothing."""
    builder.pull_request(1, folder(HERE) | folder(THERE, readme_md="# other words"))
    store = Store(tmp_path / "store")
    repository = Repository(builder.path)
    intake = read_pull_request(repository, 1)
    with Reader() as reader:
        made, _ = facts_of(intake, repository, reader, store)
        plain = observe(intake, repository, reader)
    assert [s.folder for s in made.submissions] == [s.folder for s in plain.submissions]
    assert stored_facts(facts_key(intake), store) == made
    assert facts_of(intake, repository, reader, store) == (made, True)
    next((tmp_path / "store" / "folders").rglob("*.z")).unlink()
    assert stored_facts(facts_key(intake), store) is None
    with Reader() as reader:
        assert facts_of(intake, repository, reader, store)[1] is False


def test_failures_of_the_harness_are_not_kept(builder: RepositoryBuilder, tmp_path: Path) -> None:
    """A folder that the harness failed on is read again next time."""
    builder.pull_request(1, folder(HERE))
    store = Store(tmp_path / "store")
    with Counting() as reader:
        reader.broken = True
        failed, _ = facts(builder, 1, reader, store)
        assert failed.submissions[0].stages[0].status is StageStatus.ERROR
        reader.broken = False
        mended, known = facts(builder, 1, reader, store)
        assert not known
        assert reader.folders == [HERE, HERE]
        assert all(stage.status is StageStatus.DONE for stage in mended.submissions[0].stages)
