"""torch.distributed of one process without a process group: every collective among one rank is known in advance.

Reductions leave a tensor as it is, gathering copies it, handles are finished when they are returned. What only makes
sense between processes raises what torch raises, or NotSupported.
"""

# ruff: noqa: ARG001, ARG002, FBT001, FBT002  signatures are those of torch

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
import torch.distributed as dist
import torch.distributed.fsdp
import torch.nn.parallel

from harness.observe.cpu_run.guest.cuda.patching import put
from harness.observe.cpu_run.guest.fidelity import NotSupported, StandIn, stand_in, used

NAME = "one-process collectives"
_NCCL = (2, 27, 5)
"""The version that torch 2.9 for CUDA 12.8 asks for, as the package nvidia-nccl-cu12."""


class Work:
    """The handle of an asynchronous collective: it has ended."""

    def __init__(self, result: Any = None) -> None:
        self._result = result

    def wait(self, timeout: Any = None) -> bool:
        """Wait for the end."""
        return True

    def is_completed(self) -> bool:
        """Whether it has ended."""
        return True

    def is_success(self) -> bool:
        """Whether it succeeded."""
        return True

    def exception(self) -> None:
        """What went wrong."""

    def result(self) -> Any:
        """The tensors it left."""
        return self._result

    def synchronize(self) -> None:
        """Wait for the device."""

    def get_future(self) -> torch.futures.Future[Any]:
        """A future that holds the result."""
        future: torch.futures.Future[Any] = torch.futures.Future()
        future.set_result(self._result)
        return future


class ProcessGroup:
    """A group of this process alone."""

    def __init__(self, name: str = "default_pg") -> None:
        self.group_name = name

    def rank(self) -> int:
        """The rank of this process."""
        return 0

    def size(self) -> int:
        """How many processes there are."""
        return 1

    def name(self) -> str:
        """The backend."""
        return _state.backend


class _State:
    group: ProcessGroup | None = None
    backend = "nccl"


_state = _State()


class _Groups(type):
    """`dist.group.WORLD`: the default group while there is one."""

    @property
    def WORLD(cls) -> ProcessGroup | None:  # noqa: N802  the name in torch
        return _state.group


class group(metaclass=_Groups):  # noqa: N801  the name in torch
    """torch.distributed.group."""


class GroupMember(metaclass=_Groups):
    """torch.distributed.GroupMember."""

    NON_GROUP_MEMBER = -100


def init_process_group(backend: str | None = None, init_method: str | None = None, **keywords: Any) -> None:
    """As torch's, for one process. ValueError when there is a group; NotSupported for more than one process."""
    if _state.group is not None:
        raise ValueError("trying to initialize the default process group twice!")
    size = keywords.get("world_size", -1)
    if size not in (-1, 1, None):
        raise NotSupported(f"{size} processes", "this run has one")
    used(NAME)
    _state.group, _state.backend = ProcessGroup(), backend or "nccl"


def destroy_process_group(group: Any = None) -> None:
    """As torch's."""
    if group is None or group is _state.group:
        _state.group = None


def _there() -> ProcessGroup:
    if _state.group is None:
        raise ValueError("Default process group has not been initialized, please make sure to call init_process_group.")
    return _state.group


def new_group(*_: Any, **__: Any) -> ProcessGroup:
    """As torch's: whichever ranks are named, it is this process alone."""
    _there()
    return ProcessGroup("group")


def _done(result: Any, asynchronous: bool) -> Work | None:
    return Work(result) if asynchronous else None


def all_reduce(tensor: torch.Tensor, op: Any = None, group: Any = None, async_op: bool = False) -> Work | None:
    """As torch's: a sum, mean, maximum or product over one rank is the tensor."""
    _there()
    return _done([tensor], async_op)


def broadcast(
    tensor: torch.Tensor, src: int | None = None, group: Any = None, async_op: bool = False, **_: Any
) -> Work | None:
    """As torch's."""
    _there()
    return _done([tensor], async_op)


def reduce(
    tensor: torch.Tensor, dst: int | None = None, op: Any = None, group: Any = None, async_op: bool = False, **_: Any
) -> Work | None:
    """As torch's."""
    _there()
    return _done([tensor], async_op)


