"""One deterministic virtual clock for everything that a submission can ask the time.

Each reading advances it by a millisecond, whichever clock is read; sleeping advances it by the time asked for and
returns at once. Schedules, time limits and timings printed then depend on what the program does, not on the machine,
and a run is the same twice. `real` is the machine's monotonic clock in seconds, for our own measurements.
"""

from __future__ import annotations

import datetime as dt
import threading
import time
import timeit
from collections.abc import Callable, Sequence
from typing import Any

from harness.observe.cpu_run.guest.fidelity import StandIn, stand_in

NAME = "virtual clock"
STEP_NS = 1_000_000
"""What one reading costs, in nanoseconds."""
START = 1_767_225_600
"""The first second of the clock, as Unix time: 2026-01-01T00:00:00Z."""

real: Callable[[], float] = time.monotonic
wall: Callable[[], float] = time.time
"""The machine's Unix time, as it stands on files."""

_lock = threading.Lock()
_passed = 0


def read() -> int:
    """Advance the clock by one step and give the nanoseconds since it started."""
    return advance(STEP_NS)


def advance(nanoseconds: int) -> int:
    """Advance the clock, and give the nanoseconds since it started."""
    global _passed  # noqa: PLW0603  one clock for the process: that is what this module is
    with _lock:
        _passed += nanoseconds
        return _passed


def restart() -> None:
    """Set the clock back to its start: runs forked later begin at the same time."""
    advance(-_passed)


_REAL = {name: getattr(time, name) for name in ("localtime", "gmtime", "ctime", "strftime", "asctime", "clock_gettime")}
_OFFSETS = {  # name in `time`: nanoseconds that it shows when the clock starts
    "time": START * 10**9,
    "monotonic": 1_000 * 10**9,
    "perf_counter": 1_000 * 10**9,
    "process_time": 10 * 10**9,
    "thread_time": 10 * 10**9,
}


def _seconds(name: str, offset: int) -> Callable[[], float]:
    def reading() -> float:
        return (offset + read()) / 1e9

    reading.__name__ = reading.__qualname__ = name
    return reading


def _nanoseconds(name: str, offset: int) -> Callable[[], int]:
    def reading() -> int:
        return offset + read()

    reading.__name__ = reading.__qualname__ = name
    return reading


def sleep(seconds: float, /) -> None:
    """As time.sleep: the virtual time passes, the real time does not. ValueError for a negative time."""
    if seconds < 0:
        raise ValueError("sleep length must be non-negative")
    advance(int(seconds * 1e9))
    _real_sleep(0)  # a loop that waits for another thread lets it run


_real_sleep = time.sleep


def _now() -> float:
    return (_OFFSETS["time"] + read()) / 1e9


def _defaulting(name: str) -> Callable[..., Any]:
    """localtime, gmtime and ctime: without an argument, of the virtual now."""
    original = _REAL[name]

    def reading(seconds: float | None = None, /) -> Any:
        return original(_now() if seconds is None else seconds)

    reading.__name__ = reading.__qualname__ = name
    return reading


def strftime(form: str, moment: Sequence[int] | None = None, /) -> str:
    """As time.strftime, of the virtual now where no moment is given."""
    return str(_REAL["strftime"](form, _REAL["localtime"](_now()) if moment is None else moment))


def asctime(moment: Sequence[int] | None = None, /) -> str:
    """As time.asctime, of the virtual now where no moment is given."""
    return str(_REAL["asctime"](_REAL["localtime"](_now()) if moment is None else moment))


def clock_gettime(clock: int, /) -> float:
    """As time.clock_gettime: every clock is the virtual one, with the offset of its kind."""
    return (_offset(clock) + read()) / 1e9


def clock_gettime_ns(clock: int, /) -> int:
    """As time.clock_gettime_ns."""
    return _offset(clock) + read()


def _offset(clock: int) -> int:
    if clock == time.CLOCK_REALTIME:
        return _OFFSETS["time"]
    if clock in (time.CLOCK_PROCESS_CPUTIME_ID, time.CLOCK_THREAD_CPUTIME_ID):
        return _OFFSETS["process_time"]
    return _OFFSETS["monotonic"]


_RealDate = dt.date
_RealDatetime = dt.datetime


class _AnyDatetime(type):
    """isinstance(x, datetime.datetime) holds for those made before the clock was installed."""

    def __instancecheck__(cls, value: object) -> bool:
        return isinstance(value, _RealDatetime)

    def __subclasscheck__(cls, other: type) -> bool:
        return issubclass(other, _RealDatetime)


class _AnyDate(type):
    def __instancecheck__(cls, value: object) -> bool:
        return isinstance(value, _RealDate)

    def __subclasscheck__(cls, other: type) -> bool:
        return issubclass(other, _RealDate)


class VirtualDatetime(_RealDatetime, metaclass=_AnyDatetime):
    """datetime.datetime whose now is the virtual one."""

    @classmethod
    def now(cls, tz: dt.tzinfo | None = None) -> VirtualDatetime:
        """The virtual now, in a time zone or as local time."""
        return cls.fromtimestamp(_now(), tz)

    @classmethod
    def utcnow(cls) -> VirtualDatetime:
        """The virtual now in UTC, without a time zone."""
        return cls.fromtimestamp(_now(), dt.UTC).replace(tzinfo=None)

    @classmethod
    def today(cls) -> VirtualDatetime:
        """The virtual now as local time."""
        return cls.now()


class VirtualDate(_RealDate, metaclass=_AnyDate):
    """datetime.date whose today is the virtual one."""

    @classmethod
    def today(cls) -> VirtualDate:
        """The virtual day."""
        return cls.fromtimestamp(_now())


def install() -> None:
    """Put the virtual clock in the place of `time` and `datetime`; a second call changes nothing."""
    if time.sleep is sleep:
        return
    stand_in(StandIn(NAME, exact=True, reason="time passes by readings (1 ms each) and sleeping, not by the machine"))
    patched: dict[str, Callable[..., Any]] = {
        "sleep": sleep, "strftime": strftime, "asctime": asctime,
        "clock_gettime": clock_gettime, "clock_gettime_ns": clock_gettime_ns,
    }  # fmt: skip
    for name, offset in _OFFSETS.items():
        patched[name] = _seconds(name, offset)
        patched[name + "_ns"] = _nanoseconds(name + "_ns", offset)
    for name in ("localtime", "gmtime", "ctime"):
        patched[name] = _defaulting(name)
    for name, function in patched.items():
        function.__module__ = "time"
        setattr(time, name, function)
    timeit.default_timer = time.perf_counter
    for name, kind in (("datetime", VirtualDatetime), ("date", VirtualDate)):
        kind.__module__, kind.__name__, kind.__qualname__ = "datetime", name, name
        setattr(dt, name, kind)
