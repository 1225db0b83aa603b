"""Programs that try to outlive their sandbox, to speak for its server, or to end it."""

from __future__ import annotations

from harness.observe.sandbox.behaviours.behaviour import Behaviour
from harness.observe.sandbox.provider import Ended, Limits

_SUPERVISED = """
# What a server does: no look into its memory or descriptors, no interrupt, and a child without its pipes.
libc.prctl(4, 0)
signal.signal(signal.SIGINT, signal.SIG_IGN)
back, forth = os.pipe()
child = os.fork()
if child == 0:
    os.close(back)
    os.dup2(forth, 9); null = os.open("/dev/null", os.O_RDWR)
    for descriptor in (0, 1, 2): os.dup2(null, descriptor)
    os.closerange(3, 9); os.closerange(10, 512)
    def print(*words, **_): os.write(9, (" ".join(map(str, words)) + chr(10)).encode())
    try:
        DEED
    finally:
        os._exit(0)
os.close(forth)
said = b""
while data := os.read(back, 4096): said += data
os.waitpid(child, 0)
"""

SUPERVISION: tuple[Behaviour, ...] = (
    Behaviour(
        "daemons",
        "children that leave their parent, session and group are gone with the sandbox",
        """
for _ in range(4):
    if os.fork() == 0:
        os.setsid()
        if os.fork(): os._exit(0)
        for number in range(1, 32):
            try: signal.signal(number, signal.SIG_IGN)
            except OSError: pass
        libc.prctl(1, 0)  # asks not to die with its parent
        os.execv(sys.executable, [sys.executable, "-I", "-c", "import time; time.sleep(60)", os.environ["MARK"]])
time.sleep(0.3)
""",
    ),
    Behaviour(
        "daemons_of_the_ended",
        "the same when the sandbox is ended for a limit",
        """
for _ in range(4):
    if os.fork() == 0:
        os.setsid()
        if os.fork(): os._exit(0)
        os.execv(sys.executable, [sys.executable, "-I", "-c", "import time; time.sleep(60)", os.environ["MARK"]])
time.sleep(60)
""",
        Ended.WALL,
        limits=Limits(wall_seconds=0.5),
    ),
    Behaviour(
        "verdict_channel",
        "a child cannot write where its server reports, nor change what the server will say",
        _SUPERVISED.replace(
            "DEED",
            """
        for process in filter(str.isdigit, os.listdir("/proc")):
            if int(process) == os.getpid(): continue
            attempt("descriptors", os.listdir, "/proc/%s/fd" % process)
            for name in ("fd/1", "fd/2", "fd/0", "mem", "task/%s/mem" % process, "task/%s/fd/1" % process):
                attempt(name, os.open, "/proc/%s/%s" % (process, name), os.O_WRONLY)
            for name in ("maps", "environ", "root", "cwd"):
                attempt(name, lambda: os.open("/proc/%s/%s" % (process, name), os.O_RDONLY) and None)
        for name in ("/dev/stdout", "/dev/fd/1", "/proc/1/fd/1"):
            attempt(name, lambda: os.path.realpath(name) == "/dev/null" and 1 / 0 or open(name, "w"))
        denied("pidfd_getfd", 0, 1, 0); denied("process_vm_writev", 1, 0, 0, 0, 0, 0); denied("ptrace", 16, 1, 0, 0)
""".strip(),
        )
        + "print(said.decode() + 'verdict of the server')",
        says="verdict of the server\n",
    ),
    Behaviour(
        "forged_status",
        "a child can neither end nor stop its server, and the status that counts is the server's",
        _SUPERVISED.replace(
            "DEED",
            """
        for number in range(1, 65):
            for target in (1, -1):
                if number not in (32, 33):
                    signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
                    if number != signal.SIGKILL and number != signal.SIGSTOP or target == 1:
                        try: os.kill(target, number)
                        except OSError: pass
        if os.fork() == 0:
            os.kill(os.getppid(), signal.SIGKILL); os._exit(0)
        time.sleep(5)
""".strip(),
        )
        + "sys.exit(3)",
        code=3,
    ),
)
