"""The provider with bubblewrap: talk, endings, refusal, nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from harness.observe.sandbox import bubblewrap, self_check
from harness.observe.sandbox.bubblewrap import Bubblewrap
from harness.observe.sandbox.provider import Command, Ended, Limits, Ran, SandboxUnavailableError, run

QUICK = Limits(wall_seconds=60)
ECHO = "import sys\nfor line in sys.stdin.buffer: sys.stdout.buffer.write(line.upper()); sys.stdout.buffer.flush()"


def python(program: str, *arguments: str, **environment: str) -> Command:
    """A command that runs `program`."""
    return Command((sys.executable, "-I", "-c", program, *arguments), environment)


def go(sandbox: Bubblewrap, program: str, limits: Limits = QUICK) -> Ran:
    """Run `program` to its end."""
    return run(sandbox, python(program), limits)


def descriptors() -> list[str]:
    """What this process has open."""
    return sorted(str(path.readlink()) for path in Path("/proc/self/fd").iterdir() if path.is_symlink())


def children() -> list[str]:
    """Children of this process, dead ones that nobody waited for included."""
    return sorted(" ".join(path.read_text() for path in Path("/proc/self/task").glob("*/children")).split())


def gone(mark: str) -> bool:
    """Whether within two seconds no process has `mark` among its arguments."""
    until = time.monotonic() + 2
    while self_check.marked(mark):
        if time.monotonic() > until:
            return False
        time.sleep(0.01)
    return True


def test_run_gives_output_status_and_figures(sandbox: Bubblewrap) -> None:
    """A command that ends by itself yields its status, both outputs, time, processor time and memory."""
    program = "import sys, time; x = b'x' * (100 << 20); time.sleep(1); print('out'); sys.exit('error')"
    ran = go(sandbox, program)
    assert (ran.ending.why, ran.ending.code) == (Ended.EXITED, 1)
    assert (ran.stdout, ran.stderr) == (b"out\n", b"error\n")
    assert 1 <= ran.ending.seconds < 5
    assert 0 < ran.ending.cpu_seconds < 3
    assert 100 << 20 < ran.ending.peak_bytes < 200 << 20
    assert not ran.ending.succeeded


def test_crash_is_a_signal(sandbox: Bubblewrap) -> None:
    """A command that crashes ends with the number of the signal."""
    ran = go(sandbox, "import ctypes; ctypes.string_at(0)")
    assert (ran.ending.why, ran.ending.code) == (Ended.SIGNALLED, signal.SIGSEGV)


def test_environment_and_mounts_are_what_is_given(sandbox: Bubblewrap, tmp_path: Path) -> None:
    """Variables and read-only folders arrive, the directory is the one asked for, all else is absent."""
    (tmp_path / "given").write_text("text")
    tmp_path.chmod(0o755)
    program = (
        "import os; print(os.environ['A'], 'HOME' in os.environ, open('/data/x/given').read(), os.getcwd(), "
        "open('/proc/self/comm').read().strip(), open('/out/w', 'w').write('w'), os.listdir('/out'))"
    )
    argv = (sys.executable, "-I", "-c", program)
    command = Command(argv, {"A": "a b\n'"}, {tmp_path: "/data/x"}, writable="/out", directory="/data")
    ran = run(sandbox, command, QUICK)
    assert ran.stderr == b""
    assert ran.stdout.decode().startswith("a b\n' False text /data python")
    assert b"'w'" in ran.stdout


def test_writable_directory_may_cover_nothing(sandbox: Bubblewrap) -> None:
    """A writable directory above something that is mounted would hide it, and is refused."""
    with pytest.raises(ValueError, match="would hide"):
        sandbox.start(Command(("/usr/bin/env",), writable="/usr"), QUICK)


def test_usual_places_are_writable(sandbox: Bubblewrap) -> None:
    """Temporary files, named semaphores and shared memory work, and all lie in the writable directory."""
    program = (
        "import multiprocessing as m, tempfile, os\n"
        "from multiprocessing.shared_memory import SharedMemory\n"
        "lock = m.Lock()\nwith lock: pass\n"
        "shared = SharedMemory(create=True, size=100); shared.close(); shared.unlink()\n"
        "with tempfile.NamedTemporaryFile() as file: print(os.path.realpath(file.name))\n"
        "child = m.get_context('fork').Process(target=print, args=('child',)); child.start(); child.join()\n"
    )
    ran = go(sandbox, program)
    assert ran.stderr == b""
    assert ran.stdout.startswith(b"/scratch/.tmp/")
    assert ran.stdout.endswith(b"child\n")


def test_own_loopback_works(sandbox: Bubblewrap) -> None:
    """Two processes of a sandbox can talk over 127.0.0.1, as process groups of torch do."""
    program = (
        "import socket, os\nserver = socket.create_server(('127.0.0.1', 0))\n"
        "if os.fork() == 0: socket.create_connection(server.getsockname()).sendall(b'hello'); os._exit(0)\n"
        "print(server.accept()[0].recv(5).decode(), socket.gethostbyname('localhost'))"
    )
    assert go(sandbox, program).stdout == b"hello 127.0.0.1\n"


def test_talk(sandbox: Bubblewrap) -> None:
    """A server is talked to over its pipes for as long as one likes, and ends when its input does."""
    with sandbox.start(python(ECHO), QUICK) as talk:
        for word in (b"one\n", b"two\n"):
            talk.stdin.write(word)
            assert talk.stdout.read(4) == word.upper()
        assert talk.poll() is None
        talk.kill()
        assert talk.stdout.read(1) == b""
        with pytest.raises(BrokenPipeError):
            talk.stdin.write(b"three\n")
    assert talk.wait().why is Ended.KILLED_BY_HOST


def test_kill_while_talking(sandbox: Bubblewrap) -> None:
    """A reader that waits for a word sees the end when another thread kills the sandbox, children included."""
    mark = uuid.uuid4().hex
    program = "import os, time\nos.fork(); os.fork()\ntime.sleep(60)"
    with sandbox.start(python(program, mark), QUICK) as talk:
        heard: list[bytes] = []
        reader = threading.Thread(target=lambda: heard.append(talk.stdout.read(1)))
        reader.start()
        assert talk.kill(message="enough").message == "enough"
        reader.join(5)
        assert heard == [b""]
    assert gone(mark)


def test_leaving_the_context_ends_it(sandbox: Bubblewrap) -> None:
    """An error of the host's own leaves no sandbox."""
    mark = uuid.uuid4().hex

    def fail() -> None:
        with sandbox.start(python("import time; time.sleep(60)", mark), QUICK):
            assert self_check.marked(mark)
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert gone(mark)


