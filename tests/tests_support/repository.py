"""Builds small git repositories with pull requests, by plumbing: any mode, any name, no work tree."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

LOG = """\
world_size:8 grad_accum_steps:1
seed:42
step:1000/20000 val_loss:2.1000 val_bpb:1.2437 train_time:45000ms step_avg:45.00ms
step:13000/20000 val_loss:2.0300 val_bpb:1.2023 train_time:599900ms step_avg:46.15ms
stopping_early: wallclock_cap train_time:599900ms step:13000/20000
peak memory allocated: 10000 MiB reserved: 11000 MiB
Serialized model int8+zlib: 15800000 bytes
Code size: 50000 bytes
Total submission size int8+zlib: 15850000 bytes
final_int8_zlib_roundtrip val_loss:2.0350 val_bpb:1.2052 eval_time:1500ms
final_int8_zlib_roundtrip_exact val_loss:2.03500000 val_bpb:1.20520000
"""

METADATA = (
    '{"author": "A", "github_id": "a", "name": "N", "date": "2026-03-20", "val_bpb": 1.2052, "bytes_total": 15850000}\n'
)

SCRIPT = "import os\n\nseed = int(os.environ.get('SEED', 1337))\nprint(f'seed:{seed}')\n".ljust(49_999, "#") + "\n"
"""As many bytes as the log says that the code has."""


def folder(name: str, **changes: str | bytes | None) -> dict[str, str | bytes]:
    """Files of a complete submission folder; `changes` replaces files (by stem with _ for .) or drops them (None)."""
    files: dict[str, str | bytes | None] = {
        "README.md": f"# {name}\n",
        "submission.json": METADATA,
        "train_gpt.py": SCRIPT,
        "train_seed42.log": LOG,
    }
    for key, value in changes.items():
        stem, _, suffix = key.rpartition("_")
        files[f"{stem}.{suffix}"] = value
    return {f"{name}/{path}": data for path, data in files.items() if data is not None}


class RepositoryBuilder:
    """A bare repository; commits are made from mappings of paths to contents."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(parents=True)
        self.git("init", "--quiet", "--bare", "--initial-branch=main", ".")
        record = folder("records/track_10min_16mb/2026-03-17_Baseline")
        self.main = self.commit({"README.md": "# golf\n", "train_gpt.py": SCRIPT, **record}, message="launch")
        self.branch("main", self.main)

    def git(self, *arguments: str, data: bytes | None = None) -> str:
        """Run git in the repository and return what it prints."""
        environment = {
            "PATH": os.environ["PATH"],
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_AUTHOR_NAME": "t",
            "GIT_AUTHOR_EMAIL": "t@t",
            "GIT_COMMITTER_NAME": "t",
            "GIT_COMMITTER_EMAIL": "t@t",
            "GIT_AUTHOR_DATE": "2026-03-20T12:00:00+00:00",
            "GIT_COMMITTER_DATE": "2026-03-20T12:00:00+00:00",
            "GIT_INDEX_FILE": str(self.path / "index.tmp"),
        }
        done = subprocess.run(
            ["git", *arguments], cwd=self.path, env=environment, input=data, capture_output=True, check=True
        )
        return done.stdout.decode().strip()

    def commit(
        self,
        files: Mapping[str, str | bytes | tuple[str, str]],
        *parents: str,
        message: str = "change",
        remove: tuple[str, ...] = (),
    ) -> str:
        """Commit `files` over the first parent's tree. A value may be (mode, object id or link text)."""
        (self.path / "index.tmp").unlink(missing_ok=True)
        entries = [f"0 {'0' * 40}\t{path}" for path in remove]
        for path, value in files.items():
            mode, blob = ("100644", value) if not isinstance(value, tuple) else value
            if mode != "160000":
                raw = blob.encode() if isinstance(blob, str) else blob
                blob = self.git("hash-object", "-w", "--stdin", data=raw)
            entries.append(f"{mode} {blob!s}\t{path}")
        if parents:
            self.git("read-tree", parents[0])
        lines = "".join(entry + "\0" for entry in entries)
        self.git("update-index", "-z", "--index-info", data=lines.encode("utf-8", "surrogateescape"))
        tree = self.git("write-tree")
        return self.git("commit-tree", tree, *(x for p in parents for x in ("-p", p)), "-m", message)

    def branch(self, name: str, commit: str) -> None:
        """Point a branch at a commit."""
        self.git("update-ref", f"refs/heads/{name}", commit)

    def pull_request(
        self, number: int, files: Mapping[str, str | bytes | tuple[str, str]], parent: str | None = None
    ) -> str:
        """Make pull request `number` out of one commit over `parent` (default: main)."""
        head = self.commit(files, parent or self.main, message=f"pull request {number}")
        self.git("update-ref", f"refs/pull/{number}/head", head)
        return head

    def drop_blob(self, commit: str, path: str) -> None:
        """Remove a blob from the object store, as in a pruned mirror."""
        blob = self.git("rev-parse", f"{commit}:{path}")
        (self.path / "objects" / blob[:2] / blob[2:]).unlink()
