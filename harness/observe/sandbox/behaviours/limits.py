"""Programs that use too much: of time, memory, processes, files, output."""

from __future__ import annotations

from harness.observe.sandbox.behaviours.behaviour import MIB, Behaviour
from harness.observe.sandbox.provider import Ended, Limits

_BURN = """
for _ in range(3): os.fork()
while True: pass
"""

LIMITS: tuple[Behaviour, ...] = (
    Behaviour(
        "fork_bomb",
        "processes that fork without end are ended for their number",
        "while True:\n  try: os.fork()\n  except OSError: pass",
        Ended.PROCESSES,
    ),
    Behaviour(
        "thread_bomb",
        "threads count like processes",
        "import threading\nwhile True:\n  try: threading.Thread(target=time.sleep, args=(60,)).start()\n"
        "  except RuntimeError: time.sleep(0.01)",
        Ended.PROCESSES,
    ),
    Behaviour(
        "memory_hog",
        "a process that takes ever more memory is ended for it",
        "hoard = []\nwhile True: hoard.append(bytearray(b'x' * (1 << 22)))",
        Ended.MEMORY,
    ),
    Behaviour(
        "memory_at_once",
        "one allocation beyond the limit is refused inside, takes nothing and ends nothing",
        "try: bytearray(8 << 30)\nexcept MemoryError: print('refused')",
        says="refused\n",
    ),
    Behaviour(
        "memory_in_many_processes",
        "many small processes are ended for what they take together",
        "for _ in range(24):\n  if os.fork() == 0:\n    kept = bytearray(os.urandom(1 << 20)) * 16; time.sleep(60)\n"
        "time.sleep(60)",
        Ended.MEMORY,
    ),
    Behaviour(
        "memory_in_files",
        "what lies in the writable directory counts as memory",
        "file = open('a', 'wb')\nwhile True: file.write(b'x' * 65536)",
        Ended.MEMORY,
        limits=Limits(wall_seconds=60, memory_bytes=128 * MIB),
    ),
    Behaviour(
        "memory_in_sockets",
        "memory cannot be hidden in the buffers of sockets",
        "kept = []\nwhile True:\n  try:\n    kept += socket.socketpair()\n    kept[-1].setblocking(False)\n"
        "    while True: kept[-1].send(b'x' * 65536)\n  except OSError: pass",
        Ended.MEMORY,
    ),
    Behaviour(
        "memory_of_nobody",
        "no memory belongs to no process: memfd, System V, anonymous shared, huge pages, queues, pages in pipes",
        """
import mmap
attempt("memfd", os.memfd_create, "x")
attempt("anonymous shared memory", mmap.mmap, -1, 4096)
attempt("shared zeros", lambda: mmap.mmap(os.open("/dev/zero", os.O_RDWR), 4096))
attempt("huge pages", lambda: mmap.mmap(-1, 1 << 21, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x40000))
for name in ("memfd_create", "memfd_secret", "shmget", "msgget", "semget", "mq_open", "vmsplice"):
    denied(name, 0, 4096, 0o1600)
""",
    ),
    Behaviour(
        "disk_one_file",
        "a file without end fills the writable directory only and ends the sandbox",
        "file = open('a', 'wb')\nwhile True: file.write(b'x' * 65536)",
        Ended.DISK,
    ),
    Behaviour(
        "disk_many_files",
        "files without number end the sandbox, though they are empty",
        "number = 0\nwhile True:\n  open(str(number), 'w').close(); number += 1",
        Ended.DISK,
    ),
    Behaviour(
        "disk_many_links",
        "links without number end the sandbox",
        "number = 0; open('a', 'w').close()\nwhile True:\n  os.link('a', str(number)); number += 1",
        Ended.DISK,
    ),
    Behaviour(
        "disk_elsewhere",
        "nothing but the writable directory can be written to",
        """
for folder in ("/", "/dev", "/etc", "/usr", "/usr/lib", "/bin/", sys.prefix, sys.base_prefix, "/proc", "/proc/sys",
               os.environ["MOUNTED"], os.path.dirname(os.environ["MOUNTED"])):
    attempt(folder, open, os.path.join(folder, "new"), "w")
    attempt(folder, os.mkdir, os.path.join(folder, "new"))
""",
    ),
    Behaviour(
        "file_too_large",
        "one file cannot grow past its limit",
        "file = os.open('a', os.O_WRONLY | os.O_CREAT)\n"
        "attempt('a byte too many', os.pwrite, file, b'x', 1 << 20)\n"
        "attempt('length', os.truncate, 'a', (1 << 20) + 1)",
        limits=Limits(wall_seconds=60, file_bytes=MIB),
    ),
    Behaviour(
        "endless_output",
        "output without end is cut and ends the sandbox",
        "while True: os.write(1, b'y' * 65536)",
        Ended.OUTPUT,
        says="",
    ),
    Behaviour(
        "endless_errors",
        "the same on standard error, from a child too",
        "os.fork()\nwhile True: os.write(2, b'y' * 65536)",
        Ended.OUTPUT,
    ),
    Behaviour(
        "processor_hog",
        "processor time of all processes together is limited",
        _BURN,
        Ended.CPU,
        limits=Limits(wall_seconds=120, cpu_seconds=1),
    ),
    Behaviour(
        "sleeper",
        "wall time is limited, whatever signals are ignored",
        "for number in range(1, 32):\n  try: signal.signal(number, signal.SIG_IGN)\n  except OSError: pass\n"
        "time.sleep(60)",
        Ended.WALL,
        limits=Limits(wall_seconds=0.5),
    ),
    Behaviour(
        "limits_raised",
        "no process can raise its own limits, or set those of process 1",
        """
import resource
for name in ("NPROC", "DATA", "AS", "FSIZE", "NOFILE", "CORE", "CPU"):
    which = getattr(resource, "RLIMIT_" + name)
    attempt(name, resource.setrlimit, which, (resource.getrlimit(which)[1] + 1,) * 2)
if os.fork() == 0:
    attempt("limits of process 1", resource.prlimit, 1, resource.RLIMIT_CPU, (0, 0)); os._exit(0)
os.wait()
""",
    ),
    Behaviour(
        "core_dump",
        "a crash leaves no core dump",
        "if os.fork() == 0: os.abort()\nos.wait()\n"
        "for path in everywhere():\n  if os.path.basename(path).startswith('core') and path.startswith(os.getcwd()):\n"
        "    print('reached:', path)",
    ),
)
