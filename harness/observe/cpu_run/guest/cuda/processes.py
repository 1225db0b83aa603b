"""torch.distributed of several real processes on one machine: Gloo where the script asks for NCCL.

Each process is given RANK, LOCAL_RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT as under torchrun. They talk over the
loopback of their sandbox. Gloo has no mean and, for some types, no reduction: those are done by equivalents, the sum
divided by the number of ranks, in float32. Every process has a virtual clock of its own: what they measure differs by
what they do, as on a real machine.
"""
# ruff: noqa: ARG001, ARG002, ARG005, FBT001, FBT002  signatures are those of torch

from __future__ import annotations

import functools
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
    """DistributedDataParallel over Gloo: gradients lie in main memory, so no device is named.

    A graph that is said never to change is looked at each time all the same. The gradients are equal, and torch itself
    fails on such a graph when gradients are accumulated, which scripts that have as many ranks as micro batches never
    do.
    """

    def __init__(
        self, module: torch.nn.Module, device_ids: Any = None, output_device: Any = None, **keywords: Any
    ) -> None:
        if keywords.pop("static_graph", False):
            keywords["find_unused_parameters"] = True
        super().__init__(module, **keywords)


def _reduced(tensor: torch.Tensor, op: Any, group: Any) -> torch.Tensor:
    """The tensor reduced over all ranks, on every rank."""
    narrow = tensor.dtype in (torch.bfloat16, torch.float16)
    wide = tensor.detach().float() if narrow else tensor.detach().clone()
    mean = op == dist.ReduceOp.AVG
    distributed.original("all_reduce")(wide, op=dist.ReduceOp.SUM if mean else op, group=group)
    return (wide / dist.get_world_size(group) if mean else wide).to(tensor.dtype)


def all_reduce(
    tensor: torch.Tensor, op: Any = dist.ReduceOp.SUM, group: Any = None, async_op: bool = False
) -> distributed.Work | None:
    """As torch's, means and half-precision sums included."""
    with torch.no_grad():
        tensor.copy_(_reduced(tensor, op, group))
    return distributed.Work([tensor]) if async_op else None


def reduce(
    tensor: torch.Tensor, dst: int | None = None, op: Any = dist.ReduceOp.SUM, group: Any = None,
    async_op: bool = False, group_dst: int | None = None,
) -> distributed.Work | None:  # fmt: skip
    """As torch's: only the tensor of rank `dst` (of all, or `group_dst` of the group) changes."""
    there = dist.get_rank(group) == group_dst if group_dst is not None else dist.get_rank() == (dst or 0)
    found = _reduced(tensor, op, group)
    with torch.no_grad():
        if there:
            tensor.copy_(found)
    return distributed.Work([tensor]) if async_op else None


def reduce_scatter_tensor(
    output: torch.Tensor, input: torch.Tensor, op: Any = dist.ReduceOp.SUM, group: Any = None, async_op: bool = False  # noqa: A002  the name in torch
) -> distributed.Work | None:  # fmt: skip
    """As torch's: this rank's part of the reduced tensor. ValueError where it cannot be split equally."""
    size = dist.get_world_size(group)
    if input.numel() != output.numel() * size:
        raise ValueError("input tensor must be the same size as output size times world size")  # the words of NCCL
    with torch.no_grad():
        parts = _reduced(input, op, group).reshape(size, -1)
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


def _gathering(original: Callable[..., Any]) -> Callable[..., Any]:
    """all_gather_into_tensor: as with NCCL only the number of elements counts, not the shape."""

    def all_gather_into_tensor(
        output_tensor: torch.Tensor, input_tensor: torch.Tensor, group: Any = None, async_op: bool = False
    ) -> distributed.Work | None:
        flat = torch.empty(output_tensor.numel(), dtype=output_tensor.dtype)
        original(flat, input_tensor.detach().reshape(-1).contiguous(), group)
        with torch.no_grad():
            output_tensor.copy_(flat.reshape(output_tensor.shape))
        return distributed.Work([output_tensor]) if async_op else None

    return all_gather_into_tensor


def _at_once(original: Callable[..., Any]) -> Callable[..., Any]:
    """A collective that has ended when it returns: what scripts leave to the order of a CUDA stream holds too."""

    @functools.wraps(original)
    def collective(*args: Any, **keywords: Any) -> Any:
        work = original(*args, **keywords)
        if work is not None:
            work.wait()
        return work

    return collective


def _barrier(original: Callable[..., Any]) -> Callable[..., Any]:
    def barrier(group: Any = None, async_op: bool = False, device_ids: Any = None) -> distributed.Work | None:
        original(group)  # Gloo takes no devices
        return distributed.Work() if async_op else None

    return barrier


def _joining(original: Callable[..., None]) -> Callable[..., None]:
    def init_process_group(backend: str | None = None, init_method: str | None = None, **keywords: Any) -> None:
        used(NAME)
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")  # else it asks for the address of the machine's name
        keywords.pop("device_id", None)
        keywords.pop("pg_options", None)
        original("gloo", init_method, **keywords)

    return init_process_group


def _grouping(original: Callable[..., Any]) -> Callable[..., Any]:
    def new_group(ranks: Any = None, timeout: Any = None, backend: Any = None, *_: Any, **keywords: Any) -> Any:
        keywords.pop("pg_options", None)
        keywords.pop("device_id", None)
        return original(ranks, timeout, "gloo", **keywords)

    return new_group


_AT_ONCE = ("broadcast", "all_gather", "gather", "scatter", "all_to_all", "all_to_all_single")


def install() -> None:
    """Use real processes instead of one; called in a process of such a run, before the script."""
    stand_in(StandIn(NAME, exact=True, reason="the same collectives among processes of one machine"))
    distributed.uninstall()
    replaced = {
        "all_reduce": all_reduce, "reduce": reduce, "reduce_scatter": reduce_scatter,
        "reduce_scatter_tensor": reduce_scatter_tensor, "_reduce_scatter_base": reduce_scatter_tensor,
        "init_process_group": _joining(distributed.original("init_process_group")),
        "new_group": _grouping(distributed.original("new_group")),
        "barrier": _barrier(distributed.original("barrier")),
        "is_nccl_available": lambda: True, "is_backend_available": lambda backend: True,
        "is_torchelastic_launched": lambda: True, "get_backend": lambda group=None: "nccl",
        "all_gather_into_tensor": _gathering(distributed.original("all_gather_into_tensor")),
        "_all_gather_base": _gathering(distributed.original("all_gather_into_tensor")),
        **{name: _at_once(distributed.original(name)) for name in _AT_ONCE},
    }  # fmt: skip
    for module in (dist, dist.distributed_c10d):
        put(module, **replaced)
    for owner in (torch.nn.parallel, torch.nn.parallel.distributed):
        put(owner, DistributedDataParallel=GlooDataParallel)
