# ruff: noqa: N803  kernels name their constants as Triton's do
"""Triton kernels on the CPU against what they are meant to compute."""

from types import SimpleNamespace

import pytest
import torch
from torch.nn import functional

from harness.observe.cpu_run.guest.fidelity import NotSupported
from harness.observe.cpu_run.guest.stand_ins.triton import language, launch, memory
from harness.observe.cpu_run.guest.stand_ins.triton.modules import cdiv, next_power_of_2

tl = SimpleNamespace(**language.names())
jit, autotune, heuristics, Config = launch.jit, launch.autotune, launch.heuristics, launch.Config
Descriptor = memory.TensorDescriptor.from_tensor


def randn(*shape, dtype=torch.float32, seed=0):
    """Normal numbers, always the same."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).to(dtype)


# linear and squared leaky ReLU through descriptors, persistent over tiles ---------------------------------------------


@jit
def squared_linear(
    a_desc, b_desc, c_desc, post_desc, M, N, K, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr,
    PROGRAMS: tl.constexpr, FORWARD: tl.constexpr,
):  # fmt: skip
    """The product a bᵀ and the square of its leaky ReLU; backward: c times the derivative at `post`."""
    columns = tl.cdiv(N, BN)
    for tile in tl.range(tl.program_id(axis=0), tl.cdiv(M, BM) * columns, PROGRAMS, flatten=True):
        row, column = (tile // columns) * BM, (tile % columns) * BN
        total = tl.zeros((BM, BN), dtype=tl.float32)
        for step in range(tl.cdiv(K, BK)):
            left = a_desc.load([row, step * BK])
            right = b_desc.load([column, step * BK])
            total = tl.dot(left, right.T, total)
        halves = tl.permute(tl.reshape(total, (BM, 2, BN // 2)), (0, 2, 1))
        first, second = tl.split(halves)
        for number, half in ((0, first), (1, second)):
            at = [row, column + number * (BN // 2)]
            c = half.to(tl.bfloat16)
            if not FORWARD:
                pre = post_desc.load(at)
                c = c * tl.where(pre > 0, 2.0 * pre, 0.5 * pre)
            c_desc.store(at, c)
            if FORWARD:
                active = tl.where(c > 0, c, 0.5 * c)
                post_desc.store(at, active * active)


def squared_linear_of(a, b, post=None):
    """Launch `squared_linear` as a script does."""
    (m, k), n = a.shape, b.shape[0]
    c = torch.full((m, n), torch.nan, dtype=a.dtype)
    aux = torch.full_like(c, torch.nan) if post is None else post
    blocks = (32, 64, 16)
    squared_linear[lambda meta: (min(5, cdiv(m, meta["BM"]) * cdiv(n, meta["BN"])),)](
        Descriptor(a, [32, 16]), Descriptor(b, [64, 16]), Descriptor(c, [32, 32]), Descriptor(aux, [32, 32]), m, n, k,
        BM=blocks[0], BN=blocks[1], BK=blocks[2], PROGRAMS=5, FORWARD=post is None, num_stages=4, num_warps=8,
    )  # fmt: skip
    return c, aux


@pytest.mark.parametrize("shape", [(32, 64, 16), (70, 100, 40), (1, 8, 8), (200, 130, 17)])
def test_linear_with_squared_leaky_relu(shape):
    """Forward and backward equal torch's for tiles that fit and tiles that stick out, bit for bit at bfloat16's end."""
    m, n, k = shape
    a, b = randn(m, k, dtype=torch.bfloat16), randn(n, k, dtype=torch.bfloat16, seed=1)
    pre, post = squared_linear_of(a, b)
    want = (a.float() @ b.float().T).bfloat16()
    torch.testing.assert_close(pre, want, atol=0.03, rtol=0.01)
    active = functional.leaky_relu(pre, 0.5)
    assert torch.equal(post, active * active)
    gradient, _ = squared_linear_of(a, b, pre)
    slope = torch.where(pre > 0, 2.0 * pre, 0.5 * pre)
    torch.testing.assert_close(gradient, want * slope, atol=0.3, rtol=0.02)


# cross entropy of softcapped logits -------------------------------------------------------------------------------


@jit
def capped_loss(logits, losses, sums, targets, stride, columns, cap, BLOCK: tl.constexpr):
    """Online log-sum-exp over a row and the loss at its target."""
    row = tl.program_id(0).to(tl.int64)
    here = logits + row * stride
    highest, total = -float("inf"), 0.0
    for off in range(0, columns, BLOCK):
        places = off + tl.arange(0, BLOCK)
        mask = places < columns
        x = tl.load(here + places, mask=mask, other=-float("inf")).to(tl.float32)
        z = tl.where(mask, 2.0 * cap * tl.sigmoid(x * (2.0 / cap)), -float("inf"))
        now = tl.maximum(highest, tl.max(z, axis=0))
        total = total * tl.exp(highest - now) + tl.sum(tl.exp(z - now), axis=0)
        highest = now
    log_sum = highest + tl.log(total)
    tl.store(sums + row, log_sum)
    target = tl.load(targets + row).to(tl.int32)
    x = tl.load(here + target).to(tl.float32)
    tl.store(losses + row, log_sum - 2.0 * cap * tl.sigmoid(x * (2.0 / cap)))


@jit
def capped_loss_backward(gradient, upstream, sums, logits, targets, stride, columns, cap, BLOCK: tl.constexpr):
    """Gradient of the loss at every logit."""
    row = tl.program_id(0).to(tl.int64)
    log_sum = tl.load(sums + row)
    target = tl.load(targets + row).to(tl.int32)
    for off in range(0, columns, BLOCK):
        places = off + tl.arange(0, BLOCK)
        mask = places < columns
        x = tl.load(logits + row * stride + places, mask=mask, other=0.0).to(tl.float32)
        s = tl.sigmoid(x * (2.0 / cap))
        inner = tl.load(upstream + row) * (tl.exp(2.0 * cap * s - log_sum) - tl.where(places == target, 1.0, 0.0))
        tl.store(gradient + row * stride + places, inner * (4.0 * s * (1.0 - s)), mask=mask)


class CappedLoss(torch.autograd.Function):
    """The two kernels as a function of torch, as scripts wrap them."""

    @staticmethod
    def forward(ctx, logits, targets, cap):
        """Losses of rows."""
        rows, columns = logits.shape
        losses, sums = torch.empty(rows), torch.empty(rows)
        capped_loss[(rows,)](logits, losses, sums, targets, logits.stride(0), columns, cap, BLOCK=32, num_warps=4)
        ctx.save_for_backward(logits, sums, targets)
        ctx.cap = cap
        return losses

    @staticmethod
    def backward(ctx, upstream):
        """Gradients of logits."""
        logits, sums, targets = ctx.saved_tensors
        out = torch.empty_like(logits)
        capped_loss_backward[(len(logits),)](
            out, upstream.contiguous(), sums, logits, targets, logits.stride(0), logits.shape[1], ctx.cap, BLOCK=32
        )
        return out, None, None


@pytest.mark.parametrize(("rows", "columns"), [(1, 3), (40, 32), (launch.BATCH + 9, 70)])
def test_softcapped_cross_entropy_and_its_gradient(rows, columns):
    """Losses and gradients equal torch's, over more programs than one batch, with logits that need a gradient."""
    logits = (5 * randn(rows, columns)).requires_grad_()
    targets = torch.arange(rows) % columns
    weight = randn(rows, seed=3)
    (CappedLoss.apply(logits, targets, 15.0) * weight).sum().backward()
    found, logits.grad = logits.grad, None
    losses = functional.cross_entropy(30 * torch.sigmoid(logits / 7.5), targets, reduction="none")
    torch.testing.assert_close(CappedLoss.apply(logits, targets, 15.0), losses)
    (losses * weight).sum().backward()
    torch.testing.assert_close(found, logits.grad)


