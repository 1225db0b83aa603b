"""Rules about what the score divides by and covers, each with its legal twin."""

from __future__ import annotations

import math

import pytest
from tests_support.cases import COMPLETE, findings_of
from tests_support.repository import LOG, METADATA

from harness.model.findings import Finding, Outcome, Severity, Strength

FAIL, WARN, PASS = Outcome.FAIL, Outcome.WARN, Outcome.PASS
NON_RECORD = "records/track_non_record_16mb/2026-03-20_Mine"


def log(tokens: int | None, ratio: float, extra: str = "", final: float | None = None) -> dict[str, str]:
    """The complete submission with a log whose curve (and result) divide by `ratio` bytes per token."""

    def pair(loss: float, by: float) -> str:
        return f"val_loss:{loss:.8f} val_bpb:{loss / math.log(2) / by:.8f}"

    lines = [
        "world_size:8 grad_accum_steps:1",
        *([f"val_loader:shards val_tokens:{tokens}"] if tokens else []),
        "seed:42",
        f"step:1000/20000 {pair(2.1, ratio)} train_time:45000ms",
        "stopping_early: wallclock_cap train_time:599900ms step:13000/20000",
        extra,
        f"final_int8_zlib_roundtrip_exact {pair(2.03, final or ratio)}",
    ]
    claim = METADATA.replace("1.2052", f"{2.03 / math.log(2) / (final or ratio):.4f}")
    return {**COMPLETE, "train_seed42.log": "\n".join(lines) + "\n", "submission.json": claim}


def one(found: list[Finding]) -> Finding:
    """The one finding that there must be."""
    (finding,) = found
    return finding


@pytest.mark.parametrize(
    ("tokens", "ratio", "outcome"),
    [
        (62_021_632, 2.4359, PASS),
        (40_540_160, 3.7266, PASS),
        (63_779_840, 2.4424, PASS),
        (52_373_504, 2.8846, PASS),  # a tokenizer of one's own that counts rightly
        (40_540_160, 4.3864, FAIL),  # the leading space twice
        (62_021_632, 3.2502, FAIL),
        (62_363_648, 2.9314, FAIL),  # byte pieces of three bytes in a vocabulary of one's own
        (62_021_632, 2.40, PASS),  # fewer bytes than there are: to the author's own disadvantage
        (None, 2.4359, PASS),
        (None, 2.9, WARN),
    ],
)
def test_bytes_counted(tokens: int | None, ratio: float, outcome: Outcome) -> None:
    """PG301: counts that are too high accuse, a ratio of no known tokenizer without its tokens asks."""
    finding = one(findings_of(log(tokens, ratio), "PG301"))
    assert finding.outcome is outcome
    if outcome is WARN:
        assert (finding.severity, finding.violation_class) == (Severity.DECISION, "tokenizer_change")


def test_result_of_another_count() -> None:
    """PG301 asks where the result divides by more bytes than the network's own evaluation, and not the other way."""
    more, fewer = (findings_of(log(62_021_632, 2.4359, final=final), "PG301") for final in (2.6, 2.3))
    assert [f.outcome for f in more] == [PASS, WARN]
    assert more[1].strength is Strength.SUSPECTED
    assert [f.outcome for f in fewer] == [PASS]


@pytest.mark.parametrize(
    ("tokens", "ratio", "outcome"),
    [
        (62_021_632, 2.4359, PASS),
        (9_662_464, 3.0998, FAIL),
        (262_144, 2.4362, FAIL),
        (74_582_016, 1.9705, WARN),  # 97 % of the bytes: perhaps a count that is too low
        (49_999_872, 3.9589, PASS),
    ],
)
def test_whole_set(tokens: int, ratio: float, outcome: Outcome) -> None:
    """PG302: a part of the bytes accuses on the record track."""
    finding = one(findings_of(log(tokens, ratio), "PG302"))
    assert finding.outcome is outcome
    assert finding.violation_class == (None if outcome is PASS else "subset_scoring")


def test_part_where_nothing_competes() -> None:
    """PG302: on a track without records a part of the set is the author's to mend, and no violation."""
    finding = one(findings_of(log(262_144, 2.4362), "PG302", NON_RECORD))
    assert (finding.outcome, finding.severity, finding.violation_class) == (FAIL, Severity.DEFECT, None)


def test_trial() -> None:
    """PG302 asks where no run shows the claimed score: a dry run beside a pending claim is no score."""
    finding = one(findings_of({**log(262_144, 2.4362), "submission.json": METADATA.replace("1.2052", "1.1")}, "PG302"))
    assert (finding.outcome, finding.strength) == (WARN, Strength.SUSPECTED)


def test_documents() -> None:
    """PG302 takes the run's own number of documents; one document is the whole stream."""
    few = log(None, 2.4359, extra="ttt_phased: total_docs:10000 prefix_docs:2000")
    whole = log(None, 2.4359, extra="ttt_phased: total_docs:50000 prefix_docs:2000")
    assert one(findings_of(few, "PG302")).outcome is FAIL
    assert findings_of(whole, "PG302") == []


