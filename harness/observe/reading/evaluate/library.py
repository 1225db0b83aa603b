"""Calls of library functions: builtins, `os`, `math`, `torch` and the few others that decide a configuration."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from harness.observe.reading.evaluate import builtin, environment, modules, tensors
from harness.observe.reading.evaluate.machine import Raised
from harness.observe.reading.evaluate.values import (
    UNKNOWN,
    DictValue,
    External,
    Function,
    Instance,
    ListValue,
    Native,
    Partial,
    TensorValue,
    Unknown,
    Value,
    Wrapped,
    deps,
    is_scalar,
    raw,
    tag,
    union,
    words,
)

if TYPE_CHECKING:
    from harness.observe.reading.evaluate.calls import Calls
    from harness.observe.reading.evaluate.machine import Frame

Args = list[Value]
Kwargs = dict[str, Value]
Rule = Callable[["Calls", Args, Kwargs, ast.AST, "Frame"], Value]

_MATH = words(
    "acos acosh asin asinh atan atan2 atanh ceil copysign cos cosh degrees erf exp expm1 fabs floor fmod frexp "
    "gcd hypot isclose isfinite isinf isnan isqrt ldexp log log10 log1p log2 radians remainder sin sinh sqrt tan "
    "tanh trunc lcm pow"
)
_HARMLESS = words(
    "torch numpy math os sys time json zlib lzma bz2 gzip brotli zstandard pickle struct io logging warnings glob "
    "sentencepiece pathlib re hashlib datetime subprocess uuid ctypes inspect typing string base64 gc platform "
    "copy builtins traceback statistics operator itertools collections functools contextlib dataclasses shutil "
    "tempfile flash_attn flash_attn_interface triton tqdm wandb"
)
"""Packages whose functions leave a list or dict argument as it is."""
_STARTERS = ("subprocess.", "os.system", "os.exec", "os.spawn", "os.popen", "runpy.")
_MUTATING = ("shuffle", "_object_list", "all_gather_object", "gather_object", "setdefault")
_SHAPED = ("torch.", "numpy.", "torch.nn.functional.", "torch.linalg.")
_WRAPPERS = frozenset({"DistributedDataParallel", "DataParallel", "FullyShardedDataParallel"})


def call(machine: Calls, path: str, args: Args, kwargs: Kwargs, node: ast.AST, frame: Frame) -> Value:
    """Call of the library function `path`."""
    rule = _RULES.get(path)
    if rule is not None:
        return rule(machine, args, kwargs, node, frame)
    root, _, name = path.partition(".")
    if root == "builtins":
        if name.startswith(("globals().", "locals().")):
            machine.trace.incomplete("`globals()` is used in a way that is not followed")
        return builtin.call(machine, name, args, kwargs, frame)
    last = path.rsplit(".", 1)[-1]
    if root == "torch":
        machine.risks += 1
        if path.startswith("torch.nn.init."):
            return args[0] if args else UNKNOWN
    elif root == "os":
        found = environment.call(machine, path, args, node, frame)
        if found is not None or path.startswith("os.environ."):
            return found
    elif root == "math" and name in _MATH:
        return _math(machine, name, args)
    if path.startswith(_SHAPED):
        made = tensors.create(machine, last, args, kwargs)
        if made is not None:
            return made
    if last in _WRAPPERS and args:
        return Wrapped(args[0])
    return unmodelled(machine, path, args, kwargs, frame)


def unmodelled(machine: Calls, path: str, args: Args, kwargs: Kwargs, frame: Frame) -> Value:
    """A call into a library: its arguments may be called; its result is unknown."""
    root, last = path.split(".", 1)[0], path.rsplit(".", 1)[-1]
    if path.startswith(_STARTERS) and _starts_python(machine, [*args, *kwargs.values()], frame):
        machine.trace.incomplete(f"{path} starts Python code in another process")
    mutable = root not in _HARMLESS or last.endswith(_MUTATING)
    for value in (*args, *kwargs.values()):
        machine.hand_over(value, frame, mutable=mutable)
    machine.risks += 1
    # A class of a library that is not known here may be a layer with parameters of its own.
    hides = path if last[:1].isupper() and (root not in _HARMLESS or path.startswith("torch.nn.")) else None
    # What a library gives back depends on more than the constants given to it, so no dependence is carried over.
    return Unknown(hides=hides) if hides else UNKNOWN


def _starts_python(machine: Calls, args: Args, frame: Frame) -> bool:
    """Whether a process is started that may run the submission again, other than an installer."""
    words: list[str] = []
    for value in args:
        items = machine.iterate(value, frame) if isinstance(value, ListValue) or type(value) is tuple else [value]
        for item in items or ():
            plain = raw(item)
            words.append(
                "python" if isinstance(plain, External) and plain.path == "sys.executable" else str(plain)[:500]
            )
    text = " ".join(words)
    if any(word in text for word in ("pip", "ensurepip", "ninja", "nvcc")):
        return False
    return any(word in text for word in ("python", "torchrun", ".py"))


def _math(machine: Calls, name: str, args: Args) -> Value:
    plain = [raw(arg) for arg in args]
    names = deps(args[0]) if args else frozenset()
    for arg in args[1:]:
        names = union(names, deps(arg))
    if not all(isinstance(arg, (int, float)) and abs(arg) < 1e300 for arg in plain):
        return machine.risky(Unknown(names))
    try:
        return tag(getattr(math, name)(*plain), names)
    except (ValueError, TypeError, OverflowError):
        return machine.risky(Unknown(names))


def _true(*_: Any) -> Value:
    return True


def _unknown(machine: Calls, *_: Any) -> Value:
    return machine.risky()


def _world_size(machine: Calls, args: Args, *_: Any) -> Value:
    value = machine.heap.read(machine.environment, "WORLD_SIZE")
    text = raw(value)
    known = isinstance(text, str) and text.isdecimal() and len(text) < 6 and not args
    return tag(int(text), frozenset({"world_size"})) if known else Unknown(frozenset({"world_size"}))


def _rank(*_: Any) -> Value:
    return Unknown(frozenset({"rank"}))


def _first(_: Calls, args: Args, __: Kwargs, ___: ast.AST, ____: Frame) -> Value:
    return args[0] if args else External("identity")


def _compile(machine: Calls, args: Args, kwargs: Kwargs, _: ast.AST, frame: Frame) -> Value:
    model = args[0] if args else kwargs.get("model", kwargs.get("fn", External("identity")))
    if "backend" in kwargs:
        machine.hand_over(kwargs["backend"], frame)
    return model


def _exit(_: Calls, __: Args, ___: Kwargs, node: ast.AST, ____: Frame) -> Value:
    raise Raised("SystemExit", node)


def _partial(_: Calls, args: Args, kwargs: Kwargs, __: ast.AST, ___: Frame) -> Value:
    return Partial(args[0], tuple(args[1:]), kwargs) if args and "**" not in kwargs else UNKNOWN


def _reduce(machine: Calls, args: Args, kwargs: Kwargs, _: ast.AST, frame: Frame) -> Value:
    for value in (*args, *kwargs.values()):
        machine.hand_over(value, frame, mutable=False)
    return machine.risky()


def _deepcopy(machine: Calls, args: Args, _: Kwargs, __: ast.AST, ___: Frame) -> Value:
    return modules.clone(machine, args[0], {}) if args else UNKNOWN


def _copy(machine: Calls, args: Args, _: Kwargs, __: ast.AST, ___: Frame) -> Value:
    value = args[0] if args else UNKNOWN
    if isinstance(value, Instance):
        twin = Instance(machine.heap.new_slots(), value.cls)
        for key, item in machine.heap.entries(value.slots):
            machine.heap.write(twin.slots, key, item)
        return twin
    if isinstance(value, ListValue):
        return machine.heap.new_list(machine.heap.content(value))
    return machine.heap.new_dict(machine.heap.content(value)) if isinstance(value, DictValue) else value


def _open_dict(machine: Calls, args: Args, _: Kwargs, __: ast.AST, frame: Frame) -> Value:
    """A dict that makes its items when asked for them."""
    for value in args:
        machine.hand_over(value, frame, mutable=False)
    return machine.heap.new_dict(None)


def _deque(machine: Calls, args: Args, kwargs: Kwargs, _: ast.AST, frame: Frame) -> Value:
    items = machine.iterate(args[0], frame) if args else []
    return machine.heap.new_list(None if kwargs or len(args) > 1 else items)


def _ordered_dict(machine: Calls, args: Args, kwargs: Kwargs, _: ast.AST, frame: Frame) -> Value:
    return builtin.call(machine, "dict", args, kwargs, frame)


def _field(_: Calls, __: Args, kwargs: Kwargs, ___: ast.AST, ____: Frame) -> Value:
    return Native(dict(kwargs), "field")


def _replace(machine: Calls, args: Args, kwargs: Kwargs, node: ast.AST, frame: Frame) -> Value:
    twin = _copy(machine, args, {}, node, frame)
    if not isinstance(twin, Instance) or "**" in kwargs:
        return machine.risky()
    for key, value in kwargs.items():
        machine.heap.write(twin.slots, key, value)
    return twin


def _asdict(machine: Calls, args: Args, _: Kwargs, __: ast.AST, frame: Frame) -> Value:
    return machine.attribute(args[0], "__dict__", frame) if args and isinstance(args[0], Instance) else machine.risky()


def _path_join(machine: Calls, args: Args, _: Kwargs, __: ast.AST, ___: Frame) -> Value:
    parts = [raw(arg) for arg in args]
    names = union(deps(args[0]), deps(args[-1])) if args else frozenset()
    known = bool(parts) and all(isinstance(part, str) for part in parts) and sum(map(len, parts)) < 10_000
    text = ""
    for part in parts if known else ():
        text = part if part.startswith("/") or not text else text.rstrip("/") + "/" + part
    return tag(text, names) if known else machine.risky(Unknown(names))


def _import_module(machine: Calls, args: Args, _: Kwargs, __: ast.AST, ___: Frame) -> Value:
    name = raw(args[0]) if args else None
    if not isinstance(name, str):
        if len(machine.sources) > 1:
            machine.trace.incomplete("a module of unknown name is imported")
        return machine.risky()
    module = machine.load(name)
    return module if module is not None else machine.risky(machine.external(name))


def _suppress_result(machine: Calls, args: Args, *_: Any) -> Value:
    return machine.risky(Unknown(deps(args[0]) if args and is_scalar(args[0]) else frozenset()))


def _function_object(machine: Calls, args: Args, kwargs: Kwargs, _: ast.AST, frame: Frame) -> Value:
    """A decorator factory that leaves the function as it is, unless it is given the function at once."""
    if args and isinstance(args[0], Function):
        return args[0]
    for value in (*args, *kwargs.values()):
        machine.hand_over(value, frame, mutable=False)
    return External("identity")


def _inner_parameter(machine: Calls, args: Args, *_: Any) -> Value:
    data = raw(args[0]) if args else UNKNOWN
    shape = data.shape if isinstance(data, TensorValue) else None
    return machine.heap.new_tensor(shape)


_RULES: dict[str, Rule] = {
    "identity": _first,
    "torch.cuda.is_available": _true,
    "torch.distributed.is_available": _true,
    "torch.distributed.get_world_size": _world_size,
    "torch.distributed.get_rank": _rank,
    "torch.compile": _compile,
    "torch.jit.script": _compile,
    "torch.compiler.disable": _function_object,
    "torch._dynamo.disable": _function_object,
    "functools.wraps": _function_object,
    "functools.lru_cache": _function_object,
    "functools.cache": _function_object,
    "torch.no_grad": _function_object,
    "torch.inference_mode": _function_object,
    "functools.partial": _partial,
    "functools.reduce": _reduce,
    "copy.deepcopy": _deepcopy,
    "copy.copy": _copy,
    "collections.defaultdict": _open_dict,
    "collections.Counter": _open_dict,
    "collections.OrderedDict": _ordered_dict,
    "collections.deque": _deque,
    "dataclasses.field": _field,
    "dataclasses.replace": _replace,
    "dataclasses.asdict": _asdict,
    "os.path.join": _path_join,
    "sys.exit": _exit,
    "os._exit": _exit,
    "builtins.exit": _exit,
    "builtins.quit": _exit,
    "importlib.import_module": _import_module,
    "builtins.__import__": _import_module,
    "torch.Tensor.__new__": _unknown,
    "torch.from_numpy": _inner_parameter,
}
