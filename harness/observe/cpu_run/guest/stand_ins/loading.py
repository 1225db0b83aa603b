"""torch.load as it was before torch 2.6: a program's own objects are loaded, unless it asks for weights only."""

from __future__ import annotations

import functools
import pickle
from collections.abc import Callable
from typing import Any

import torch

from harness.observe.cpu_run.guest.fidelity import StandIn, stand_in, used

NAME = "torch.load"
stand_in(
    StandIn(
        NAME,
        exact=True,
        reason="since torch 2.6 it refuses what was saved here unless it is told weights_only=False; it was loaded "
        "as earlier versions do",
    )
)


def provide_loading() -> None:
    """Let torch.load take what it refuses for its newer default alone; a second call changes nothing."""
    if getattr(torch.load, "lenient", False) is False:
        torch.load = _lenient(torch.load)


def _lenient(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def load(f: Any, *args: Any, **keywords: Any) -> Any:
        place = f.tell() if hasattr(f, "seek") else None
        try:
            return original(f, *args, **keywords)
        except pickle.UnpicklingError as error:
            if keywords.get("weights_only") is not None or not str(error).startswith("Weights only load failed"):
                raise
        if place is not None:
            f.seek(place)
        loaded = original(f, *args, **{**keywords, "weights_only": False})
        used(NAME)
        return loaded

    load.lenient = True  # type: ignore[attr-defined]  # known again by it
    return load
