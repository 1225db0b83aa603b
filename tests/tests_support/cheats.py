"""The corpus of cheats: pairs of our own submissions, each a violation beside its legal twin, and their reviews."""

from __future__ import annotations

import base64
import datetime as dt
import json
import lzma
import re
from dataclasses import dataclass
from pathlib import Path

from harness.model.findings import Strength
from harness.model.review import Depth, Verdict
from harness.observe.target import Request
from harness.review import Reviewed, review_target
from harness.store.store import Store

ROOT = Path(__file__).parents[1] / "cheats"
AS_OF = dt.date(2026, 5, 3)
"""After the last ruling."""
FOLDER = "records/track_10min_16mb/2026-05-01_Entry"
_MODEL_BYTES = 15_000_000
_SCORES = {42: (1.7726, 1.0498), 314: (1.7729, 1.05), 999: (1.7733, 1.0502)}
"""Of each seed: a record at that date, so that nothing is to be said of it."""
_VAL_TOKENS = 62_021_846
_LOG = """\
val_loader:shards pattern=./data/datasets/fineweb10B_sp1024/fineweb_val_*.bin tokens:{tokens}
world_size:8 grad_accum_steps:1
seed:{seed}
step:13000/13000 val_loss:{val_loss:.4f} val_bpb:{val_bpb:.4f} train_time:580000ms step_avg:44.62ms
Serialized model int8+zlib: {model} bytes
Code size: {code} bytes
Total submission size int8+zlib: {total} bytes
{label} val_loss:{val_loss:.4f} val_bpb:{val_bpb:.4f} eval_time:1500ms
{label}_exact val_loss:{val_loss:.8f} val_bpb:{val_bpb:.8f}
"""


_LABEL = re.compile(r"\b(final_\w+?)(?:_exact)? val_loss")
"""What a script calls its result."""


@dataclass(frozen=True)
class Kind:
    """One kind of violation, and what must be said of it."""

    name: str
    violation_class: str
    what: str
    made: str
    depth: Depth
    """The depth at which the cheat must be caught."""
    strength: Strength
    verdict: Verdict
    scored: int = _VAL_TOKENS
    """Validation tokens that the cheat's logs say are scored."""
    asked: frozenset[str] = frozenset()
    """Rules that, by reading alone, suspect the legal twin: experiments have to answer them."""
    missed: str | None = None
    """Why the cheat is not caught yet."""
    open: str | None = None
    """Why the legal twin is not clean yet."""
    hides: bool = False
    """It cheats only where it does not think itself watched, so that a proof may not see it."""

    def files(self, twin: str) -> dict[str, bytes]:
        """The complete submission of `cheat` or `legal`: what every submission must have is put beside its script."""
        folder = ROOT / self.name / twin
        own = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        return complete(own, self.scored if twin == "cheat" else _VAL_TOKENS)


def complete(own: dict[str, bytes], scored: int = _VAL_TOKENS, label: str | None = None) -> dict[str, bytes]:
    """These files, with what every submission must have beside its script where they lack it. `label`: of the result in
    its logs, by default what a script writes out.
    """
    code = sum(len(data) for name, data in own.items() if name.endswith(".py"))
    total = _MODEL_BYTES + code
    said = {
        "author": "A", "github_id": "a", "name": "Entry", "date": "2026-05-01", "val_bpb": 1.05, "bytes_total": total,
    }  # fmt: skip
    programs = [_unpacked(data.decode()) for name, data in own.items() if name.endswith(".py")]
    written = next((found[1] for text in programs if (found := _LABEL.search(text))), "final_int8_zlib_roundtrip")
    sizes = {"model": _MODEL_BYTES, "code": code, "total": total, "tokens": scored, "label": label or written}
    logs = {
        f"train_seed{seed}.log": _LOG.format(seed=seed, val_loss=loss, val_bpb=bpb, **sizes)
        for seed, (loss, bpb) in _SCORES.items()
    }
    usual = {"README.md": "# Entry\n", "submission.json": json.dumps(said), **logs}
    return {name: text.encode() for name, text in usual.items()} | own


def kinds() -> list[Kind]:
    """All kinds of the corpus, by name."""
    return [_read(path) for path in sorted(ROOT.glob("*/kind.json"))]


def _read(path: Path) -> Kind:
    said = json.loads(path.read_text(encoding="utf-8"))
    return Kind(
        name=path.parent.name,
        violation_class=said["violation_class"],
        what=said["what"],
        made=said["made"],
        depth=Depth(said["depth"]),
        strength=Strength(said["strength"]),
        verdict=Verdict(said["verdict"]),
        scored=said.get("scored", _VAL_TOKENS),
        asked=frozenset(said.get("asked", ())),
        missed=said.get("missed"),
        open=said.get("open"),
        hides=said.get("hides", False),
    )


def script(kind: Kind, twin: str) -> str:
    """The program of a twin, taken out of its wrapper where it has one."""
    return _unpacked((ROOT / kind.name / twin / "train_gpt.py").read_text(encoding="utf-8"))


def _unpacked(text: str) -> str:
    packed = re.search(r'b85decode\("([^"]+)"\)', text)
    return lzma.decompress(base64.b85decode(packed[1])).decode() if packed is not None else text


def reviewed(files: dict[str, bytes], depth: Depth, place: Path, store: Path) -> Reviewed:
    """The review of a submission that is written below `place`; what it needs is kept in `store`."""
    folder = place / FOLDER
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return review_target(Request(str(folder)), Store(store), AS_OF, depth=depth)
