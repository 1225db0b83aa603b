"""Environment variables: `os.environ` and `os.getenv`."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from harness.observe.reading.evaluate.trace import EnvTrace
from harness.observe.reading.evaluate.values import MISSING, DictValue, Unknown, Value, is_scalar, raw, tag, words

if TYPE_CHECKING:
    from harness.observe.reading.evaluate.machine import Frame, Machine

_SHARED = {"WORLD_SIZE": "world_size", "LOCAL_WORLD_SIZE": "world_size"}
VARYING = frozenset({"RANK", "LOCAL_RANK", "NODE_RANK", "GROUP_RANK"})
"""Variables that differ between the processes of one launch: set, but unknown."""
_AMBIENT = words(
    "HOME PATH USER LOGNAME PWD HOSTNAME SHELL TERM LANG TMPDIR TEMP TMP DISPLAY VIRTUAL_ENV CONDA_PREFIX "
    "LD_LIBRARY_PATH PYTHONPATH GROUP_RANK ROLE_RANK NODE_RANK"
)
_AMBIENT_PREFIXES = (
    "SLURM_",
    "NCCL_",
    "TORCH",
    "PYTORCH_",
    "CUDA_",
    "OMP_",
    "HF_",
    "WANDB_",
    "RUNPOD",
    "KAGGLE",
    "COLAB",
)


def ambient(variable: str) -> bool:
    """Whether the machine may set the variable, whatever the submission says."""
    return variable in _AMBIENT or variable.startswith(_AMBIENT_PREFIXES)


def setting_name(variable: str) -> str:
    """The name under which dependence on an environment variable is noted."""
    return "rank" if variable in VARYING else _SHARED.get(variable, variable)


def presence(machine: Machine, name: str) -> bool | None:
    """Whether an environment variable is set; None when the machine, or some path, may have set it."""
    value = machine.heap.read(machine.environment, name)
    if value is MISSING:
        return None if ambient(name) else False
    return True if type(value) is not Unknown or "rank" in value.deps else None


def read_variable(machine: Machine, name: str, args: list[Value], node: ast.AST, frame: Frame) -> Value:
    """`os.environ.get`, `os.getenv`, `os.environ[...]` and the like; the read is noted."""
    variable = raw(args[0]) if args else None
    if name in ("copy", "items", "keys", "values"):
        return machine.heap.new_dict(None) if name == "copy" else machine.heap.new_list(None)
    if not isinstance(variable, str):
        return machine.risky()
    names = frozenset({setting_name(variable)})
    default = args[1] if len(args) > 1 else MISSING if name == "__getitem__" else None
    key = (variable, id(node), frame.source.layer)
    if key not in machine.trace.reads:
        line = getattr(node, "lineno", 1)
        plain = raw(default) if default is not MISSING and is_scalar(default) else None
        given = len(args) > 1 and default is not MISSING
        machine.trace.reads[key] = EnvTrace(variable, plain, given, line, frame.source)
    found = machine.heap.read(machine.environment, variable)
    if found is MISSING and ambient(variable):
        return Unknown(names)
    if found is MISSING:
        if default is MISSING:
            return machine.risky(Unknown(names))
        if name == "setdefault":
            machine.heap.write(machine.environment, variable, default)
        return tag(default, names)
    if name == "pop":
        machine.heap.write(machine.environment, variable, MISSING)
    return tag(found, names)


_ENVIRONMENT: frozenset[str] = frozenset({"get", "pop", "setdefault", "copy", "items", "keys", "values", "__getitem__"})


def call(machine: Machine, path: str, args: list[Value], node: ast.AST, frame: Frame) -> Value | None:
    """`os.getenv(...)` or `os.environ.<method>(...)`; None for another path."""
    if path == "os.getenv":
        return read_variable(machine, "get", args, node, frame)
    head, _, name = path.rpartition(".")
    if head != "os.environ":
        return None
    if name == "update":
        content = machine.heap.content(args[0]) if args and isinstance(args[0], DictValue) else None
        if content is None:
            machine.trace.incomplete("the environment is updated with unknown variables")
        for key, value in (content or {}).items():
            machine.heap.write(machine.environment, key, value)
        return None
    return read_variable(machine, name, args, node, frame) if name in _ENVIRONMENT else machine.risky()
