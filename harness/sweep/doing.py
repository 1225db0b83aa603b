"""What every worker of a sweep is at, told through a socket of datagrams: nobody waits for a lock that a killed worker
holds, and what nobody takes is dropped.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from types import TracebackType
from typing import NamedTuple

from harness.observe.moment import Moment

_SAID = 200
"""Most characters of a submission's own words in one datagram."""
_PAUSE = 0.2
"""Seconds between two datagrams of one worker about the same work."""


class Doing(NamedTuple):
    """What is done about one pull request."""

    pr: int
    moment: Moment


class Teller:
    """The end of a worker. It is handed to the worker when that is started."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._pr = 0
        self._last = ("", 0.0)

    def begin(self, pr: int) -> None:
        """From now on it is about this pull request."""
        self._pr = pr
        self._last = ("", 0.0)
        self._send(Moment("starting"))

    def show(self, moment: Moment) -> None:
        """Tell what is done now. More of the same is told a few times a second only."""
        doing, when = self._last
        now = time.monotonic()
        if moment.doing != doing or now - when >= _PAUSE:
            self._last = (moment.doing, now)
            self._send(moment)

    def _send(self, moment: Moment) -> None:
        data = json.dumps([self._pr, moment.doing, moment.said[:_SAID]]).encode()
        try:
            self._end.send(data, socket.MSG_DONTWAIT)
        except OSError:
            return  # nobody listens, or not now; the next one says more


class Listener:
    """The end of the sweep. Use as a context manager."""

    def __init__(self) -> None:
        self._end, self.theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)

    def __enter__(self) -> Listener:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.close()
        self.theirs.close()

    def heard(self) -> Iterator[Doing]:
        """What came since the last time."""
        while True:
            try:
                data = self._end.recv(1 << 16, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            pr, doing, said = json.loads(data)
            yield Doing(pr, Moment(doing, said))
