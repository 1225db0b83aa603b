"""torch.distributed of several real processes on one machine: Gloo where the script asks for NCCL.

Each process is given RANK, LOCAL_RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT as under torchrun. Gloo has no mean and,
for some types, no reduction: those are done by equivalents, the sum divided by the number of ranks, in float32.
"""
# ruff: noqa: ARG001, ARG002, ARG005, FBT001, FBT002  signatures are those of torch

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import torch
import torch.distributed as dist
import torch.nn.parallel

from harness.observe.cpu_run.guest.cuda import distributed
from harness.observe.cpu_run.guest.cuda.patching import put
from harness.observe.cpu_run.guest.fidelity import StandIn, stand_in, used

NAME = "Gloo for NCCL"

_Real = torch.nn.parallel.DistributedDataParallel
"""The class of torch itself: this module is loaded before anything is patched."""


class GlooDataParallel(_Real):
    """DistributedDataParallel over Gloo: gradients lie in main memory, so no device is named."""

    def __init__(
        self, module: torch.nn.Module, device_ids: Any = None, output_device: Any = None, **keywords: Any
    ) -> None:
        super().__init__(module, **keywords)


def _reduced(tensor: torch.Tensor, op: Any, group: Any) -> torch.Tensor:
    """The tensor reduced over all ranks, on every rank."""
    original = distributed.original("all_reduce")
    narrow = tensor.dtype in (torch.bfloat16, torch.float16)
    wide = tensor.detach().float() if narrow else tensor.detach().clone()
    mean = op == dist.ReduceOp.AVG
    original(wide, op=dist.ReduceOp.SUM if mean else op, group=group)
    return (wide / dist.get_world_size(group) if mean else wide).to(tensor.dtype)


def all_reduce(
    tensor: torch.Tensor, op: Any = dist.ReduceOp.SUM, group: Any = None, async_op: bool = False
) -> distributed.Work | None:
    """As torch's, means and half-precision sums included."""
    with torch.no_grad():
        tensor.copy_(_reduced(tensor, op, group))
    return distributed.Work([tensor]) if async_op else None


def reduce_scatter_tensor(
    output: torch.Tensor, input: torch.Tensor, op: Any = dist.ReduceOp.SUM, group: Any = None, async_op: bool = False  # noqa: A002  the name in torch
) -> distributed.Work | None:  # fmt: skip
    """As torch's: this rank's part of the reduced tensor."""
    with torch.no_grad():
        parts = _reduced(input, op, group).reshape(dist.get_world_size(group), -1)
        output.copy_(parts[dist.get_rank(group)].reshape(output.shape))
    return distributed.Work([output]) if async_op else None


def reduce_scatter(
    output: torch.Tensor,
    input_list: list[torch.Tensor],
    op: Any = dist.ReduceOp.SUM,
    group: Any = None,
    async_op: bool = False,
) -> distributed.Work | None:
    """As torch's."""
    return reduce_scatter_tensor(output, torch.stack(input_list), op, group, async_op)


def _joining(original: Callable[..., None]) -> Callable[..., None]:
    def init_process_group(backend: str | None = None, init_method: str | None = None, **keywords: Any) -> None:
        used(NAME)
        keywords.pop("device_id", None)
        keywords.pop("pg_options", None)
        original("gloo", init_method, **keywords)

    return init_process_group


def install() -> None:
    """Use real processes instead of one; called in a process of such a run, before the script."""
    stand_in(StandIn(NAME, exact=True, reason="the same collectives among processes of one machine"))
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")  # else it asks for the address of the machine's name
    distributed.uninstall()
    put(dist, init_process_group=_joining(distributed.original("init_process_group")))
    for module in (dist, dist.distributed_c10d):
        put(
            module,
            all_reduce=all_reduce,
            reduce_scatter_tensor=reduce_scatter_tensor,
            _reduce_scatter_base=reduce_scatter_tensor,
            reduce_scatter=reduce_scatter,
            is_nccl_available=lambda: True,
            get_backend=lambda group=None: "nccl",
        )
    for owner in (torch.nn.parallel, torch.nn.parallel.distributed):
        put(owner, DistributedDataParallel=GlooDataParallel)