def test_rows_of_a_larger_tensor_are_found():
    """A view with an offset and strides is read where it lies."""
    whole = randn(9, 50)
    part = whole[2:7, 5:30]
    losses, sums = torch.empty(5), torch.empty(5)
    targets = torch.tensor([0, 3, 24, 7, 1])
    capped_loss[(5,)](part, losses, sums, targets, part.stride(0), 25, 20.0, BLOCK=16)
    want = functional.cross_entropy(40 * torch.sigmoid(part / 10), targets, reduction="none")
    torch.testing.assert_close(losses, want)


# programs that go different ways ----------------------------------------------------------------------------------


@jit
def gram(x, y, M, K, stride, BM: tl.constexpr, BK: tl.constexpr, GROUP: tl.constexpr):
    """The product x xᵀ: blocks above the diagonal are computed, the others mirrored."""
    pid = tl.program_id(axis=0)
    side = tl.cdiv(M, BM)
    first = pid // (GROUP * side) * GROUP
    height = min(side - first, GROUP)
    row, column = first + pid % (GROUP * side) % height, pid % (GROUP * side) // height
    if row > column:
        return
    rows = (row * BM + tl.arange(0, BM)) % M
    columns = (column * BM + tl.arange(0, BM)) % M
    k = tl.arange(0, BK)
    a, b = x + (rows[:, None] * stride + k[None, :]), x + (columns[:, None] * stride + k[None, :])
    total = tl.zeros((BM, BM), dtype=tl.float32)
    for _ in range(tl.cdiv(K, BK)):
        seen = k[None, :] < K
        total = tl.dot(tl.load(a, mask=seen, other=0.0), tl.trans(tl.load(b, mask=seen, other=0.0)), total)
        a += BK
        b += BK
        k += BK
    out = total.to(x.dtype.element_ty)
    rows, columns = row * BM + tl.arange(0, BM), column * BM + tl.arange(0, BM)
    inside = (rows[:, None] < M) & (columns[None, :] < M)
    tl.store(y + M * rows[:, None] + columns[None, :], out, mask=inside)
    if row < column:
        tl.store(y + M * columns[:, None] + rows[None, :], tl.permute(out, (1, 0)), mask=tl.trans(inside))