def all_gather(
    tensor_list: list[torch.Tensor], tensor: torch.Tensor, group: Any = None, async_op: bool = False
) -> Work | None:
    """As torch's."""
    _there()
    _only(tensor_list).copy_(tensor)
    return _done(tensor_list, async_op)


def gather(
    tensor: torch.Tensor,
    gather_list: list[torch.Tensor] | None = None,
    dst: int | None = None,
    group: Any = None,
    async_op: bool = False,
    **_: Any,
) -> Work | None:
    """As torch's."""
    return all_gather(gather_list or [], tensor, group, async_op)


def scatter(
    tensor: torch.Tensor,
    scatter_list: list[torch.Tensor] | None = None,
    src: int | None = None,
    group: Any = None,
    async_op: bool = False,
    **_: Any,
) -> Work | None:
    """As torch's."""
    return reduce_scatter(tensor, scatter_list or [], None, group, async_op)


def reduce_scatter(
    output: torch.Tensor, input_list: list[torch.Tensor], op: Any = None, group: Any = None, async_op: bool = False
) -> Work | None:
    """As torch's."""
    _there()
    output.copy_(_only(input_list))
    return _done([output], async_op)


def all_to_all(
    output_tensor_list: list[torch.Tensor],
    input_tensor_list: list[torch.Tensor],
    group: Any = None,
    async_op: bool = False,
) -> Work | None:
    """As torch's."""
    _there()
    _only(output_tensor_list).copy_(_only(input_tensor_list))
    return _done(output_tensor_list, async_op)


