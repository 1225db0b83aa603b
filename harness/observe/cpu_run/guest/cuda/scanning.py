"""`associative_scan` without the compiler that torch's own calls itself with.

The scan of x along a dimension is y_0 = x_0, y_t = f(y_{t-1}, x_t). With f associative, each round joins every partial
result with the one that ends `reach` places before it and doubles `reach`, so that log2(length) rounds are enough
(Hillis and Steele, 1986).
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree

from harness.observe.cpu_run.guest.cuda.patching import put
from harness.observe.cpu_run.guest.fidelity import NotSupported, StandIn, stand_in, used

NAME = "associative_scan"


def associative_scan(
    combine_fn: Callable[[Any, Any], Any],
    xs: Any,
    dim: int,
    reverse: bool = False,  # noqa: FBT001, FBT002  torch's signature
    combine_mode: str = "pointwise",
) -> Any:
    """The scan of a tensor, or of a nest of tensors of one length along `dim`; `reverse` begins at the end.

    Raises NotSupported for functions that are not pointwise: they are to see one place at a time.
    """
    used(NAME)
    if combine_mode != "pointwise":
        raise NotSupported(f"associative_scan: combine_mode={combine_mode!r}", "only pointwise functions are scanned")
    leaves, nest = _pytree.tree_flatten(xs)
    scanned: list[Tensor] = [leaf.flip(dim) for leaf in leaves] if reverse else list(leaves)
    length = scanned[0].shape[dim]
    reach = 1
    while reach < length:
        before = _pytree.tree_unflatten([one.narrow(dim, 0, length - reach) for one in scanned], nest)
        behind = _pytree.tree_unflatten([one.narrow(dim, reach, length - reach) for one in scanned], nest)
        joined = _pytree.tree_leaves(combine_fn(before, behind))
        scanned = [torch.cat([one.narrow(dim, 0, reach), new], dim) for one, new in zip(scanned, joined, strict=True)]
        reach *= 2
    return _pytree.tree_unflatten([one.flip(dim) for one in scanned] if reverse else scanned, nest)


def install() -> None:
    """Put it where programs import it from; a second call changes nothing."""
    package = importlib.import_module("torch._higher_order_ops")
    module = importlib.import_module("torch._higher_order_ops.associative_scan")
    if module.associative_scan is associative_scan:
        return
    stand_in(StandIn(NAME, exact=True, reason="log2(length) rounds of plain operators instead of a compiled kernel"))
    put(module, associative_scan=associative_scan)
    put(package, associative_scan=associative_scan)