def test_wait_may_time_out(sandbox: Bubblewrap) -> None:
    """Waiting for a while raises when the sandbox still runs."""
    with sandbox.start(python(ECHO), QUICK) as talk, pytest.raises(TimeoutError):
        talk.wait(0.05)


def test_wall_time_starts_anew(sandbox: Bubblewrap) -> None:
    """A sandbox started ahead of its use gets its time when it is used."""
    with sandbox.start(python(ECHO), Limits(wall_seconds=0.4)) as talk:
        talk.allow(60)
        time.sleep(0.8)
        assert talk.poll() is None
        talk.allow(0)
        assert talk.wait(5).why is Ended.WALL


def test_command_that_is_not_there(sandbox: Bubblewrap) -> None:
    """A missing command is an ending with the reason, and so is a missing directory to start in."""
    ending = run(sandbox, Command(("/not/there",)), QUICK).ending
    assert ending.why is Ended.FAILED_TO_START
    assert "/not/there: [Errno 2]" in ending.message
    ending = run(sandbox, Command(("/usr/bin/env",), directory="/not/there"), QUICK).ending
    assert ending.why is Ended.FAILED_TO_START
    assert "/not/there" in ending.message


def test_failure_to_start_cannot_be_forged(sandbox: Bubblewrap) -> None:
    """A command that writes what bwrap would write, and ends like it, has run nevertheless."""
    ending = go(sandbox, "import sys; sys.exit('bwrap: execvp x: No such file or directory')").ending
    assert (ending.why, ending.code) == (Ended.EXITED, 1)


@pytest.mark.parametrize("path", ["relative", "/up/../there", "/two\nlines"])
def test_odd_paths_are_refused(sandbox: Bubblewrap, tmp_path: Path, path: str) -> None:
    """Paths inside must be absolute and plain."""
    with pytest.raises(ValueError, match="plain absolute"):
        sandbox.start(Command(("/usr/bin/env",), read_only={tmp_path: path}), QUICK)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives up rights for its sandboxes")
def test_what_only_root_may_read_is_refused(sandbox: Bubblewrap, tmp_path: Path) -> None:
    """Under root, a folder that others cannot read would be empty inside; the error says so."""
    tmp_path.chmod(0o700)
    with pytest.raises(PermissionError, match="chmod"):
        sandbox.start(Command(("/usr/bin/env",), read_only={tmp_path: "/data"}), QUICK)


