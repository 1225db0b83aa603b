"""Collectives among two real processes: what NCCL gives, by calculation from what each rank puts in."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable

import pytest
import torch
import torch.distributed as dist

from harness.observe.cpu_run.guest import cuda, fidelity
from harness.observe.cpu_run.guest.cuda import processes

OP = dist.ReduceOp
KINDS = [torch.float32, torch.bfloat16, torch.float16, torch.float64, torch.int32, torch.int64, torch.uint8]


@pytest.fixture
def two(shim) -> Callable[[Callable[[int], None]], None]:
    """Run a function of the rank in two processes that have joined a group."""

    def run(function: Callable[[int], None]) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = str(free.getsockname()[1])

        def rank(number: int) -> None:
            os.environ.update({"RANK": str(number), "LOCAL_RANK": str(number)})
            cuda.use_processes()
            dist.init_process_group("nccl", device_id=torch.device("cuda", number))
            torch.cuda.set_device(number)
            function(number)
            dist.barrier(device_ids=[number])
            dist.destroy_process_group()

        def both() -> None:
            child = os.fork()
            if child == 0:
                code = 1
                try:
                    rank(1)
                    code = 0
                finally:
                    os._exit(code)
            rank(0)
            assert os.waitpid(child, 0)[1] == 0

        shim(both, WORLD_SIZE="2", MASTER_ADDR="127.0.0.1", MASTER_PORT=port)

    return run


def put_in(rank: int, kind: torch.dtype, size: int = 8) -> torch.Tensor:
    """What a rank brings: small numbers, exact in every type, different on both ranks."""
    return (torch.arange(size, device="cuda") * (rank + 1) + 2 * rank).to(kind)


def test_reductions(two):
    """Sum, mean, maximum, minimum and product of every type, in place, with and without a handle."""

    def each(rank: int) -> None:
        for kind in KINDS:
            a, b = put_in(0, kind), put_in(1, kind)
            wanted = {OP.SUM: a + b, OP.MAX: torch.maximum(a, b), OP.MIN: torch.minimum(a, b), OP.PRODUCT: a * b}
            if kind.is_floating_point:
                wanted[OP.AVG] = ((a.double() + b.double()) / 2).to(kind)
            for op, result in wanted.items():
                x = put_in(rank, kind)
                dist.all_reduce(x, op=op)
                assert torch.equal(x, result), (kind, op)
                x = put_in(rank, kind)
                handle = dist.all_reduce(x, op, async_op=True)
                handle.wait()
                assert handle.is_completed()
                assert torch.equal(x, result), (kind, op)
                x = put_in(rank, kind)
                dist.reduce(x, dst=1, op=op)
                assert torch.equal(x, result if rank == 1 else put_in(0, kind)), (kind, op)
                part = torch.empty(4, device="cuda", dtype=kind)
                dist.reduce_scatter_tensor(part, put_in(rank, kind), op=op)
                assert torch.equal(part, result[4 * rank : 4 * rank + 4]), (kind, op)
                dist.reduce_scatter(part, list(put_in(rank, kind).chunk(2)), op=op, async_op=True).wait()
                assert torch.equal(part, result[4 * rank : 4 * rank + 4]), (kind, op)
        with pytest.raises(ValueError, match="same size"):
            dist.reduce_scatter_tensor(torch.empty(3), torch.empty(8))

    two(each)


def test_sums_are_rounded_once(two):
    """A half-precision sum is the exact sum of both ranks' values, rounded to their type."""

    def each(rank: int) -> None:
        for kind in (torch.bfloat16, torch.float16):
            parts = [torch.randn(999, generator=torch.Generator().manual_seed(seed)).to(kind) for seed in (0, 1)]
            x = parts[rank].clone()
            dist.all_reduce(x)
            assert torch.equal(x, (parts[0].double() + parts[1].double()).to(kind))

    two(each)


def test_gathers(two):
    """Gathers, scatters, exchanges and broadcasts of every type bring each rank the parts in the order of the ranks."""

    def each(rank: int) -> None:
        for kind in KINDS:
            a, b, mine = put_in(0, kind), put_in(1, kind), put_in(rank, kind)
            out = torch.empty(16, device="cuda", dtype=kind)
            dist.all_gather_into_tensor(out, mine)
            assert torch.equal(out, torch.cat([a, b]))
            out = torch.empty(2, 8, device="cuda", dtype=kind)
            dist.all_gather_into_tensor(out, mine, async_op=True).wait()
            assert torch.equal(out, torch.stack([a, b]))
            parts = [torch.empty(8, device="cuda", dtype=kind) for _ in range(2)]
            dist.all_gather(parts, mine)
            assert torch.equal(torch.stack(parts), torch.stack([a, b]))
            x = mine.clone()
            dist.broadcast(x, src=1)
            assert torch.equal(x, b)
            dist.gather(mine, parts if rank == 0 else None, dst=0)
            assert torch.equal(torch.stack(parts), torch.stack([a, b]))
            dist.scatter(x, [a, b] if rank == 0 else None, src=0)
            assert torch.equal(x, mine)
            dist.all_to_all_single(x, mine)
            assert torch.equal(x, torch.cat([a.chunk(2)[rank], b.chunk(2)[rank]]))

    two(each)


def test_objects_and_messages(two):
    """Objects come to every rank; a message sent is received; a group of one rank is alone."""

    def each(rank: int) -> None:
        assert (dist.get_rank(), dist.get_world_size(), dist.get_backend()) == (rank, 2, "nccl")
        found = [None, None]
        dist.all_gather_object(found, {"rank": rank})
        assert found == [{"rank": 0}, {"rank": 1}]
        words = [f"from {rank}"]
        dist.broadcast_object_list(words, src=1)
        assert words == ["from 1"]
        x = torch.full((3,), float(rank), device="cuda")
        if rank == 0:
            dist.send(x, dst=1)
        else:
            dist.recv(x, src=0)
        assert x.tolist() == [0, 0, 0]
        alone = [dist.new_group([number], backend="nccl") for number in range(2)]
        y = torch.ones(2, device="cuda")
        dist.all_reduce(y, group=alone[rank])
        assert y.tolist() == [1, 1]
        dist.barrier()
        assert processes.NAME in fidelity.taken()

    two(each)


def test_mean_of_gradients(two):
    """DistributedDataParallel gives every rank the mean of both gradients."""

    def each(rank: int) -> None:
        module = torch.nn.Linear(3, 1, bias=False).cuda()
        with torch.no_grad():
            module.weight.fill_(1.0)
        model = torch.nn.parallel.DistributedDataParallel(module, device_ids=[rank], broadcast_buffers=False)
        model(torch.full((1, 3), float(rank + 1), device="cuda")).sum().backward()
        assert module.weight.grad.tolist() == [[1.5, 1.5, 1.5]]

    two(each)


def test_accumulated_gradients(two):
    """Gradients of several micro batches are averaged once, with the last; also in a graph called static."""

    def each(rank: int) -> None:
        for static in (False, True):
            module = torch.nn.Linear(3, 1, bias=False).cuda()
            model = torch.nn.parallel.DistributedDataParallel(module, device_ids=[rank], static_graph=static)
            for micro in range(4):
                model.require_backward_grad_sync = micro == 3
                model(torch.full((1, 3), float(rank + micro), device="cuda")).sum().backward()
            assert module.weight.grad.tolist() == [[8.0, 8.0, 8.0]]

    two(each)
