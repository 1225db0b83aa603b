"""The limited process in which a submission is read for its run.

Planning a run and understanding what it did parse hostile text, over and over, so they happen in a forked child with
limits of its own, as all reading does. The child talks to the sandbox over pipes that it inherits; what only the
process that started the sandbox can do (give it time, end it, say how it ended) it asks its parent for, over a pipe of
JSON. Facts come back the same way and are validated; when the child dies, what it had found so far is kept.
"""

from __future__ import annotations

import dataclasses
import gc
import json
import multiprocessing
import os
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from types import TracebackType
from typing import IO, Any

from harness.model.base import Frozen
from harness.model.cpu_run import Begun, CpuRunFacts, Fault, RunFailure
from harness.observe.confinement import OUT_OF_MEMORY, allow_cpu, confine, ended
from harness.observe.cpu_run.driver import Keep
from harness.observe.cpu_run.session import Session
from harness.observe.moment import Moment, Show
from harness.observe.sandbox.provider import Ended, Ending, Sandboxed

MEMORY_BYTES = 3 << 30
"""Of addresses, beyond those that the child starts with."""
FILE_BYTES = 256 << 20
"""The largest file that is written into the cache of inputs."""
CPU_SECONDS = 300
MAX_MESSAGE = 64 << 20
_OPEN_FILES = 256
_TICK = 2.0

Work = Callable[[Session, Show, Keep], CpuRunFacts]


class Examined(Frozen):
    """What came of a run, and whether its sandbox is as it was: nothing was sent into it."""

    facts: CpuRunFacts
    untouched: bool = False


class ExaminerError(Exception):
    """The child failed for a reason that lies with the harness; the message holds its traceback."""


def examined(work: Work, session: Session, show: Show, keep: Keep) -> Examined:
    """`work` done in a limited child with the session of this process.

    Raises ExaminerError when the harness itself is at fault.
    """
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, ours, work, session, os.getpid()), daemon=True)
    process.start()
    theirs.close()
    begun: Begun | None = None
    try:
        while True:
            message = _heard(ours, session)
            if message is None:
                return Examined(facts=_died(ended(_exit_code(process), MEMORY_BYTES, CPU_SECONDS), begun))
            match message.get("do"):
                case "show":
                    show(Moment(str(message["doing"]), str(message["said"])))
                case "keep":
                    begun = Begun.model_validate(message["begun"])
                    keep(begun)
                case "done":
                    return Examined.model_validate(message["examined"])
                case "failed":
                    raise ExaminerError(str(message["trace"])[-4_000:])
                case _:
                    _send(ours, _control(session.sandbox, message))
    finally:
        ours.close()
        process.kill()
        process.join()


def _heard(connection: Connection, session: Session) -> dict[str, Any] | None:
    """The next message, or None where the child is gone, or stays silent although its sandbox has ended."""
    silent = 0.0
    try:
        while not connection.poll(_TICK):
            silent = silent + _TICK if session.sandbox.poll() is not None else 0.0
            if silent > CPU_SECONDS:
                return None
        message = json.loads(connection.recv_bytes(MAX_MESSAGE))
    except (EOFError, OSError, ValueError, RecursionError):
        return None
    return message if isinstance(message, dict) else None


def _exit_code(process: Any) -> int | None:
    process.join(5)
    code: int | None = process.exitcode
    return code


def _died(why: str, begun: Begun | None) -> CpuRunFacts:
    failure = RunFailure(
        fault=Fault.LIMIT, exception="", message=f"The submission could not be read for its run: {why}."
    )
    return (begun.run if begun is not None else CpuRunFacts()).model_copy(update={"failure": failure})


def _control(sandbox: Sandboxed, message: dict[str, Any]) -> dict[str, Any]:
    """What the parent does for the child."""
    match message["do"]:
        case "allow":
            sandbox.allow(float(message["seconds"]))
            return {}
        case "poll":
            return {"ending": _told(sandbox.poll())}
        case "wait":
            try:
                return {"ending": _told(sandbox.wait(min(float(message["seconds"]), 60.0)))}
            except TimeoutError:
                return {"ending": None}
        case "kill":
            return {"ending": _told(sandbox.kill(Ended(message["why"]), str(message["message"])[:1_000]))}
        case "stderr":
            return {"stderr": sandbox.stderr.decode(errors="replace")}
        case other:
            raise ExaminerError(f"the examining child asked for {other!r}, which is nothing that it may have")


def _told(ending: Ending | None) -> dict[str, Any] | None:
    return dataclasses.asdict(ending) if ending is not None else None


def _send(connection: Connection, message: dict[str, Any]) -> None:
    connection.send_bytes(json.dumps(message).encode())


def _serve(connection: Connection, other_end: Connection, work: Work, session: Session, parent: int) -> None:
    """Body of the child."""
    other_end.close()
    confine(parent, MEMORY_BYTES, FILE_BYTES, _OPEN_FILES)
    allow_cpu(CPU_SECONDS)
    gc.freeze()
    remote = _Remote(connection, session.sandbox)
    session.sandbox = remote

    def show(moment: Moment) -> None:
        _send(connection, {"do": "show", "doing": moment.doing, "said": moment.said[:1_000]})

    def keep(begun: Begun) -> None:
        _send(connection, {"do": "keep", "begun": begun.model_dump(mode="json")})

    try:
        facts = work(session, show, keep)
        found = Examined(facts=facts, untouched=not session.used)
        _send(connection, {"do": "done", "examined": found.model_dump(mode="json")})
    except MemoryError:
        os._exit(OUT_OF_MEMORY)
    except ConnectionError:
        os._exit(0)
    except Exception:  # noqa: BLE001  the parent turns it into a harness error with this traceback
        _send(connection, {"do": "failed", "trace": traceback.format_exc(limit=-8)})
    os._exit(0)


class _Remote:
    """The sandbox as the child has it: its pipes are the child's own, the rest is asked of the parent."""

    def __init__(self, connection: Connection, inherited: Sandboxed) -> None:
        self._connection = connection
        self._stdin, self._stdout = inherited.stdin, inherited.stdout

    @property
    def stdin(self) -> IO[bytes]:
        return self._stdin

    @property
    def stdout(self) -> IO[bytes]:
        return self._stdout

    @property
    def stderr(self) -> bytes:
        return str(self._asked(do="stderr")["stderr"]).encode()

    def poll(self) -> Ending | None:
        return _ending(self._asked(do="poll"))

    def wait(self, seconds: float | None = None) -> Ending:
        found = _ending(self._asked(do="wait", seconds=60.0 if seconds is None else seconds))
        if found is None:
            raise TimeoutError(f"the sandbox has not ended after {seconds} s")
        return found

    def kill(self, why: Ended = Ended.KILLED_BY_HOST, message: str = "") -> Ending:
        found = _ending(self._asked(do="kill", why=str(why), message=message))
        if found is None:
            raise ExaminerError("a sandbox that was killed has no ending")
        return found

    def allow(self, wall_seconds: float) -> None:
        self._asked(do="allow", seconds=wall_seconds)

    def __enter__(self) -> _Remote:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        """The parent ends it."""

    def _asked(self, **message: object) -> dict[str, Any]:
        _send(self._connection, message)
        answer: dict[str, Any] = json.loads(self._connection.recv_bytes(MAX_MESSAGE))
        return answer


def _ending(answer: dict[str, Any]) -> Ending | None:
    found = answer["ending"]
    return Ending(**{**found, "why": Ended(found["why"])}) if found is not None else None