@pytest.mark.parametrize("side", [8, 33, 64])
def test_symmetric_product_with_early_returns(side):
    """Programs that return early, or branch otherwise than their neighbours, each do their own part."""
    x = randn(side, 21)
    y = torch.full((side, side), torch.nan)
    tuned = autotune(
        [Config({"BM": 16, "BK": 8, "GROUP": 2}, num_warps=4), Config({"BM": 1, "BK": 1, "GROUP": 1})], key=["M"]
    )
    tuned(gram)[lambda meta: (cdiv(side, meta["BM"]) ** 2,)](x, y, side, 21, x.stride(0))
    torch.testing.assert_close(y, x @ x.T)


@jit
def adam(weights, gradients, steps, moments, count, F, lr, beta, BLOCK: tl.constexpr):
    """One step for each row whose gradient is not zero."""
    row = tl.program_id(0)
    if row >= count:
        return
    places = tl.arange(0, BLOCK)
    mask = places < F
    tl.store(steps + row, tl.load(steps + row) + 1)
    g = tl.load(gradients + row * F + places, mask=mask, other=0.0)
    if tl.sum(g * g) == 0.0:
        return
    step = tl.load(steps + row)
    m = beta * tl.load(moments + row * F + places, mask=mask, other=0.0) + (1.0 - beta) * g
    tl.store(moments + row * F + places, m, mask=mask)
    correction = 1.0 - tl.exp(step * tl.log(beta))
    w = tl.load(weights + row * F + places, mask=mask, other=0.0)
    tl.store(weights + row * F + places, w - lr * m / correction, mask=mask)


def test_what_was_written_before_programs_part_is_written_once():
    """A count that is raised before a branch is raised by one, whichever way the program went."""
    w, g, m = randn(6, 3), randn(6, 3, seed=1), torch.zeros(6, 3)
    g[[1, 4]] = 0
    steps, before = torch.zeros(6, dtype=torch.int64), w.clone()
    adam[(8,)](w, g, steps, m, 6, 3, 0.1, 0.9, BLOCK=4)
    assert steps.tolist() == [1] * 6
    torch.testing.assert_close(m, 0.1 * g)
    torch.testing.assert_close(w, before - 0.1 * g)


# integers, hashes, atomics ----------------------------------------------------------------------------------------