def _only(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
    if len(tensors) != 1:
        raise ValueError(f"a list of one tensor is needed for one rank, not of {len(tensors)}")
    return tensors[0]


def _copying(first: str, second: str) -> Callable[..., Work | None]:
    """all_gather_into_tensor and its kin: the output holds the input of the one rank."""

    def collective(*args: Any, async_op: bool = False, **keywords: Any) -> Work | None:
        _there()
        output, source = (*args, *(keywords[name] for name in (first, second)[len(args) :]))[:2]
        if output.numel() != source.numel():
            raise ValueError(
                f"output and input must have equally many elements for one rank: {output.shape}, {source.shape}"
            )
        with torch.no_grad():
            if output.data_ptr() != source.data_ptr():
                output.copy_(source.reshape(output.shape))
        return _done([output], async_op or (len(args) > 4 and bool(args[4])))

    return collective


def barrier(group: Any = None, async_op: bool = False, **_: Any) -> Work | None:
    """As torch's."""
    _there()
    return _done(None, async_op)


def broadcast_object_list(object_list: list[Any], src: int | None = None, *_: Any, **__: Any) -> None:
    """As torch's: the list stays as it is."""
    _there()


def all_gather_object(object_list: list[Any], obj: Any, group: Any = None) -> None:
    """As torch's: a copy of the object."""
    _there()
    object_list[0] = copy.deepcopy(obj)


def gather_object(obj: Any, object_gather_list: list[Any] | None = None, *_: Any, **__: Any) -> None:
    """As torch's."""
    all_gather_object(object_gather_list or [], obj)


def scatter_object_list(
    scatter_object_output_list: list[Any], scatter_object_input_list: list[Any] | None = None, *_: Any, **__: Any
) -> None:
    """As torch's."""
    all_gather_object(scatter_object_output_list, (scatter_object_input_list or [None])[0])


def _alone(name: str) -> Callable[..., Any]:
    def refused(*_: Any, **__: Any) -> Any:
        raise NotSupported(f"torch.distributed.{name}", "there is no other process to talk to")

    return refused


class DistributedDataParallel(torch.nn.Module):
    """torch.nn.parallel.DistributedDataParallel of one process: gradients need no averaging."""

    def __init__(self, module: torch.nn.Module, device_ids: Any = None, output_device: Any = None, **_: Any) -> None:
        super().__init__()
        _there()
        if not any(parameter.requires_grad for parameter in module.parameters()):
            raise RuntimeError("DistributedDataParallel is not needed: no parameter requires a gradient.")
        self.module = module
        self.device_ids, self.output_device = device_ids, output_device
        self.require_backward_grad_sync = True

    def forward(self, *inputs: Any, **keywords: Any) -> Any:
        """Call the module."""
        return self.module(*inputs, **keywords)

    @contextlib.contextmanager
    def no_sync(self) -> Iterator[None]:
        """Gradients are summed without averaging over ranks inside."""
        before = self.require_backward_grad_sync
        self.require_backward_grad_sync = False
        try:
            yield
        finally:
            self.require_backward_grad_sync = before

    @contextlib.contextmanager
    def join(self, **_: Any) -> Iterator[None]:
        """Uneven inputs among ranks: there is one."""
        yield

    def register_comm_hook(self, state: object, hook: Callable[..., Any]) -> None:
        """Hooks change what is sent between ranks: nothing is."""

    def _set_static_graph(self) -> None:
        pass


_PATCHES: dict[str, Any] = {
    "is_available": lambda: True, "is_nccl_available": lambda: True, "is_gloo_available": lambda: True,
    "is_torchelastic_launched": lambda: True,
    "is_initialized": lambda: _state.group is not None,
    "is_backend_available": lambda backend: True,  # noqa: ARG005  the signature in torch
    "get_rank": lambda group=None: 0 * bool(_there()),  # noqa: ARG005  the signature in torch
    "get_world_size": lambda group=None: 1 if _there() else 0,  # noqa: ARG005  the signature in torch
    "get_node_local_rank": lambda fallback_rank=None: 0,  # noqa: ARG005  the signature in torch
    "get_backend": lambda group=None: _state.backend if _there() else "",  # noqa: ARG005  the signature in torch
    "get_process_group_ranks": lambda group=None: [0],  # noqa: ARG005  the signature in torch
    "get_global_rank": lambda group, group_rank: group_rank,  # noqa: ARG005  the signature in torch
    "get_group_rank": lambda group, global_rank: global_rank,  # noqa: ARG005  the signature in torch
    "init_process_group": init_process_group, "destroy_process_group": destroy_process_group, "new_group": new_group,
    "group": group, "GroupMember": GroupMember, "ProcessGroup": ProcessGroup, "Work": Work,
    "all_reduce": all_reduce, "broadcast": broadcast, "reduce": reduce, "all_gather": all_gather, "gather": gather,
    "scatter": scatter, "reduce_scatter": reduce_scatter, "all_to_all": all_to_all,
    "all_reduce_coalesced": all_reduce,
    "all_gather_into_tensor": _copying("output_tensor", "input_tensor"),
    "_all_gather_base": _copying("output_tensor", "input_tensor"),
    "reduce_scatter_tensor": _copying("output", "input"),
    "_reduce_scatter_base": _copying("output", "input"),
    "all_to_all_single": _copying("output", "input"),
    "barrier": barrier, "monitored_barrier": barrier,
    "broadcast_object_list": broadcast_object_list, "all_gather_object": all_gather_object,
    "gather_object": gather_object, "scatter_object_list": scatter_object_list,
    **{name: _alone(name) for name in ("send", "recv", "isend", "irecv", "batch_isend_irecv")},
    **{name: _alone(name) for name in ("send_object_list", "recv_object_list")},
}  # fmt: skip


class FullyShardedDataParallel(torch.nn.Module):
    """torch.distributed.fsdp.FullyShardedDataParallel: refused."""

    def __init__(self, *_: Any, **__: Any) -> None:
        raise NotSupported("FullyShardedDataParallel", "sharding among ranks cannot be shown with one")


_MODULES = (dist, dist.distributed_c10d)
_originals = {
    (module, name): getattr(module, name) for module in _MODULES for name in _PATCHES if hasattr(module, name)
}


def original(name: str) -> Any:
    """What torch.distributed has under that name. KeyError when it has nothing."""
    return _originals[dist, name]


def uninstall() -> None:
    """Give torch.distributed its own functions back."""
    for (module, name), value in _originals.items():
        setattr(module, name, value)


def install() -> None:
    """Replace torch.distributed by the collectives of one process; a second call changes nothing."""
    if dist.init_process_group is init_process_group:
        return
    stand_in(StandIn(NAME, exact=True, reason="NCCL among one rank: reductions and gathers of one tensor"))
    put(dist, **_PATCHES)
    for module, name in _originals:
        setattr(module, name, _PATCHES[name])
    for owner in (torch.nn.parallel, torch.nn.parallel.distributed):
        put(owner, DistributedDataParallel=DistributedDataParallel)
    put(torch.cuda.nccl, version=lambda: _NCCL)
    put(torch.distributed.fsdp, FullyShardedDataParallel=FullyShardedDataParallel, fully_shard=_alone("fully_shard"))
