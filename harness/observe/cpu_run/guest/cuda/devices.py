"""CUDA devices on the CPU: a tensor that a script puts on "cuda" lies in main memory and says that it is on cuda.

No mode is active and nothing is added to an operation: only what takes a device (factories, moves between devices) is
replaced, and what a tensor answers when it is asked for its device. To answer, the tensors of the *host* are known by
their storage: what `.cpu()`, a factory without a device, `from_numpy`, `pin_memory` made, and all views of it. Every
other tensor is on cuda, results of operations included (so the sum of two host tensors says cuda: a CPU cannot tell).
Moves between host and cuda copy, as they do on a real machine, so that a snapshot taken by `.cpu()` stays one.
"""

# ruff: noqa: ARG001, FBT001, FBT002  signatures are those of torch

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.utils._device as device_modes

from harness.observe.cpu_run.guest.cuda.patching import put
from harness.observe.cpu_run.guest.cuda.placement import (
    CPU,
    NAME,
    Device,
    current,
    device_of,
    get_default_device,
    is_host,
    mark_host,
    place,
    set_default_device,
    storages,
)
from harness.observe.cpu_run.guest.fidelity import StandIn, stand_in


def _factory(original: Callable[..., Any]) -> Callable[..., Any]:
    """A function that takes `device=` and `pin_memory=` and makes a new tensor."""

    @functools.wraps(original)
    def made(*args: Any, **keywords: Any) -> Any:
        device = keywords.get("device")
        if device is None:
            device = get_default_device()
        if device is CPU:
            host = True
        else:
            keywords["device"], host = place(device)
        return _placed(original, args, keywords, host=host)

    return made


def _placed(original: Callable[..., Any], args: tuple[Any, ...], keywords: dict[str, Any], *, host: bool) -> Any:
    """A new tensor, known as the host's or not; what is given as `out` stays what it is."""
    pinned = bool(keywords.pop("pin_memory", False)) if "pin_memory" in keywords else False
    out = original(*args, **keywords)
    if keywords.get("out") is not None:
        return out
    if host or pinned:
        storages.add(out, pinned=pinned)
    else:
        storages.drop(out)
    return out


def _like(original: Callable[..., Any]) -> Callable[..., Any]:
    """A function that makes a new tensor where its first argument is, unless `device=` says otherwise."""

    @functools.wraps(original)
    def made(*args: Any, **keywords: Any) -> Any:
        device = keywords.get("device")
        if device is None:
            model = args[0] if args else keywords.get("input")
            host = isinstance(model, torch.Tensor) and is_host(model)
        else:
            keywords["device"], host = place(device)
        return _placed(original, args, keywords, host=host)

    return made


def _taking_data(original: Callable[..., Any]) -> Callable[..., Any]:
    """as_tensor and asarray: a tensor given stays where it is, anything else is made on the device."""
    from_data = _factory(original)

    @functools.wraps(original)
    def made(data: Any, *args: Any, **keywords: Any) -> Any:
        if not isinstance(data, torch.Tensor):
            return from_data(data, *args, **keywords)
        device = keywords.pop("device", None)
        out = original(data, *args, **keywords)
        return out if device is None else out.to(device)

    return made


def _from_memory(original: Callable[..., Any]) -> Callable[..., Any]:
    """from_numpy, frombuffer, from_file: memory of the host."""

    @functools.wraps(original)
    def made(*args: Any, **keywords: Any) -> Any:
        return mark_host(original(*args, **keywords))

    return made


_to = torch.Tensor.to
_copied = torch.Tensor.clone


def _moved(tensor: torch.Tensor, device: Device, args: tuple[Any, ...], keywords: dict[str, Any]) -> torch.Tensor:
    """`tensor.to(device, *args, **keywords)`."""
    target, host = place(device)
    if target.type != "cpu":
        return _to(tensor, target, *args, **keywords)
    if len(args) > 2:  # dtype, non_blocking, copy
        keywords["copy"] = args[2]
        args = args[:2]
    if device_of(tensor).type == "cpu" and is_host(tensor) != host:
        keywords["copy"] = True
    out = _to(tensor, target, *args, **keywords)
    if host:
        storages.add(out)
    elif out is not tensor:
        storages.drop(out)
    return out