@jit
def hashed(tokens, table, counts, ROWS: tl.constexpr, BLOCK: tl.constexpr):
    """FNV of the two last tokens, unsigned 64-bit, as a row of a table; each use is counted."""
    place = tl.program_id(0)
    h = tl.full((), 2166136261, dtype=tl.uint64)
    for back in tl.static_range(0, 2):
        at = place - back
        token = tl.load(tokens + at, mask=at >= 0, other=0).to(tl.uint64)
        h = (h ^ token) * 1099511628211
    row = (h % ROWS).to(tl.int64)
    tl.store(table + place, row)
    tl.atomic_add(counts + row + tl.arange(0, BLOCK), 1.0)


def test_unsigned_hashes_and_atomic_sums():
    """Products wrap at 64 bits without a sign, and programs that meet in one place all count."""
    tokens = torch.tensor([3, 500, 3, 500, 70000, 3, 500])
    rows, counts = torch.full((7,), -1), torch.zeros(11 + 1)
    hashed[(7,)](tokens, rows, counts, ROWS=11, BLOCK=2)
    want = []
    for place in range(7):
        h = 2166136261
        for back in range(2):
            h = (h ^ (int(tokens[place - back]) if place >= back else 0)) * 1099511628211 % 2**64
        want.append(h % 11)
    assert rows.tolist() == want
    tally = torch.zeros(12)
    for row in want:
        tally[row : row + 2] += 1
    assert torch.equal(counts, tally)


@jit
def mixed_signs(out, T):
    """Takes the rest of an unsigned value by an argument."""
    tl.store(out, (tl.full((), 7, dtype=tl.uint64) % T).to(tl.int64))


def test_unsigned_values_are_not_divided_by_signed_ones():
    """Triton refuses such a kernel, and so do we: the script would fail on a GPU too."""
    with pytest.raises(TypeError, match="different signedness"):
        mixed_signs[(1,)](torch.zeros(1, dtype=torch.int64), 3)