def test_many_in_a_row_leave_nothing(sandbox: Bubblewrap) -> None:
    """Sandboxes that end in different ways leave no descriptor, thread or child."""
    programs = [
        "",
        "import os; os._exit(3)",
        "import os\nwhile 1: os.write(2, b'x' * 65536)",
        "import time; time.sleep(9)",
    ]
    before, threads, born = descriptors(), threading.active_count(), children()
    for program in programs * 6:
        with sandbox.start(python(program), QUICK) as talk:
            if "sleep" not in program:
                talk.wait(10)
    for command in (Command(("/not/there",)), Command(("/usr/bin/env",), directory="/not/there")):
        run(sandbox, command, QUICK)
    with pytest.raises(FileNotFoundError):
        sandbox.start(Command(("/usr/bin/env",), read_only={Path("/not/there"): "/x"}), QUICK)
    assert descriptors() == before
    assert threading.active_count() == threads
    assert children() == born


def test_many_at_once(sandbox: Bubblewrap) -> None:
    """Sandboxes beside each other do not see, disturb or confuse each other; threads that start them may end."""
    with ThreadPoolExecutor(8) as pool:
        talks = list(pool.map(lambda _: sandbox.start(python(ECHO), QUICK), range(8)))
    for number, talk in enumerate(talks):
        with talk:
            talk.stdin.write(b"a%d\n" % number)
            assert talk.stdout.read(3) == b"A%d\n" % number


def test_dies_with_the_harness(sandbox: Bubblewrap) -> None:
    """When the harness is killed, its sandboxes are, also if they ask not to be."""
    del sandbox
    mark = uuid.uuid4().hex
    program = "import ctypes, time; ctypes.CDLL(None).prctl(1, 0); print(1, flush=True); time.sleep(60)"
    harness = (
        "import sys, time\nfrom harness.observe.sandbox.bubblewrap import Bubblewrap\n"
        "from harness.observe.sandbox.provider import Command, Limits\n"
        f"talk = Bubblewrap().start(Command((sys.executable, '-I', '-c', {program!r}, {mark!r})), Limits())\n"
        "talk.stdout.read(2)\nprint('started', flush=True)\ntime.sleep(60)"
    )
    host = subprocess.Popen([sys.executable, "-c", harness], stdout=subprocess.PIPE)
    assert host.stdout is not None
    assert host.stdout.readline() == b"started\n"
    host.kill()
    host.communicate()
    assert gone(mark)


def test_host_stays_responsive(sandbox: Bubblewrap) -> None:
    """While a bomb goes off and burns all processors, a thread of the host is never late by a second."""
    late = [0.0]
    stop = threading.Event()

    def tick() -> None:
        while not stop.is_set():
            before = time.monotonic()
            time.sleep(0.005)
            late[0] = max(late[0], time.monotonic() - before)

    ticker = threading.Thread(target=tick)
    ticker.start()
    bomb = "import os\nfor _ in range(5): os.fork()\nwhile True:\n  x = bytearray(1 << 22)"
    ending = go(sandbox, bomb, Limits(cpu_seconds=3)).ending
    stop.set()
    ticker.join()
    assert ending.why is Ended.CPU
    assert late[0] < 1


def test_memory_is_shared_out(sandbox: Bubblewrap) -> None:
    """Forked children count for what they add, not for what they share with their parent."""
    program = (
        "import os, time\nkept = bytearray(os.urandom(1 << 20)) * 100\n"
        "for _ in range(7):\n  if os.fork() == 0: time.sleep(1); os._exit(0)\ntime.sleep(1)"
    )
    ending = go(sandbox, program, Limits(memory_bytes=300 << 20)).ending
    assert ending.succeeded
    assert ending.peak_bytes < 250 << 20


def test_refuses_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where bwrap is missing, nothing is started, and the text says what to install."""
    bubblewrap._unavailable.cache_clear()
    monkeypatch.setenv("PATH", "/nowhere")
    try:
        with pytest.raises(SandboxUnavailableError, match="apt-get install bubblewrap"):
            Bubblewrap().start(Command(("/usr/bin/env",)), QUICK)
    finally:
        bubblewrap._unavailable.cache_clear()


def test_refuses_without_user_namespaces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where bwrap may not make namespaces, nothing is started with less; the text names the settings."""
    (tmp_path / "bwrap").write_text(
        "#!/bin/sh\n[ $1 = --help ] && echo --disable-userns && exit\n"
        "echo 'bwrap: No permissions to create new namespace' >&2; exit 1\n"
    )
    tmp_path.chmod(0o755)
    (tmp_path / "bwrap").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    bubblewrap._unavailable.cache_clear()
    bubblewrap._help.cache_clear()
    try:
        reason = Bubblewrap().unavailable()
    finally:
        bubblewrap._unavailable.cache_clear()
        bubblewrap._help.cache_clear()
    assert reason is not None
    for word in ("kernel.unprivileged_userns_clone", "kernel.apparmor_restrict_unprivileged_userns"):
        assert word in reason
    if os.geteuid() != 0:  # root leaves its own folders before it starts bwrap, and so may not reach this one
        assert "No permissions to create new namespace" in reason
