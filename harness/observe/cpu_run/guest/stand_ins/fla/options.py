"""The stand-in for the library by its name, and the options of it that are refused."""

from __future__ import annotations

from torch import Tensor

from harness.observe.cpu_run.guest.fidelity import NotSupported, StandIn, stand_in

NAME = "fla"

stand_in(StandIn(NAME, exact=True, reason="delta rules and short convolutions by matrix products instead of kernels"))


def refuse(**options: object) -> None:
    """Raise NotSupported for options in use that change the result and that nothing here computes."""
    for name, value in options.items():
        if isinstance(value, Tensor) or value:
            raise NotSupported(f"fla: {name}", "this option has no equivalent on the CPU")