@jit
def divided(a, b, quotient, rest, BLOCK: tl.constexpr):
    """Integer division."""
    i = tl.arange(0, BLOCK)
    x, y = tl.load(a + i), tl.load(b + i)
    tl.store(quotient + i, x // y)
    tl.store(rest + i, x % y)


def test_integers_divide_as_in_c():
    """Quotients are cut off towards zero and rests have the sign of the dividend."""
    a, b = torch.tensor([7, -7, 7, -7], dtype=torch.int32), torch.tensor([2, 2, -2, -2], dtype=torch.int32)
    quotient, rest = torch.empty_like(a), torch.empty_like(a)
    divided[(1,)](a, b, quotient, rest, BLOCK=4)
    assert quotient.tolist() == [3, -3, -3, 3]
    assert rest.tolist() == [1, -1, 1, -1]


@jit
def int8_linear(a, b, scales, out, M, N, K, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr):
    """Out = a b with an int8 matrix b (K, N) and a scale for each of its columns."""
    rows = tl.program_id(0) * BM + tl.arange(0, BM)
    columns = tl.program_id(1) * BN + tl.arange(0, BN)
    total = tl.zeros((BM, BN), dtype=tl.float32)
    for start in range(0, K, BK):
        k = start + tl.arange(0, BK)
        left = tl.load(a + rows[:, None] * K + k[None, :], mask=(rows[:, None] < M) & (k[None, :] < K), other=0.0)
        right = tl.load(b + k[:, None] * N + columns[None, :], mask=(k[:, None] < K) & (columns[None, :] < N), other=0)
        total += tl.dot(left, right.to(tl.float32))
    scale = tl.load(scales + columns, mask=columns < N, other=0.0)
    tl.store(
        out + rows[:, None] * N + columns[None, :],
        total * scale[None, :],
        mask=(rows[:, None] < M) & (columns[None, :] < N),
    )


def test_quantised_product_on_a_grid_of_two_axes():
    """All programs of a two-dimensional grid run at once and write their own tiles."""
    a, scales = randn(19, 30), randn(22, seed=2).abs()
    b = torch.randint(-128, 128, (30, 22), dtype=torch.int8, generator=torch.Generator().manual_seed(4))
    out = torch.full((19, 22), torch.nan)
    int8_linear[(cdiv(19, 8), cdiv(22, 8), 1)](a, b, scales, out, 19, 22, 30, 8, 8, 16)
    torch.testing.assert_close(out, a @ b.float() * scales, atol=1e-3, rtol=1e-4)


# norms, rotations, helpers ----------------------------------------------------------------------------------------


@jit
def mean_square(block, count):
    """A function that kernels call."""
    return tl.sum(block * block, axis=0) / count


@heuristics({"BLOCK": lambda arguments: next_power_of_2(arguments["N"])})
@jit
def rms_norm(x, y, inverse, N, eps, BLOCK: tl.constexpr):
    """RMS norm of a row."""
    row = tl.program_id(0)
    places = tl.arange(0, BLOCK)
    mask = places < N
    block = tl.load(x + row * N + places, mask=mask, other=0.0).to(tl.float32)
    r = tl.rsqrt(mean_square(block, N) + eps)
    tl.store(inverse + row, r)
    tl.store(y + row * N + places, (block * r).to(y.dtype.element_ty), mask=mask)


def test_rms_norm_with_heuristics_and_a_helper():
    """Constants from heuristics, a helper that is a kernel function, and a cast to the output's type."""
    x = randn(7, 12, dtype=torch.bfloat16)
    y, inverse = torch.empty_like(x), torch.empty(7)
    rms_norm[(7,)](x, y, inverse, 12, 1e-6)
    want = functional.rms_norm(x.float(), (12,), eps=1e-6)
    torch.testing.assert_close(y, want.bfloat16())


@jit
def rotate(x, cos, sin, out, D: tl.constexpr):
    """Rotary embedding of one row of two halves."""
    row = tl.program_id(0)
    half = tl.arange(0, D // 2)
    a, b = tl.load(x + row * D + half), tl.load(x + row * D + D // 2 + half)
    c, s = tl.load(cos + row * (D // 2) + half), tl.load(sin + row * (D // 2) + half)
    tl.store(out + row * D + half, a * c + b * s)
    tl.store(out + row * D + D // 2 + half, b * c - a * s)


def test_rotary():
    """Halves are rotated against each other."""
    x, angle = randn(5, 8), randn(5, 4, seed=1)
    out = torch.empty_like(x)
    rotate[5](x, angle.cos(), angle.sin(), out, D=8)
    a, b = x.chunk(2, dim=1)
    torch.testing.assert_close(
        out, torch.cat((a * angle.cos() + b * angle.sin(), b * angle.cos() - a * angle.sin()), 1)
    )


# what is refused --------------------------------------------------------------------------------------------------


@jit
def reads_outside(x, y, BLOCK: tl.constexpr):
    """Forgets its mask."""
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(y + i, tl.load(x + i))


def test_reading_outside_an_argument_is_an_error():
    """What would be an illegal access on a GPU is no silent zero here."""
    with pytest.raises(IndexError, match="outside"):
        reads_outside[(2,)](torch.zeros(6), torch.zeros(8), BLOCK=4)


def test_kernels_are_not_called_as_functions():
    """Outside of a launch a kernel cannot be called, as with Triton."""
    with pytest.raises(RuntimeError, match="outside of the scope"):
        mean_square(torch.zeros(2), 2)


@jit
def branches_on_a_block(x, BLOCK: tl.constexpr):
    """Asks a block whether it is true."""
    if tl.load(x + tl.arange(0, BLOCK)) > 0:
        return


def test_a_block_is_no_condition():
    """A branch on a block is refused, by name."""
    with pytest.raises(NotSupported, match="block"):
        branches_on_a_block[(1,)](torch.ones(4), BLOCK=4)


def test_functions_that_watch_torch_are_not_disturbed():
    """A launch leaves autocast as it was, also when it fails, and computes in float32 under it."""
    with torch.autocast("cpu", dtype=torch.bfloat16):
        x, y = randn(16, 8), torch.empty(16, 16)
        gram[(1,)](x, y, 16, 8, 8, BM=16, BK=8, GROUP=1)
        torch.testing.assert_close(y, x.double().mm(x.double().T).float())
        with pytest.raises(IndexError):
            reads_outside[(2,)](torch.zeros(6), torch.zeros(8), BLOCK=4)
        assert torch.is_autocast_enabled("cpu")
