"""Functions and operators of triton.language: each against torch, and many programs at once against each alone."""

import operator

import pytest
import torch

from harness.observe.cpu_run.guest.fidelity import NotSupported
from harness.observe.cpu_run.guest.stand_ins.triton import language as tl
from harness.observe.cpu_run.guest.stand_ins.triton.values import DTYPES, Integer, Split, Value, whole

LANES = 3
BLOCK = torch.randn(LANES, 4, 8, generator=torch.Generator().manual_seed(0))
OTHER = torch.randn(LANES, 4, 8, generator=torch.Generator().manual_seed(1))

UNARY = {
    "exp": (tl.exp, torch.exp),
    "sigmoid": (tl.sigmoid, torch.sigmoid),
    "tanh": (tl.tanh, torch.tanh),
    "abs": (tl.abs_, torch.abs),
    "rsqrt of a sum": (lambda x: tl.rsqrt(1.0 + x * x), lambda x: torch.rsqrt(1 + x * x)),
    "negative": (operator.neg, torch.neg),
    "sum": (tl.sum_, torch.sum),
    "sum along 0": (lambda x: tl.sum_(x, 0), lambda x: x.sum(0)),
    "sum along -1, kept": (lambda x: tl.sum_(x, -1, keep_dims=True), lambda x: x.sum(-1, keepdim=True)),
    "max along 1": (lambda x: tl.max_(x, axis=1), lambda x: x.amax(1)),
    "min, kept": (lambda x: tl.min_(x, keep_dims=True), lambda x: x.amin().reshape(1, 1)),
    "argmax": (lambda x: tl.argmax(x, 1), lambda x: x.argmax(1).int()),
    "argmin": (lambda x: tl.argmin(x, 0), lambda x: x.argmin(0).int()),
    "cumsum": (lambda x: tl.cumsum(x, 1), lambda x: x.cumsum(1)),
    "cumsum backwards": (lambda x: tl.cumsum(x, 0, reverse=True), lambda x: x.flip(0).cumsum(0).flip(0)),
    "softmax": (lambda x: tl.softmax(x, 1), lambda x: x.softmax(1)),
    "reshape": (lambda x: tl.reshape(x, (2, 16)), lambda x: x.reshape(2, 16)),
    "ravel": (tl.ravel, torch.ravel),
    "transposed": (lambda x: x.T, lambda x: x.T),
    "permuted": (lambda x: tl.permute(x, 1, 0), lambda x: x.permute(1, 0)),
    "new dimensions": (lambda x: x[None, :, :] * x[:, None, :], lambda x: x[None] * x[:, None]),
    "expand_dims": (lambda x: tl.expand_dims(x, -1), lambda x: x[..., None]),
    "broadcast_to": (lambda x: tl.broadcast_to(x[None, :, :], (5, 4, 8)), lambda x: x.expand(5, 4, 8)),
    "row on block": (lambda x: x - tl.max_(x, 1)[:, None], lambda x: x - x.amax(1, keepdim=True)),
    "number on block": (lambda x: x * tl.sum_(x), lambda x: x * x.sum()),
    "clamp": (lambda x: tl.clamp(x, -0.5, 0.5), lambda x: x.clamp(-0.5, 0.5)),
    "halves": (lambda x: tl.split(tl.reshape(x, (4, 4, 2)))[1], lambda x: x.reshape(4, 4, 2)[..., 1]),
    "bfloat16": (lambda x: x.to(DTYPES["bfloat16"]) * 2.0, lambda x: x.bfloat16() * 2),
    "quotient of bfloat16": (lambda x: x.to(DTYPES["bfloat16"]) / 3.0, lambda x: x.bfloat16().float() / 3),
    "truncated": (lambda x: (x * 9.0).to(DTYPES["int32"]), lambda x: (x * 9).int()),
    "arange beside": (lambda x: tl.where(tl.arange(0, 8)[None, :] < 5, x, 0.0), lambda x: x * (torch.arange(8) < 5)),
}  # fmt: skip

