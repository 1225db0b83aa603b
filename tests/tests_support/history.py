"""Commits with dates of their own, for tests that ask for the state of main on a day."""

from __future__ import annotations

import re
from collections.abc import Mapping

from tests_support.repository import LOG, RepositoryBuilder, folder

TRACK = "records/track_10min_16mb"
HEADER = "| Run | Score | Author | Summary | Date | Info |\n|---|--:|---|---|---|---|\n"


def dated(builder: RepositoryBuilder, commit: str, day: str) -> str:
    """A copy of `commit` that was committed at noon of `day`, by a clock seven hours behind UTC."""
    import datetime as dt

    stamp = int(dt.datetime.fromisoformat(f"{day}T12:00:00-07:00").timestamp())
    text = builder.git("cat-file", "commit", commit) + "\n"
    text = re.sub(r"^(committer .*?>) .*$", rf"\1 {stamp} -0700", text, count=1, flags=re.MULTILINE)
    return builder.git("hash-object", "-t", "commit", "-w", "--stdin", data=text.encode())


def log(bpb: float, seed: int) -> str:
    """The log of one run with this score."""
    text = LOG.replace("1.20520000", f"{bpb:.8f}").replace("val_bpb:1.2052 eval", f"val_bpb:{bpb:.4f} eval")
    return text.replace("seed:42", f"seed:{seed}")


def submission(name: str, *scores: float, claim: float | None = None) -> dict[str, str | bytes]:
    """A folder with a log for each score; the claim is the mean unless it is given."""
    stated = claim if claim is not None else round(sum(scores) / len(scores), 6)
    metadata = (
        f'{{"author": "Ann", "github_id": "ann", "name": "{name}", "date": "2026-03-20", "val_bpb": {stated}, '
        '"bytes_total": 15850000}\n'
    )
    files = folder(f"{TRACK}/{name}", submission_json=metadata, train_seed42_log=None)
    files.pop(f"{TRACK}/{name}/train_seed42.log", None)
    return files | {f"{TRACK}/{name}/train_seed{i}.log": log(bpb, i) for i, bpb in enumerate(scores, 1)}


class Main:
    """The main branch of a builder, grown commit by commit."""

    def __init__(self, builder: RepositoryBuilder) -> None:
        """Begin at the builder's launch commit, moved to 2026-03-18."""
        self.builder = builder
        self.head = dated(builder, builder.main, "2026-03-18")
        self.move()

    def move(self) -> None:
        """Point main, and the parent of new pull requests, at the head."""
        self.builder.main = self.head
        self.builder.branch("main", self.head)

    def commit(self, day: str, files: Mapping[str, str | bytes], message: str, remove: tuple[str, ...] = ()) -> str:
        """One commit straight to main."""
        made = self.builder.commit(files, self.head, message=message, remove=remove)
        self.head = dated(self.builder, made, day)
        self.move()
        return self.head

    def merge(self, day: str, number: int, files: Mapping[str, str | bytes]) -> str:
        """Make pull request `number` and squash it into main on `day`."""
        self.builder.pull_request(number, files, self.head)
        return self.commit(day, files, f"Record: more (#{number})")


def row(run: str, score: str, link: str) -> str:
    """A row of the published table."""
    return f"| {run} | {score} | Ann | words | 2026-03-20 | [info]({link}) |\n"