@pytest.mark.parametrize(
    ("line", "outcome", "kind"),
    [
        ("mix tokens=62021632 bytes=151080363 mix_bpb=1.2023", PASS, None),
        ("mix tokens=62021632 bytes=164594398 mix_bpb=1.2023", FAIL, "bpb_byte_count_bug"),
        ("mix tokens=62021632 bytes=164594398 mix_bpb=0.9000", WARN, "bpb_byte_count_bug"),
        ("mix tokens=62021632 bytes=152591166 mix_bpb=1.2023", WARN, "bpb_byte_count_bug"),
        ("mix bytes=27048621 mix_bpb=1.2023", FAIL, "subset_scoring"),
        ("mix mix_bpb=1.2023 N_bytes=62021632", FAIL, "bpb_byte_count_bug"),
    ],
)
def test_counters(line: str, outcome: Outcome, kind: str | None) -> None:
    """PG303 accuses a counter that is far off and made the result; one that did not, or is near, asks."""
    finding = one(findings_of(log(62_021_632, 2.4359, extra=line), "PG303"))
    assert (finding.outcome, finding.violation_class) == (outcome, kind)


CONSTANT = "import math\nSIZE = {value}\ndef score(loss):\n    return loss / math.log(2) / SIZE\nprint(score(2.0))\n"


def test_constant() -> None:
    """PG304: a constant that made the score accuses, one that is a known ratio or unused only asks."""
    made = {**log(None, 2.7523), "train_gpt.py": CONSTANT.format(value=2.7523)}
    known = {**log(None, 2.4359), "train_gpt.py": CONSTANT.format(value=2.4359)}
    unused = {**log(None, 2.4359), "train_gpt.py": CONSTANT.format(value=2.7523)}
    finding = one(findings_of(made, "PG304"))
    assert (finding.outcome, finding.strength) == (FAIL, Strength.DERIVED)
    assert "2.7523" in finding.message
    assert one(findings_of(known, "PG304")).outcome is WARN
    assert findings_of(unused, "PG304") == []


TABLE = """\
def build(sp, n):
    table = [0] * n
    for i in range(n):
        piece = sp.id_to_piece(i)
        if piece.startswith("\u2581"):
            table[i] = len(piece[1:].encode("utf-8")) + 1
    return table

def score(table, space, edge, a, b):
    total = table[a]
    total += (space[a] & ~edge[b])
    return total

print(score(build(None, 0), [], [], 0, 0))
"""


def test_space_twice() -> None:
    """PG305 accuses where the log shows the surplus, asks where it shows nothing, and is silent where it is honest."""
    for files, outcome in (
        (log(40_540_160, 4.3864), FAIL),
        ({**COMPLETE, "train_seed42.log": "seed:42\n"}, WARN),
        (log(40_540_160, 3.7266), None),
    ):
        found = findings_of({**files, "train_gpt.py": TABLE}, "PG305")
        assert [f.outcome for f in found] == ([outcome] if outcome else [])


def test_header() -> None:
    """PG306 asks about shards that are read from their first byte."""
    script = "import numpy as np\nprint(np.fromfile('a.bin', dtype=np.uint16))\n"
    assert one(findings_of({**COMPLETE, "train_gpt.py": script}, "PG306")).outcome is WARN


RANDOM = """\
import torch

def draw(data):
    i = torch.randint(len(data), (1,))
    return data[i : i + 8]

def run(model, data):
    with torch.no_grad():
        return sum(model(draw(data)).item() for _ in range(2)) + loop(model, data)

def loop(model, data):
    total = 0
    with torch.no_grad():
        for _ in range(20):
            total += model(draw(data)).item()
    return total
"""


def test_random_batches() -> None:
    """PG307 asks about sums over drawn batches, unless the log shows that the whole set was scored."""
    assert one(findings_of({**COMPLETE, "train_gpt.py": RANDOM}, "PG307")).violation_class == "subset_scoring"
    assert findings_of({**log(62_021_632, 2.4359), "train_gpt.py": RANDOM}, "PG307") == []


def test_counted_once() -> None:
    """PG309 asks about overlapping pieces that are counted whole."""
    script = (
        "def score(model, tokens, size):\n    total = 0\n    for i in range(0, len(tokens), size // 2):\n"
        "        piece = tokens[i : i + size]\n        total += model(piece).item() * len(piece)\n    return total\n"
    )
    assert one(findings_of({**COMPLETE, "train_gpt.py": script}, "PG309")).outcome is WARN
    assert findings_of({**COMPLETE, "train_gpt.py": script.replace("size // 2", "size")}, "PG309") == []


def test_claim_of_one_count() -> None:
    """PG308 asks about a claimed pair of no known ratio where no log shows one."""
    quiet = LOG.replace("val_loss", "loss_of_val")
    odd = METADATA.replace('"val_bpb": 1.2052', '"val_bpb": 0.9393, "val_loss": 1.9378')
    even = METADATA.replace('"val_bpb": 1.2052', '"val_bpb": 1.2052, "val_loss": 2.0350')
    assert one(findings_of({**COMPLETE, "train_seed42.log": quiet, "submission.json": odd}, "PG308")).outcome is WARN
    assert findings_of({**COMPLETE, "train_seed42.log": quiet, "submission.json": even}, "PG308") == []
    assert findings_of({**COMPLETE, "submission.json": odd}, "PG308") == []
    seeds = METADATA.replace(
        '"val_bpb": 1.2052', '"val_bpb": 0.9393, "seeds": {"42": {"val_bpb": 0.94, "val_loss": 1.94}}'
    )
    assert one(findings_of({**COMPLETE, "train_seed42.log": quiet, "submission.json": seeds}, "PG308")).outcome is WARN
