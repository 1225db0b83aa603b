"""Which imports get which stand-in."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import partial

from torch.utils import _triton

from harness.observe.cpu_run.guest.stand_ins import extensions, flash, inert, modal, offline
from harness.observe.cpu_run.guest.stand_ins.finder import Names, StandInFinder
from harness.observe.cpu_run.guest.stand_ins.fla import modules as fla_modules
from harness.observe.cpu_run.guest.stand_ins.triton import modules as triton_modules


def _always() -> dict[str, Callable[[], Names]]:
    """What is of no use without a GPU or a network, installed or not."""
    tables = (fla_modules.modules(), flash.modules(), triton_modules.modules())
    fixed: dict[str, Callable[[], Names]] = {
        name: partial(dict, names) for table in tables for name, names in table.items()
    }
    return {
        **fixed,
        "kernels": offline.kernel_names,
        "torch.utils.tensorboard": partial(inert.inert_names, "tensorboard"),
    }


def _where_missing() -> dict[str, Callable[[], Names]]:
    """What is stood in for only where it is not installed."""
    observers = {name: partial(inert.inert_names, name) for name in inert.OBSERVERS}
    bars = dict.fromkeys(("tqdm", "tqdm.auto", "tqdm.std", "tqdm.notebook"), inert.bar_names)
    hub = {
        "huggingface_hub": offline.hub_names,
        "huggingface_hub.utils": offline.hub_errors,
        "huggingface_hub.errors": offline.hub_errors,
        "datasets": offline.dataset_names,
    }
    return {**observers, **bars, **hub}


_FIRST = StandInFinder(_always())
_MODAL = StandInFinder({modal.NAME: modal.names}, frozenset({modal.NAME}))
_LAST = StandInFinder(_where_missing(), frozenset(inert.OBSERVERS), yields=True)


def provide_modal() -> None:
    """Let `import modal` find a stand-in: for runs whose entry point modal itself would call."""
    _MODAL.install()


def install() -> None:
    """Let imports find the stand-ins. Idempotent."""
    # torch remembers whether Triton is there: it has to look before it would find a stand-in and compile for it
    _triton.has_triton_package()
    _triton.has_triton()
    importlib.import_module("torch._inductor.runtime.triton_compat")
    extensions.install()
    _FIRST.install()
    _LAST.install()
