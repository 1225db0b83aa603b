"""Positions enter with tokens of the stream, survive numpy and Python numbers, and are counted for each sum."""

from __future__ import annotations

import builtins
import math
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests_support.positions import SIZES, STREAM

from harness.observe.cpu_run.guest import arrays, positioned
from harness.observe.cpu_run.guest.positioned import is_positioned
from harness.observe.cpu_run.guest.positions import Numbers, Tracker, tracker
from harness.observe.cpu_run.guest.recorder import Recorder
from harness.observe.cpu_run.guest.rewriting import Rewriter
from harness.observe.cpu_run.guest.sources import SOURCES
from harness.observe.cpu_run.inputs.shards import pack_shard
from harness.observe.cpu_run.rows import unpacked


@pytest.mark.parametrize("kind", [np.uint16, np.int32, np.int64])
def test_entries(tracked: Tracker, kind: type) -> None:
    """However tokens become a tensor they are known, training tokens are not, and nothing is before the first."""
    assert (tracked.stream, tracked.size) == (None, 0)
    values: np.ndarray[Any, Any] = STREAM[20:60].astype(kind)
    for made in (
        torch.from_numpy(values), torch.tensor(values.tolist()), torch.as_tensor(values), torch.asarray(values),
        torch.tensor(values), torch.frombuffer(bytearray(values.tobytes()), dtype=torch.from_numpy(values).dtype),
    ):  # fmt: skip
        assert is_positioned(made)
        assert positioned.rows(made)["at"].tolist() == list(range(20, 60))
    assert positioned.rows(torch.from_numpy(SIZES[5:50].copy()))["at"].tolist() == list(range(5, 50))
    assert type(torch.from_numpy(values + 1)) is torch.Tensor
    assert type(torch.tensor([1.0, 2.0])) is torch.Tensor
    assert (tracked.stream, tracked.size) == (0, 200)


def test_lists_of_single_numbers(tracked: Tracker) -> None:
    """What was taken out one by one and kept in its order is known again, equal numbers too; other lists are not."""
    tokens = torch.from_numpy(STREAM.astype(np.int64))
    values = torch.arange(500, dtype=torch.float64)[:, None].expand(500, 200).cos()
    losses = values.T.gather(1, tokens[:, None]).squeeze(1).numpy()
    kept = [float(one) for number, one in enumerate(losses) if number % 3]
    at = arrays.positions_of(np.asarray(kept, dtype=np.float64))
    assert at is not None
    wanted = np.array([number for number in range(200) if number % 3])
    surely = at[0] >= 0
    assert at[0][surely].tolist() == wanted[surely].tolist()
    assert 0 < (~surely).sum() < 9, "some numbers are equal, and one of them was left out"
    whole = arrays.positions_of(np.asarray([float(one) for one in losses]))
    assert whole is not None
    assert whole[0].tolist() == list(range(200))
    for other in (kept[::-1], kept[:4], [*kept, 0.125], [1.0] * 20):
        assert arrays.positions_of(np.asarray(other)) is None
    assert np.array(object=[1.0, 2.0]).tolist() == [1.0, 2.0]


def test_sums_of_a_part(tracked: Tracker) -> None:
    """A sum that numpy makes of some elements, or of more than the elements, does not speak of all of them."""
    array = torch.from_numpy(STREAM[:40].astype(np.int64)).double().numpy() + 0.25
    some = np.arange(40) < 3
    for part in (
        array.sum(where=some), np.sum(array, where=some), array.mean(where=some), np.mean(array, where=some),
        array.sum(initial=0.5),
    ):  # fmt: skip
        assert tracked.rows(part) is None
    assert tracked.rows(array.sum())["at"].tolist() == list(range(40))  # type: ignore[union-attr]