def to(self: torch.Tensor, *args: Any, **keywords: Any) -> torch.Tensor:
    """As Tensor.to, in all its forms."""
    keywords.pop("non_blocking", None)
    if "other" in keywords:
        args = (keywords.pop("other"), *args)
    if "device" in keywords:
        device = keywords.pop("device")
    elif args and isinstance(args[0], torch.Tensor):
        return _moved(self, args[0].device, (args[0].dtype, *_after_dtype(args[1:])), keywords)
    elif args and (args[0] is None or isinstance(args[0], torch.device | str | int)):
        device, args = args[0], args[1:]
        args = (*args[:1], *_after_dtype(args[1:]))
    else:
        device, args = None, (*args[:1], *_after_dtype(args[1:]))
    if device is not None:
        return _moved(self, device, args, keywords)
    out = _to(self, *args, **keywords)
    if out is not self and is_host(self):
        storages.add(out)
    return out


def _after_dtype(rest: tuple[Any, ...]) -> tuple[Any, ...]:
    """The positional arguments after the dtype: `non_blocking` means nothing here, `copy` is kept."""
    return (False, *rest[1:]) if rest else ()


def cuda(self: torch.Tensor, device: Device = None, non_blocking: bool = False, **keywords: Any) -> torch.Tensor:
    """As Tensor.cuda."""
    target = current.device if device is None else device
    if place(target)[0].type != "cpu" or place(target)[1]:
        raise RuntimeError(f"Invalid device, must be cuda device: {device}")
    return _moved(self, target, (), keywords)


def cpu(self: torch.Tensor, **keywords: Any) -> torch.Tensor:
    """As Tensor.cpu: a copy, unless the tensor is one of the host."""
    return _moved(self, CPU, (), keywords)


def pin_memory(self: torch.Tensor, device: Device = None) -> torch.Tensor:
    """As Tensor.pin_memory: a copy on the host that says it is pinned."""
    if is_pinned(self):
        return self
    out = _copied(self)
    storages.add(out, pinned=True)
    return out


def is_pinned(self: torch.Tensor, device: Device = None) -> bool:
    """As Tensor.is_pinned."""
    return device_of(self).type == "cpu" and storages.pins(self)


def _device(self: torch.Tensor) -> torch.device:
    """What the tensor says it is on."""
    real: torch.device = device_of(self)
    if real.type != "cpu" or storages.holds(self):
        return real
    return current.device


def _set_like(name: str) -> None:
    setattr(torch.Tensor, name, _like(getattr(torch.Tensor, name)))


def _type(original: Callable[..., Any]) -> Callable[..., Any]:
    """Tensor.type: cuda kinds by name are those of the CPU; the kind of a tensor on cuda is named so."""

    @functools.wraps(original)
    def kind(self: torch.Tensor, dtype: Any = None, non_blocking: bool = False, **keywords: Any) -> Any:
        if dtype is None:
            name = original(self)
            return name if is_host(self) else name.replace("torch.", "torch.cuda.", 1)
        if isinstance(dtype, str) and dtype.startswith("torch.cuda."):
            return original(self.cuda(), dtype.replace("torch.cuda.", "torch.", 1), **keywords)
        return original(self, dtype, **keywords)

    return kind


