"""Collectives of one process."""

from __future__ import annotations

import pytest
import torch
import torch.distributed as dist

from harness.observe.cpu_run.guest.fidelity import NotSupported


def test_life_of_the_group(shim):
    """A group is made, known, and destroyed; without one, what needs it raises as torch does."""

    def inside():
        assert dist.is_available()
        assert not dist.is_initialized()
        with pytest.raises(ValueError, match="not been initialized"):
            dist.get_rank()
        dist.init_process_group(backend="nccl", device_id=torch.device("cuda", 0))
        assert dist.is_initialized()
        assert (dist.get_rank(), dist.get_world_size(), dist.get_backend()) == (0, 1, "nccl")
        assert dist.group.WORLD is not None
        assert dist.get_world_size(dist.new_group([0])) == 1
        with pytest.raises(ValueError, match="twice"):
            dist.init_process_group("nccl")
        dist.barrier(device_ids=[0])
        dist.destroy_process_group()
        assert not dist.is_initialized()

    shim(inside)


def test_collectives(shim):
    """Reductions keep a tensor, gathers copy it, objects come back, handles have ended."""

    def inside():
        dist.init_process_group("nccl")
        x = torch.arange(4.0, device="cuda")
        for op in (dist.ReduceOp.SUM, dist.ReduceOp.AVG, dist.ReduceOp.MAX, dist.ReduceOp.MIN):
            dist.all_reduce(x, op=op)
            dist.all_reduce(x, op)
        dist.broadcast(x, src=0)
        assert x.tolist() == [0, 1, 2, 3]
        out = torch.empty(1, 4, device="cuda")
        handle = dist.all_gather_into_tensor(out, x, async_op=True)
        assert handle.wait()
        assert handle.get_future().wait()[0].tolist() == [[0, 1, 2, 3]]
        part = torch.empty(4, device="cuda")
        dist.reduce_scatter_tensor(part, x, op=dist.ReduceOp.AVG)
        assert part.tolist() == [0, 1, 2, 3]
        dist.reduce_scatter_tensor(output=part, input=2 * x, op=dist.ReduceOp.SUM, async_op=True).wait()
        assert part.tolist() == [0, 2, 4, 6]
        parts = [torch.empty(4, device="cuda")]
        dist.all_gather(parts, x)
        assert parts[0].tolist() == [0, 1, 2, 3]
        objects = [None]
        dist.all_gather_object(objects, {"a": [1]})
        dist.broadcast_object_list(objects, src=0)
        assert objects == [{"a": [1]}]
        with pytest.raises(NotSupported):
            dist.send(x, dst=1)
        with pytest.raises(ValueError, match="equally many"):
            dist.all_gather_into_tensor(torch.empty(8), x)

    shim(inside)


def test_data_parallel_is_transparent(shim):
    """DDP calls its module, keeps its flags, and prefixes the state's keys."""

    def inside():
        from torch.nn.parallel import DistributedDataParallel

        with pytest.raises(ValueError, match="not been initialized"):
            DistributedDataParallel(torch.nn.Linear(2, 2))
        dist.init_process_group("nccl")
        module = torch.nn.Linear(2, 2)
        model = DistributedDataParallel(module, device_ids=[0], broadcast_buffers=False)
        assert model.module is module
        assert list(model.state_dict()) == ["module.weight", "module.bias"]
        model.require_backward_grad_sync = False
        with model.no_sync():
            model(torch.ones(1, 2)).sum().backward()
        assert module.weight.grad is not None
        with pytest.raises(NotSupported):
            torch.distributed.fsdp.FullyShardedDataParallel(module)

    shim(inside)