BINARY = {
    "sum": (operator.add, operator.add),
    "difference with a number": (lambda x, y: 1.0 - x * y, lambda x, y: 1.0 - x * y),
    "quotient": (operator.truediv, operator.truediv),
    "larger": (tl.maximum, torch.maximum),
    "smaller": (tl.minimum, torch.minimum),
    "where": (lambda x, y: tl.where((x > y) & ~(y > 0.5), x, y), lambda x, y: torch.where((x > y) & ~(y > 0.5), x, y)),
    "product of matrices": (lambda x, y: tl.dot(x, y.T), lambda x, y: x @ y.T),
    "added to": (lambda x, y: tl.dot(x, tl.trans(y), acc=tl.zeros((4, 4), DTYPES["float32"])), lambda x, y: x @ y.T),
    "joined": (tl.join, lambda x, y: torch.stack((x, y), -1)),
    "fma": (lambda x, y: tl.fma(x, y, x), lambda x, y: x * y + x),
    "equal": (lambda x, y: x == y, torch.eq),
    "row and column": (
        lambda x, y: tl.sum_(x, 1)[:, None] * tl.sum_(y, 0)[None, :],
        lambda x, y: x.sum(1)[:, None] * y.sum(0),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", UNARY)
def test_of_one_block(name):
    """The function is torch's on one block, and on many programs at once it is itself on each."""
    function, want = UNARY[name]
    together = function(Value(BLOCK, lanes=True))
    for lane in range(LANES):
        alone = function(Value(BLOCK[lane]))
        assert alone.dtype == together.dtype
        torch.testing.assert_close(alone.data, want(BLOCK[lane]))
        torch.testing.assert_close(together.data[lane], alone.data)


@pytest.mark.parametrize("lanes", [(True, True), (True, False), (False, True)])
@pytest.mark.parametrize("name", BINARY)
def test_of_two_blocks(name, lanes):
    """As above for two blocks, of which one may be the same in all programs."""
    function, want = BINARY[name]
    x, y = (data if own else data[:1].expand_as(data) for data, own in zip((BLOCK, OTHER), lanes, strict=True))
    together = function(
        *(Value(data, lanes=True) if own else Value(data[0]) for data, own in zip((x, y), lanes, strict=True))
    )
    assert together.lanes
    for lane in range(LANES):
        torch.testing.assert_close(together.data[lane], want(x[lane], y[lane]))


@pytest.mark.parametrize(
    ("a", "b", "want"),
    [
        ("bfloat16", "float32", "float32"),
        ("bfloat16", "float16", "float32"),
        ("int8", "int32", "int32"),
        ("int32", "int64", "int64"),
        ("int64", "bfloat16", "bfloat16"),
        ("uint32", "int32", "uint32"),
        ("uint32", "int64", "int64"),
        ("uint32", "uint64", "uint64"),
        ("float32", "float64", "float64"),
    ],
)
def test_types_meet_as_in_triton(a, b, want):
    """Types do not depend on ranks: a scalar counts like a block."""
    block, scalar = (Value(torch.ones(2)).to(DTYPES[a]), Value(torch.ones(())).to(DTYPES[b]))
    assert (block + scalar).dtype.name == want
    assert (scalar + block).dtype.name == want


@pytest.mark.parametrize(
    ("dtype", "number", "want"),
    [
        ("bfloat16", 0.5, "bfloat16"),
        ("int32", 2, "int32"),
        ("int32", 0.5, "float32"),
        ("int8", 3, "int8"),
        ("int1", 1, "int32"),
    ],
)
def test_numbers_of_python_are_weak(dtype, number, want):
    """A number takes the type of what it meets, unless it is of a higher kind."""
    assert (Value(torch.ones(2)).to(DTYPES[dtype]) * number).dtype.name == want
    assert (number * Value(torch.ones(2)).to(DTYPES[dtype])).dtype.name == want


@pytest.mark.parametrize("bits", [32, 64])
def test_unsigned_arithmetic(bits):
    """Values above the signed range compare, divide, shift and widen as unsigned ones."""
    dtype = DTYPES[f"uint{bits}"]
    numbers = [2**bits - 5, 2 ** (bits - 1) + 3, 7]
    held = torch.tensor([number - 2**bits if number >= 2 ** (bits - 1) else number for number in numbers])
    x = Value(held.to(dtype.torch), unsigned=True)

    def read(value):
        return [int(one) % 2**bits for one in value.data]

    assert read(x // 1000) == [number // 1000 for number in numbers]
    assert read(x % 1000) == [number % 1000 for number in numbers]
    assert read(x >> 3) == [number >> 3 for number in numbers]
    assert read(x >> 0) == numbers
    assert read(x * 16777619) == [number * 16777619 % 2**bits for number in numbers]
    assert read(x ^ 0xFFFF) == [number ^ 0xFFFF for number in numbers]
    assert (x > 7).data.tolist() == [True, True, False]
    if bits == 32:
        assert x.to(DTYPES["int64"]).data.tolist() == numbers
        assert x.to(DTYPES["float64"]).data.tolist() == [float(number) for number in numbers]
    else:
        with pytest.raises(NotSupported, match="uint64"):
            x.to(DTYPES["float32"])


def test_integers_of_kernels_divide_as_in_c():
    """Arguments and counters are cut off towards zero, and stay what they are."""
    assert (Integer(-7) // 2, Integer(-7) % 2, 7 // Integer(-2), 7 % Integer(-2)) == (-3, -1, -3, 1)
    assert isinstance(Integer(3) * 2 + 1, Integer)
    assert (Integer(3) * 0.5, 2.0 / Integer(4)) == (1.5, 0.5)
    assert Integer(2**40).dtype.name == "int64"
    assert Integer(5).to(DTYPES["float32"]).data.item() == 5.0


def test_lanes_that_disagree_ask_to_be_parted():
    """A condition is one answer where lanes agree, and a question to the launch where they do not."""
    assert bool(Value(torch.tensor([2, 2, 2]), lanes=True) > 1)
    assert whole(Value(torch.tensor([4, 4]), lanes=True)) == 4
    with pytest.raises(Split) as parting:
        bool(Value(torch.tensor([1, 5, 2]), lanes=True) > 1)
    assert parting.value.group.tolist() == [0, 1, 1]


def test_ranges_are_of_integers():
    """Loops over kernel values count in integers that can be converted."""
    assert [int(i) for i in tl.range_(Value(torch.tensor(2)), 9, 3)] == [2, 5, 8]
    assert next(iter(tl.range_(1))).to(DTYPES["int64"]).dtype.name == "int64"
    assert tl.cdiv(Integer(7), 2) == 4