def _tensors_in(value: Any) -> Iterator[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _tensors_in(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _tensors_in(item)


def _mapped(where: Any) -> Any:
    """`map_location` with cuda replaced by the CPU; functions and dictionaries say where by their results."""
    if where is None or (isinstance(where, str | torch.device) and torch.device(where).type in ("cuda", "cpu")):
        return CPU
    if isinstance(where, dict):
        return {name: "cpu" if str(to).startswith("cuda") else to for name, to in where.items()}
    return where


def _loading(original: Callable[..., Any]) -> Callable[..., Any]:
    """torch.load: what is loaded to the CPU by name is of the host."""

    @functools.wraps(original)
    def load(f: Any, map_location: Any = None, *args: Any, **keywords: Any) -> Any:
        loaded = original(f, _mapped(map_location), *args, **keywords)
        if isinstance(map_location, str | torch.device) and torch.device(map_location).type == "cpu":
            for tensor in _tensors_in(loaded):
                storages.add(tensor)
        return loaded

    return load


class _AnyGenerator(type(torch._C.Generator)):  # type: ignore[misc]  # the metaclass of a C type
    def __instancecheck__(cls, value: object) -> bool:
        return isinstance(value, torch._C.Generator)


class Generator(torch._C.Generator, metaclass=_AnyGenerator):
    """torch.Generator: one for cuda is one of the CPU that says so. Its numbers are those of the CPU."""

    def __new__(cls, device: Device = None) -> Generator:  # noqa: D102  as torch.Generator
        target, host = place(CPU if device is None else device)
        made: Generator = torch._C.Generator.__new__(cls, target)  # type: ignore[call-arg]  # as the C type takes it
        made._shown = target if host or target.type != "cpu" else current.device
        return made

    _shown: torch.device

    def __init__(self, device: Device = None) -> None:
        pass

    @property
    def device(self) -> torch.device:  # type: ignore[override]  # a property of the C type, an attribute in its stub
        """The device asked for."""
        return self._shown


def _pass_on(self: Any, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
    """`with torch.device(...)`: the factories look the device up themselves."""
    return func(*args, **kwargs or {})


_LIKE = ("empty_like", "zeros_like", "ones_like", "full_like", "rand_like", "randn_like", "randint_like")
_NEW = ("new_empty", "new_zeros", "new_ones", "new_full", "new_tensor", "new_empty_strided")
_FROM_MEMORY = ("from_numpy", "frombuffer", "from_file")
_TAKING_DATA = ("as_tensor", "asarray")


def install() -> None:
    """Replace what takes a device and what a tensor answers about it; a second call changes nothing."""
    if torch.get_default_device is get_default_device:
        return
    stand_in(StandIn(NAME, exact=True, reason="tensors on cuda lie in main memory; kernels are those of the CPU"))
    constructors = device_modes._device_constructors()
    for module in (torch, torch.fft, torch.nested):
        for name in dir(module):
            value = getattr(module, name)
            if callable(value) and not isinstance(value, type) and value in constructors:
                setattr(module, name, (_taking_data if name in _TAKING_DATA else _factory)(value))
    for name in _LIKE:
        setattr(torch, name, _like(getattr(torch, name)))
    for name in _NEW:
        _set_like(name)
    for name in _FROM_MEMORY:
        setattr(torch, name, _from_memory(getattr(torch, name)))
    torch.load = _loading(torch.load)
    replaced: dict[str, Any] = {
        "to": to, "cuda": cuda, "cpu": cpu, "pin_memory": pin_memory, "is_pinned": is_pinned,
        "type": _type(torch.Tensor.type),
        "type_as": lambda self, other: self.to(other),
        "record_stream": lambda self, stream: None,  # noqa: ARG005  the caching allocator is not there to be told
        "get_device": lambda self: current.device.index if self.is_cuda else -1,
        "device": property(_device),
        "is_cuda": property(lambda self: self.device.type == "cuda"),
        "is_cpu": property(lambda self: self.device.type == "cpu"),
    }  # fmt: skip
    for name, value in replaced.items():
        setattr(torch.Tensor, name, value)
    for module in (torch, torch.random):
        if hasattr(module, "Generator"):
            put(module, Generator=Generator)
    put(torch, get_default_device=get_default_device, set_default_device=set_default_device)
    put(device_modes.DeviceContext, __torch_function__=_pass_on)  # torch.device itself pushes one
    Generator.__module__ = "torch._C"
