"""Packed bytes that a program unpacks from memory: a run that unpacks what a file of its own holds has read it back.

Many programs keep the artifact that they have just written, and evaluate what they unpack from it without opening the
file again.
"""

from __future__ import annotations

import bz2
import functools
import importlib
import io
import lzma
import zlib
from collections.abc import Callable
from types import ModuleType
from typing import Any

import torch

LEAST = 1_024
"""Fewer bytes hold no network."""
_listeners: list[Callable[[bytes], None]] = []


def listen(noticed: Callable[[bytes], None]) -> None:
    """Have `noticed` told of all packed bytes from `LEAST` on, before they are unpacked."""
    _listeners.append(noticed)


def _tell(packed: object) -> None:
    data = packed.getbuffer() if isinstance(packed, io.BytesIO) else packed
    if isinstance(data, (bytes, bytearray, memoryview)) and len(data) >= LEAST:
        for noticed in _listeners:
            noticed(bytes(data))


def _told(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def unpack(packed: Any, *args: Any, **options: Any) -> Any:
        _tell(packed)
        return function(packed, *args, **options)

    return unpack


def _module(name: str) -> ModuleType | None:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def install() -> None:
    """Listen to the functions that unpack; a second call changes nothing."""
    if getattr(zlib.decompress, "__wrapped__", None) is not None:
        return
    # zstandard is left alone: a class of its compiled library that is derived from crashes where it unpacks
    for module in (zlib, lzma, bz2, _module("brotli")):
        if module is not None:
            module.decompress = _told(module.decompress)  # type: ignore[attr-defined]  # each of them has one
    torch.load = _told(torch.load)