def test_numbers(tracked: Tracker) -> None:
    """A number is known by its value, times its count too; a list of equal numbers in its order."""
    loss = torch.from_numpy(STREAM[:40].astype(np.int64)).double().clamp(0.5, 0.5)
    for number, one in enumerate(loss[3:6].tolist()):
        assert tracked.rows(one)["at"].tolist() == [3 + number]  # type: ignore[union-attr]
    mean = (loss[10:13] + 0.1).mean().item()
    assert tracked.rows(mean * 3)["at"].tolist() == [10, 11, 12]  # type: ignore[union-attr]
    assert tracked.rows(float((loss[7:9] + 0.01).sum()))["at"].tolist() == [7, 8]  # type: ignore[union-attr]
    assert tracked.rows(mean + 1) is None
    assert tracked.rows("text") is None


def test_whole_numbers_are_forgotten() -> None:
    """Whole numbers are everywhere: only the last that came out are known."""
    numbers = Numbers()
    numbers.note([7], [np.array([1])])
    assert numbers.of(7) is not None
    for other in range(100, 110):
        numbers.note([other], [np.array([2])])
    assert numbers.of(7) is None


class Square(torch.autograd.Function):
    """A kernel of a submission's own."""

    @staticmethod
    def forward(ctx: Any, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """A number for each target."""
        ctx.save_for_backward(logits, targets)
        return logits.gather(1, targets[:, None])[:, 0] ** 2

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> Any:
        """Not needed."""
        return None, None


def test_functions(tracked: Tracker) -> None:
    """The numbers that an autograd function of the submission gives for its targets speak of them."""
    targets = torch.from_numpy(STREAM[8:20].astype(np.int64))
    square: Any = Square
    out = square.apply(torch.randn(12, 500, requires_grad=True), targets)
    assert tracked.rows(out.detach())["at"].tolist() == list(range(8, 20))  # type: ignore[union-attr]


PROGRAM = """
import torch, numpy as np
def evaluate(numbers, passes, step):
    tokens = torch.from_numpy(STREAM.astype(np.int64))
    for _ in range(passes):
        total = 0.0 if numbers else torch.zeros((), dtype=torch.float64)
        size = 0
        for start in range(0, 192, step):
            x, y = tokens[start:start + 16], tokens[start + 1:start + 17]
            loss = torch.nn.functional.cross_entropy(torch.linspace(0, 1, 16 * 500).reshape(16, 500), y)
            if numbers:
                total += loss.item() * y.numel()
                size += int((x % 4 + 1).sum())
            else:
                total = total + loss.double() * 16
                size += (y % 4 + 1).sum()
    return total, size
"""


def sums(recorder: Recorder) -> dict[str, list[tuple[int, int, tuple[tuple[int, int, int], ...]]]]:
    """What was added up for each variable, the last sum first."""
    report = recorder.report()
    names = [row[3] for row in report["sums"]]
    found: dict[str, list[Any]] = {}
    for number, _, elsewhere, untold, _, runs in report["covered"]:
        found.setdefault(names[number], []).append((elsewhere, untold, tuple(runs)))
    return found


@pytest.mark.parametrize("numbers", [True, False])
def test_recorder(tracked: Tracker, numbers: bool) -> None:
    """Every sum has its own counts, in tensors and in Python numbers; a new pass begins anew."""
    rewriter = Rewriter()
    recorder = Recorder(rewriter, lambda: 0.0, tracked)
    space: dict[str, Any] = {"__builtins__": {**vars(builtins), **recorder.builtins()}, "STREAM": STREAM}
    exec(rewriter.compiled(textwrap.dedent(PROGRAM), "a.py", 0, "a.py"), space)
    space["evaluate"](numbers, 2, 16)
    found = sums(recorder)
    assert found["total"] == [(0, 0, ((1, 192, 1),))] * 2
    assert found["size"][0] == (0, 0, ((0, 191, 1),) if numbers else ((1, 192, 1),))
    space["evaluate"](numbers, 1, 32)
    assert sums(recorder)["total"][0][2] == tuple((at + 1, at + 16, 1) for at in range(0, 192, 32))


BRANCHES = """
import torch, numpy as np
tokens = torch.from_numpy(STREAM.astype(np.int64))

def evaluate(passes):
    for _ in range(passes):
        total = torch.zeros((), dtype=torch.float64)
        for number, start in enumerate(range(0, 192, 16)):
            loss = tokens[start + 1:start + 17].double() + 0.5
            if number % 3 == 1:
                total += (loss.numpy() * 2.0).sum()
            elif number % 3 == 2:
                total += loss.sum()
            else:
                total += loss[:8].sum()
                total += loss[8:].sum()
    return total
"""


def test_branches_that_add_to_one_variable(tracked: Tracker) -> None:
    """Whichever branch adds, it is one sum with all that was added, and a new one where the variable begins anew."""
    rewriter = Rewriter()
    recorder = Recorder(rewriter, lambda: 0.0, tracked)
    space: dict[str, Any] = {"__builtins__": {**vars(builtins), **recorder.builtins()}, "STREAM": STREAM}
    exec(rewriter.compiled(textwrap.dedent(BRANCHES), "a.py", 0, "a.py"), space)
    final = float(space["evaluate"](2))
    report = recorder.report()
    assert [(row[3], row[5], row[6][-1]) for row in report["sums"]] == [("total", 32, final)]
    assert sums(recorder)["total"] == [(0, 0, ((1, 192, 1),))] * 2


LOGARITHMS = """
import torch, numpy as np
tokens = torch.from_numpy(STREAM.astype(np.int64))
scores = torch.linspace(0, 1, 16 * 500, dtype=torch.float64).reshape(16, 500).softmax(-1).numpy()
taken = falling = one = along = negative = 0.0
left = 1000
for start in range(0, 192, 16):
    y = tokens[start + 1:start + 17].numpy()
    p = scores[np.arange(16), y]
    taken -= np.log(p).sum()
    falling += np.log(p).sum()
    for i in range(16):
        one -= float(np.log(p[i]))
    along -= np.log(np.take_along_axis(scores, y[:, None], 1)).sum()
    negative = negative + -float(np.log(p).sum())
    left -= len(y)
"""


def test_logarithms(tracked: Tracker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Logarithms of probabilities that are subtracted, or whose sum falls, are losses; a countdown is no sum."""
    monkeypatch.setattr(SOURCES, "active", True)
    rewriter = Rewriter()
    recorder = Recorder(rewriter, lambda: 0.0, tracked)
    space: dict[str, Any] = {"__builtins__": {**vars(builtins), **recorder.builtins()}, "STREAM": STREAM}
    exec(rewriter.compiled(LOGARITHMS, "a.py", 0, "a.py"), space)
    report = recorder.report()
    names = [row[3] for row in report["sums"]]
    rows = {names[number]: unpacked(text) for number, _, text in report["rows"]}
    assert set(names) == set(rows) == {"taken", "falling", "one", "along", "negative"}
    for name, found in rows.items():
        assert found is not None
        assert found["at"].tolist() == list(range(1, 193)), name
        assert found["value"].sum() == pytest.approx(abs(space[name]))
        assert found["source"].all(), name
    assert all(row[6][-1] == pytest.approx(space["taken"]) for row in report["sums"])


def added(tracked: Tracker, text: str) -> dict[str, Any]:
    """The elements of the sums of a program, by the variable."""
    rewriter = Rewriter()
    recorder = Recorder(rewriter, lambda: 0.0, tracked)
    space: dict[str, Any] = {"__builtins__": {**vars(builtins), **recorder.builtins()}, "STREAM": STREAM}
    exec(rewriter.compiled(text, "a.py", 0, "a.py"), space)
    report = recorder.report()
    return {report["sums"][number][3]: unpacked(told) for number, _, told in report["rows"]}


def test_numbers_that_are_added_one_by_one(tracked: Tracker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Plain numbers are elements at no known place; those of numpy are sums."""
    monkeypatch.setattr(SOURCES, "active", True)
    rows = added(
        tracked,
        """
import math, numpy as np, torch
torch.from_numpy(STREAM.astype(np.int64))
total, falling, whole = 0.0, 0.0, 0.0
for chance in (0.5, 0.25):
    total += -math.log(chance)
    falling -= 1.0 - math.log(chance)
    whole += np.float64(3)
""",
    )
    assert set(rows) == {"total", "falling"}
    assert rows["total"]["at"].tolist() == [-1, -1]
    assert rows["total"]["value"] == pytest.approx([math.log(2), math.log(4)])
    assert rows["falling"]["value"] == pytest.approx([1 + math.log(2), 1 + math.log(4)])


def test_elements_that_are_not_what_was_added(tracked: Tracker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Elements of a sum count where it is what was added, and with its sign."""
    monkeypatch.setattr(SOURCES, "active", True)
    rows = added(
        tracked,
        """
import numpy as np, torch
torch.from_numpy(STREAM.astype(np.int64))
p, mean, minus = np.full(5, 0.25), 0.0, 0.0
for _ in range(2):
    mean += 1.5 * np.sum(p)
    minus += -np.log(p).sum()
""",
    )
    assert set(rows) == {"minus"}
    assert rows["minus"] is not None
    assert rows["minus"]["value"] == pytest.approx(-np.log(0.25))


LOOKING = """
import math, numpy as np, torch

def evaluate(first, last, ahead):
    tokens = torch.from_numpy(STREAM.astype(np.int64))
    targets, losses = tokens[1:].numpy(), (tokens[1:].double() + 0.3).numpy()
    total, size = 0.0, 0
    for i in range(first, last):
        token, before = int(targets[i]), int(tokens[i])
        other = int(tokens[i + 9]) if ahead and i % 7 == 0 else 0
        total += math.log(1.5 + math.exp(-float(losses[i])))
        size += token % 4 + 0 * sum((token, before))
    return total, size
"""


def test_loops_that_look(tracked: Tracker) -> None:
    """What a loop computes of single numbers speaks of the latest token that it looked at since it came round."""
    rewriter = Rewriter()
    recorder = Recorder(rewriter, lambda: 0.0, tracked)
    space: dict[str, Any] = {"__builtins__": {**vars(builtins), **recorder.builtins()}, "STREAM": STREAM}
    exec(rewriter.compiled(textwrap.dedent(LOOKING), "a.py", 0, "a.py"), space)

    def covered() -> dict[str, Any]:
        rows = recorder.report()
        return {rows["sums"][row[0]][3]: tuple(row[2:]) for row in reversed(rows["covered"])}

    space["evaluate"](0, 40, ahead=False)
    assert covered() == {"total": (0, 0, 40, [(1, 40, 1)]), "size": (0, 0, 40, [(1, 40, 1)])}
    space["evaluate"](3, 40, ahead=True)
    assert covered()["total"][3] != [(4, 40, 1)], "a look ahead is told as it was, for others to see that it is none"


def test_sum(tracked: Tracker) -> None:
    """The builtin `sum` gives what it gives, takes what it takes, and what it gave speaks of what it summed up."""
    recorder = Recorder(Rewriter(), lambda: 0.0, tracked)
    total = recorder.builtins()["sum"]
    loss = torch.from_numpy(STREAM[:40].astype(np.int64)).double() + 0.3
    found = total(one.item() for one in loss[4:9])
    assert found == sum(one.item() for one in loss[4:9])
    assert tracked.rows(found)["at"].tolist() == [4, 5, 6, 7, 8]  # type: ignore[union-attr]
    assert tracked.rows(total([loss[1], loss[2]]))["at"].tolist() == [1, 2]  # type: ignore[union-attr]
    assert tracked.rows(total([0.123, loss[3].item()])) is None
    assert total([[1], [2]], []) == [1, 2]
    assert total([loss[1], loss[2]], torch.zeros(2)).shape == (2,)
    with pytest.raises(TypeError):
        total(["a"])


def test_without_streams(tmp_path: Path) -> None:
    """Where no stream is given nothing is followed; one that is given is read with its bytes."""
    assert tracker([]) is None
    (tmp_path / "val.bin").write_bytes(pack_shard(STREAM))
    (tmp_path / "val_bytes.bin").write_bytes(pack_shard(SIZES))
    assert tracker([str(tmp_path)]) is not None
