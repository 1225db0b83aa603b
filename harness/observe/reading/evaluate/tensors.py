"""Shapes of tensors: creation, shape methods, broadcasting. Values of elements are never known."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from harness.observe.reading.evaluate.values import UNKNOWN, ListValue, Native, TensorValue, Unknown, Value, raw, words

if TYPE_CHECKING:
    from harness.observe.reading.evaluate.machine import Machine

Shape = tuple[int | None, ...] | None
Args = list[Value]
Kwargs = dict[str, Value]

SAME = words(
    "abs absolute acos add add_ addcdiv_ addcmul_ asin atan bernoulli_ bfloat16 bool byte ceil clamp clamp_ clip "
    "clone contiguous copy_ cos cpu cuda cumsum data detach detach_ div div_ double erf exp exp_ exponential_ "
    "fill_ float floor half int log log1p log2 logit lerp_ long masked_fill masked_fill_ mul mul_ nan_to_num neg "
    "neg_ normal_ pin_memory pow reciprocal relu relu_ requires_grad_ roll round rsqrt share_memory_ short "
    "sigmoid sign sin sqrt softmax square sub sub_ tan tanh tanh_ to tril tril_ triu triu_ type type_as uniform_ "
    "zero_ trunc_ flip log_softmax random_ astype"
)
"""Methods and functions whose result has the shape of their first argument."""
_SIZED = frozenset({"zeros", "ones", "empty", "rand", "randn", "normal"})
_LIKE = frozenset({"zeros_like", "ones_like", "empty_like", "full_like", "rand_like", "randn_like", "randint_like"})
_ATTRIBUTES = {"T": "t", "mT": "t", "data": "data", "real": "data"}
METHODS = SAME | {
    "size", "dim", "ndimension", "numel", "nelement", "view", "reshape", "unsqueeze", "squeeze", "t", "transpose",
    "permute", "flatten", "expand", "repeat", "item", "tolist", "numpy", "new_zeros", "new_ones", "new_empty",
    "new_full",
}  # fmt: skip


def create(machine: Machine, name: str, args: Args, kwargs: Kwargs) -> Value | None:
    """Result of `torch.<name>(...)` (or `np.<name>`) where only shapes matter; None when there is no rule."""
    first = args[0] if args else kwargs.get("input", kwargs.get("size", UNKNOWN))
    if name in _SIZED:
        return machine.heap.new_tensor(sizes(machine, [kwargs["size"]] if "size" in kwargs else args))
    if name == "full":
        return machine.heap.new_tensor(sizes(machine, [first]))
    if name == "randint":
        size = kwargs.get("size", args[-1] if len(args) > 1 else UNKNOWN)
        return machine.heap.new_tensor(sizes(machine, [size]))
    if name in _LIKE or (name in SAME and isinstance(first, TensorValue)):
        return machine.heap.new_tensor(first.shape if isinstance(first, TensorValue) else None)
    function = _CREATE.get(name)
    return None if function is None else machine.heap.new_tensor(function(machine, args, kwargs))


def size(value: Value) -> int | None:
    """A size in a shape, None when unknown."""
    plain = raw(value)
    if isinstance(plain, bool) or not isinstance(plain, int):
        return None
    return plain if plain >= 0 else None


def sizes(machine: Machine, args: Args) -> Shape:
    """A shape given as separate sizes or as one tuple or list."""
    if len(args) == 1:
        only = raw(args[0])
        if type(only) is tuple:
            args = list(only)
        elif isinstance(only, ListValue):
            content = machine.heap.content(only)
            if content is None:
                return None
            args = content
        elif type(only) is Unknown:
            return None
    return tuple(size(arg) for arg in args)


def _arange(_: Machine, args: Args, kwargs: Kwargs) -> Shape:
    bounds = [raw(arg) for arg in (*args, *(kwargs[k] for k in ("start", "end", "step") if k in kwargs))]
    if not 1 <= len(bounds) <= 3 or not all(isinstance(b, (int, float)) for b in bounds):
        return (None,)
    start, end, step = (0, bounds[0], 1) if len(bounds) == 1 else (*bounds, 1)[:3]
    try:
        return (max(0, math.ceil((end - start) / step)),)
    except ArithmeticError:
        return (None,)


def _linspace(_: Machine, args: Args, kwargs: Kwargs) -> Shape:
    return (size(kwargs.get("steps", kwargs.get("num", args[2] if len(args) > 2 else UNKNOWN))),)


def _eye(_: Machine, args: Args, kwargs: Kwargs) -> Shape:
    rows = size(kwargs.get("n", args[0] if args else UNKNOWN))
    return (rows, size(kwargs.get("m", args[1])) if len(args) > 1 or "m" in kwargs else rows)


def _randperm(_: Machine, args: Args, __: Kwargs) -> Shape:
    return (size(args[0]) if args else None,)


def _members(machine: Machine, args: Args, kwargs: Kwargs) -> list[TensorValue] | None:
    value = args[0] if args else kwargs.get("tensors", UNKNOWN)
    content = machine.heap.content(value) if isinstance(value, ListValue) else value
    if not isinstance(content, (list, tuple)) or not all(isinstance(item, TensorValue) for item in content):
        return None
    return list(content)


def _axis(args: Args, kwargs: Kwargs) -> int | None:
    dim = raw(kwargs.get("dim", kwargs.get("axis", args[1] if len(args) > 1 else 0)))
    return dim if isinstance(dim, int) else None


def _stack(machine: Machine, args: Args, kwargs: Kwargs) -> Shape:
    members, dim = _members(machine, args, kwargs), _axis(args, kwargs)
    if not members or dim is None or members[0].shape is None:
        return None
    shape = members[0].shape
    dim = dim + len(shape) + 1 if dim < 0 else dim
    return (*shape[:dim], len(members), *shape[dim:])


def _cat(machine: Machine, args: Args, kwargs: Kwargs) -> Shape:
    members, dim = _members(machine, args, kwargs), _axis(args, kwargs)
    if not members or dim is None or members[0].shape is None:
        return None
    shapes = [member.shape for member in members]
    first = list(members[0].shape)
    if not -len(first) <= dim < len(first) or any(shape is None or len(shape) != len(first) for shape in shapes):
        return None
    along = [shape[dim] for shape in shapes if shape is not None]
    first[dim] = None if None in along else sum(part for part in along if part is not None)
    return tuple(first)


def _tensor(machine: Machine, args: Args, _: Kwargs) -> Shape:
    return nested(machine, args[0], 0) if args else None


def nested(machine: Machine, value: Value, depth: int) -> Shape:
    """Shape of nested lists, tuples and constants."""
    plain = raw(value)
    if isinstance(plain, TensorValue):
        return plain.shape
    if isinstance(plain, (bool, int, float, complex)):
        return ()
    content = machine.heap.content(plain) if isinstance(plain, ListValue) else plain
    if isinstance(content, range):
        return (len(content),)
    if not isinstance(content, (list, tuple)) or depth > 8:
        return None
    inner = nested(machine, content[0], depth + 1) if content else ()
    return None if inner is None else (len(content), *inner)


def _outer(_: Machine, args: Args, __: Kwargs) -> Shape:
    if len(args) < 2 or not all(isinstance(arg, TensorValue) and arg.shape and len(arg.shape) == 1 for arg in args[:2]):
        return None
    return (args[0].shape[0], args[1].shape[0])


_CREATE: dict[str, Callable[[Machine, Args, Kwargs], Shape]] = {
    "arange": _arange,
    "linspace": _linspace,
    "logspace": _linspace,
    "eye": _eye,
    "randperm": _randperm,
    "stack": _stack,
    "cat": _cat,
    "concat": _cat,
    "concatenate": _cat,
    "tensor": _tensor,
    "as_tensor": _tensor,
    "array": _tensor,
    "asarray": _tensor,
    "from_numpy": _tensor,
    "FloatTensor": _tensor,
    "outer": _outer,
}


def broadcast(machine: Machine, op: ast.operator, left: Value, right: Value) -> Value:
    """Shape of an elementwise operator; matrix products and unknown shapes give an unknown shape."""
    shapes: list[Shape] = []
    for value in (left, right):
        if isinstance(value, TensorValue):
            shapes.append(value.shape)
        else:
            shapes.append(() if isinstance(raw(value), (bool, int, float)) else None)
    a, b = shapes
    if a is None or b is None or isinstance(op, ast.MatMult):
        return machine.heap.new_tensor(None)
    if len(a) < len(b):
        a, b = b, a
    padded = (1,) * (len(a) - len(b)) + b
    joined = tuple((x if y == 1 else y if x == 1 else x if x == y else None) for x, y in zip(a, padded, strict=True))
    return machine.heap.new_tensor(joined)


def attribute(machine: Machine, tensor: TensorValue, name: str) -> Value | None:
    """`tensor.name`; None when there is no rule."""
    shape = tensor.shape
    if name == "shape":
        return UNKNOWN if shape is None else tuple(UNKNOWN if part is None else part for part in shape)
    if name == "ndim":
        return UNKNOWN if shape is None else len(shape)
    if name in _ATTRIBUTES:
        return method(machine, tensor, _ATTRIBUTES[name], [], {})
    if name in METHODS:
        return Native(tensor, name)
    return None


def method(machine: Machine, tensor: TensorValue, name: str, args: Args, kwargs: Kwargs) -> Value:
    """`tensor.name(...)`."""
    shape = tensor.shape
    if name in ("size", "dim", "ndimension", "numel", "nelement"):
        return _measure(tensor, name, [raw(arg) for arg in args])
    if name in ("item", "tolist"):
        return UNKNOWN
    if name.startswith("new_"):
        return machine.heap.new_tensor(sizes(machine, args[:1] if name == "new_full" else args))
    if name in SAME:
        # In-place methods give the tensor itself, which matters where a parameter is made on the way.
        inplace = name.endswith("_") or name == "requires_grad_"
        return tensor if inplace else machine.heap.new_tensor(shape)
    if shape is None and name not in ("view", "reshape", "expand"):
        return machine.heap.new_tensor(None)
    return machine.heap.new_tensor(_reshaped(machine, shape, name, args, kwargs))


def _measure(tensor: TensorValue, name: str, args: Args) -> Value:
    shape = tensor.shape
    if shape is None:
        return UNKNOWN
    if name in ("numel", "nelement"):
        total = tensor.numel()
        return UNKNOWN if total is None else total
    if name in ("dim", "ndimension"):
        return len(shape)
    if not args:
        return tuple(UNKNOWN if part is None else part for part in shape)
    dim = args[0]
    part = shape[dim] if isinstance(dim, int) and -len(shape) <= dim < len(shape) else None
    return UNKNOWN if part is None else part


def _reshaped(machine: Machine, shape: Shape, name: str, args: Args, kwargs: Kwargs) -> Shape:
    plain = [raw(arg) for arg in args]
    if name in ("view", "reshape"):
        return _view(machine, shape, plain)
    if shape is None:
        return None
    if name == "expand":
        wanted = plain[0] if len(plain) == 1 and isinstance(plain[0], tuple) else tuple(plain)
        if not all(isinstance(part, int) for part in wanted) or len(wanted) < len(shape):
            return None
        padded = (1,) * (len(wanted) - len(shape)) + shape
        return tuple(old if new == -1 else new for old, new in zip(padded, wanted, strict=True))
    if name == "repeat":
        if len(plain) < len(shape) or not all(isinstance(part, int) for part in plain):
            return None
        padded = (1,) * (len(plain) - len(shape)) + shape
        return tuple(None if old is None else old * new for old, new in zip(padded, plain, strict=True))
    return _moved(shape, name, plain, kwargs)


def _moved(shape: tuple[int | None, ...], name: str, plain: Args, kwargs: Kwargs) -> Shape:
    rank = len(shape)
    dims = plain or [raw(value) for value in kwargs.values()]
    if not all(isinstance(dim, int) for dim in dims):
        return None
    if name == "t":
        return shape[::-1]
    if name == "flatten":
        start = dims[0] if dims else 0
        if len(dims) > 1 or start not in range(rank):
            return None
        tail = shape[start:]
        return (*shape[:start], None if None in tail else math.prod(part for part in tail if part is not None))
    if name == "unsqueeze" and dims:
        at = dims[0] if dims[0] >= 0 else dims[0] + rank + 1
        return (*shape[:at], 1, *shape[at:])
    if name == "squeeze":
        if not dims:
            return None if None in shape else tuple(part for part in shape if part != 1)
        at = dims[0] % rank if rank else 0
        return tuple(part for index, part in enumerate(shape) if index != at or part != 1)
    if name in ("transpose", "permute") and rank and all(-rank <= dim < rank for dim in dims):
        order = list(range(rank))
        if name == "permute":
            order = [dim % rank for dim in dims]
        elif len(dims) == 2:
            a, b = dims[0] % rank, dims[1] % rank
            order[a], order[b] = b, a
        return tuple(shape[dim] for dim in order) if sorted(order) == list(range(rank)) else None
    return None


def _view(machine: Machine, shape: Shape, plain: Args) -> Shape:
    wanted = sizes_or_minus(machine, plain)
    if wanted is None or wanted.count(-1) == 0:
        return wanted
    rest = [part for part in wanted if part != -1]
    if shape is None or None in shape or None in rest or wanted.count(-1) > 1:
        return tuple(None if part == -1 else part for part in wanted)
    known = math.prod(part for part in rest if part is not None)
    total = math.prod(part for part in shape if part is not None)
    return tuple((total // known if known else None) if part == -1 else part for part in wanted)


def sizes_or_minus(machine: Machine, plain: Args) -> Shape:
    """Arguments of `view`: sizes of which one may be -1."""
    if len(plain) == 1 and type(plain[0]) is tuple:
        plain = [raw(part) for part in plain[0]]
    elif len(plain) == 1 and isinstance(plain[0], ListValue):
        plain = [raw(part) for part in machine.heap.content(plain[0]) or [UNKNOWN]]
    return tuple(part if isinstance(part, int) and not isinstance(part, bool) else None for part in plain)


def index(machine: Machine, tensor: TensorValue, key: Value) -> Value:
    """`tensor[key]` for integers, slices, None and `...`; anything else has an unknown shape."""
    if tensor.shape is None:
        return machine.heap.new_tensor(None)
    keys = list(key) if type(key) is tuple else [key]
    keys = [raw(one) for one in keys]
    explicit = sum(1 for one in keys if one is not None and one is not Ellipsis)
    if Ellipsis not in [one for one in keys if isinstance(one, type(Ellipsis))]:
        keys.append(Ellipsis)
    parts = list(tensor.shape)
    if explicit > len(parts):
        return machine.heap.new_tensor(None)
    result: list[int | None] = []
    for one in keys:
        if one is None:
            result.append(1)
        elif one is Ellipsis:
            while len(parts) > explicit:
                result.append(parts.pop(0))
        elif isinstance(one, slice):
            part = parts.pop(0)
            explicit -= 1
            result.append(None if part is None else len(range(*one.indices(part))))
        elif isinstance(one, int) and not isinstance(one, bool):
            parts.pop(0)
            explicit -= 1
        else:
            return machine.heap.new_tensor(None)
    return machine.heap.new_tensor(tuple(result))
