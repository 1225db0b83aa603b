"""Where things lie: the one cuda device of this process, the storages of the host, the default device."""

from __future__ import annotations

from typing import Any, cast

import torch
import torch.utils._device as device_modes
from torch.overrides import _get_current_function_mode_stack

from harness.observe.cpu_run.guest.fidelity import NotSupported, used

NAME = "cuda devices"
CPU = torch.device("cpu")

Device = torch.device | str | int | None
SWEEP = 4_096
"""Storages after which those that are gone are forgotten."""

device_of = torch._C.TensorBase.device.__get__
"""Where a tensor really lies."""


class _Current:
    """The one device of this process: index 0, or the local rank that torch.cuda.set_device was given."""

    device = torch.device("cuda", 0)


current = _Current()


def set_device(device: Device) -> None:
    """As torch.cuda.set_device: every tensor on cuda is on that device."""
    index = device if isinstance(device, int) else torch.device("cuda" if device is None else device).index
    if index is not None and index >= 0:
        current.device = torch.device("cuda", index)


class Host:
    """Storages of the host, by address. A weak reference keeps the address from being given to another storage."""

    def __init__(self) -> None:
        self._weak: dict[int, Any] = {}
        self._pinned: set[int] = set()
        self._limit = SWEEP

    def add(self, tensor: torch.Tensor, *, pinned: bool = False) -> None:
        """The tensor's storage is of the host."""
        try:
            storage = tensor.untyped_storage()
        except (NotImplementedError, RuntimeError):  # sparse and functional tensors have none: they count as cuda
            return
        address = _address(storage)
        if address not in self._weak:
            self._weak[address] = storage._weak_ref()
            if len(self._weak) > self._limit:
                self._sweep()
        if pinned:
            self._pinned.add(address)

    def drop(self, tensor: torch.Tensor) -> None:
        """A tensor made for cuda is not of the host, even where torch made it by a function that is replaced here."""
        if self.holds(tensor):
            address = _address(tensor.untyped_storage())
            torch.UntypedStorage._free_weak_ref(self._weak.pop(address))  # type: ignore[no-untyped-call]
            self._pinned.discard(address)

    def holds(self, tensor: torch.Tensor) -> bool:
        """Whether the tensor's storage is of the host."""
        try:
            return _address(tensor.untyped_storage()) in self._weak
        except (NotImplementedError, RuntimeError):
            return False

    def pins(self, tensor: torch.Tensor) -> bool:
        """Whether it is one of the host's that was pinned."""
        return self.holds(tensor) and _address(tensor.untyped_storage()) in self._pinned

    def __len__(self) -> int:
        return len(self._weak)

    def _sweep(self) -> None:
        """Forget the storages that are gone."""
        for address, weak in list(self._weak.items()):
            if torch.UntypedStorage._expired(weak):
                torch.UntypedStorage._free_weak_ref(weak)  # type: ignore[no-untyped-call]
                del self._weak[address]
                self._pinned.discard(address)
        self._limit = max(SWEEP, 2 * len(self._weak))


def _address(storage: Any) -> int:
    address: int = storage._cdata
    return address


storages = Host()


_set_default: list[torch.device] = []


def place(device: Device) -> tuple[torch.device, bool]:
    """Where something for a device really goes, and whether it belongs to the host: cuda goes to the CPU."""
    if isinstance(device, int):
        device = torch.device("cuda", device)
    elif not isinstance(device, torch.device):
        device = torch.device(cast("str", device))
    if device.type == "cuda":
        if device.index is not None and device.index != current.device.index:
            raise NotSupported(str(device), f"a process has one device here, {current.device}")
        used(NAME)
        return CPU, False
    return device, device.type == "cpu"


def is_host(tensor: torch.Tensor) -> bool:
    """Whether a tensor is one of the host: in main memory, and not standing in for one on cuda."""
    return device_of(tensor).type == "cpu" and storages.holds(tensor)


def mark_host(tensor: torch.Tensor) -> torch.Tensor:
    """Say that a tensor is one of the host, and give it back."""
    storages.add(tensor)
    return tensor


def get_default_device() -> torch.device:
    """As torch.get_default_device."""
    if torch._C._len_torch_function_stack():
        for mode in reversed(_get_current_function_mode_stack()):  # type: ignore[no-untyped-call]
            if isinstance(mode, device_modes.DeviceContext):
                return _with_index(mode.device)
    return _set_default[-1] if _set_default else CPU


def set_default_device(device: Device) -> None:
    """As torch.set_default_device, without a mode that every operation would pass through."""
    _set_default[:] = [] if device is None else [_with_index(torch.device(device))]


def _with_index(device: torch.device) -> torch.device:
    return current.device if device.type == "cuda" and device.index is None else device
