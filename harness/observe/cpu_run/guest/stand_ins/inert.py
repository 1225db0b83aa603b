"""Packages that only observe a run (loggers, plots, gauges): whatever is asked of them happens, and does nothing."""

from __future__ import annotations

from collections.abc import Iterator
from types import FunctionType
from typing import Any

from harness.observe.cpu_run.guest.fidelity import StandIn, stand_in, used

OBSERVERS = (
    "wandb",
    "mlflow",
    "tensorboard",
    "tensorboardX",
    "aim",
    "comet_ml",
    "neptune",
    "swanlab",
    "clearml",
    "trackio",
    "matplotlib",
    "seaborn",
    "plotly",
    "psutil",
    "pynvml",
    "nvidia_smi",
    "GPUtil",
    "gpustat",
    "py3nvml",
    "torchinfo",
    "torchsummary",
    "line_profiler",
    "memory_profiler",
)
"""Packages whose calls give nothing back that a run computes with or prints (so not `termcolor` or `loguru`)."""


class Inert:
    """An object of which everything can be asked. As a number it is 0, as a sequence empty, as a decorator nothing."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __setattr__(self, name: str, value: object) -> None:
        """Forget it."""

    def __call__(self, *args: Any, **_options: Any) -> Any:
        """Nothing; as a decorator, the function itself."""
        if len(args) == 1 and isinstance(args[0], (FunctionType, type)):
            return args[0]
        return self

    def __enter__(self) -> Inert:
        return self

    def __exit__(self, *_error: object) -> None:
        return None

    def __getitem__(self, key: object) -> Any:
        return self

    def __setitem__(self, key: object, value: object) -> None:
        """Forget it."""

    def __iter__(self) -> Iterator[Any]:
        return iter(())

    def __len__(self) -> int:
        return 0

    def __bool__(self) -> bool:
        return True

    def __int__(self) -> int:
        return 0

    def __float__(self) -> float:
        return 0.0

    def __index__(self) -> int:
        return 0

    def __str__(self) -> str:
        return ""

    def __format__(self, spec: str) -> str:
        try:
            return format(0.0, spec) if spec else ""
        except ValueError:
            return format("", spec)

    def __lt__(self, other: Any) -> bool:
        return bool(other > 0)

    def __gt__(self, other: Any) -> bool:
        return bool(other < 0)

    def _zero(self, _other: object) -> float:
        return 0.0

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __floordiv__ = __mod__ = _zero


class Bar:
    """`tqdm.tqdm`: the things it is given, one after the other, without a bar."""

    def __init__(self, iterable: Any = (), *_args: object, total: object = None, **_options: object) -> None:
        self._iterable = iterable
        self.total = total
        self.n = 0

    def __iter__(self) -> Iterator[Any]:
        for item in () if self._iterable is None else self._iterable:
            yield item
            self.n += 1

    def __len__(self) -> int:
        return len(self._iterable)

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *_error: object) -> None:
        return None

    def update(self, n: int = 1) -> None:
        """Count."""
        self.n += n

    @staticmethod
    def write(text: object = "", *_args: object, **_options: object) -> None:
        """Print a line, as tqdm does above its bars."""
        print(text)  # noqa: T201  what the script says belongs to its output

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Inert()


def _range(*args: int, **options: object) -> Bar:
    return Bar(range(*args), **options)


def inert_names(package: str) -> dict[str, object]:
    """What is in the stand-in of an observing package."""
    used(package)
    return {"__version__": "9.0.0", "__getattr__": inert}


def bar_names() -> dict[str, object]:
    """What is in the stand-in of tqdm."""
    used("tqdm")
    return {"__version__": "4.67.1", "tqdm": Bar, "trange": _range}


def inert(name: str) -> Inert:
    """Any attribute of an inert module. Raises AttributeError for names of Python's own."""
    if name.startswith("__"):
        raise AttributeError(name)
    return Inert()


for _package in OBSERVERS:
    stand_in(StandIn(_package, exact=True, reason="it only observes: its calls do nothing and give nothing"))
stand_in(StandIn("tqdm", exact=True, reason="a progress bar that shows nothing"))
