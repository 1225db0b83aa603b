"""`modal`, for launchers that modal itself would run: what it would call elsewhere is called here.

It is not there for other scripts: a script that torchrun starts fails at `import modal` on the competition's machine.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from harness.observe.cpu_run.guest.fidelity import StandIn, stand_in, used
from harness.observe.cpu_run.guest.stand_ins.inert import Inert, inert

NAME = "modal"

stand_in(
    StandIn(
        NAME, exact=True, reason="functions are called here, not on machines elsewhere; images and volumes are nothing"
    )
)


class Finished:
    """A call that was spawned: it has been made already."""

    def __init__(self, result: Any) -> None:
        self._result = result

    def get(self, *_args: object, **_options: object) -> Any:
        """What it gave."""
        return self._result


class RemoteFunction:
    """A decorated function: every way of calling it calls it here."""

    def __init__(self, function: Callable[..., Any]) -> None:
        functools.update_wrapper(self, function)
        self._function = function

    def __call__(self, *args: Any, **options: Any) -> Any:
        """Call it."""
        used(NAME)
        return self._function(*args, **options)

    local = remote = __call__

    def __get__(self, instance: object, owner: type | None = None) -> RemoteFunction:
        """As a method of an instance."""
        return self if instance is None else RemoteFunction(functools.partial(self._function, instance))

    def remote_gen(self, *args: Any, **options: Any) -> Iterator[Any]:
        """What it yields."""
        yield from self(*args, **options)

    def spawn(self, *args: Any, **options: Any) -> Finished:
        """Call it now."""
        return Finished(self(*args, **options))

    def map(self, *inputs: Iterable[Any], **_options: object) -> Iterator[Any]:
        """Call it for each input."""
        return (self(*each) for each in zip(*inputs, strict=False))

    def starmap(self, inputs: Iterable[Iterable[Any]], **_options: object) -> Iterator[Any]:
        """Call it for each tuple of inputs."""
        return (self(*each) for each in inputs)

    def with_options(self, **_options: object) -> RemoteFunction:
        """Itself: which machine it would run on is nothing here."""
        return self


def _decorator(*_args: object, **_options: object) -> Callable[[Callable[..., Any]], RemoteFunction]:
    return RemoteFunction


class App(Inert):
    """`modal.App`: its decorators make functions callable in modal's ways."""

    def __init__(self, *_args: object, **_options: object) -> None:
        """Take any settings."""

    function = staticmethod(_decorator)
    local_entrypoint = staticmethod(_decorator)


def names() -> dict[str, object]:
    """What is in modal."""
    used(NAME)
    return {
        "__version__": "1.0.0",
        "App": App,
        "Stub": App,
        "method": _decorator,
        "is_local": bool,  # False: this is what modal runs, not who asks for it
        "__getattr__": inert,
    }
