"""What hostile code may try, each as a small program, and what must hold then. Every provider is checked with these.

A program that tries to reach something ends with status 0 and says what it reached in lines that begin with `reached`:
none may. A program that uses too much must be ended for that reason. Where the host plays a part, the program learns of
it through its environment (`self_check.Host`).
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.observe.sandbox.provider import Ended, Limits

_MIB = 1 << 20
_TIGHT = Limits(
    wall_seconds=60,
    cpu_seconds=20,
    memory_bytes=256 * _MIB,
    processes=32,
    file_bytes=128 * _MIB,
    disk_bytes=64 * _MIB,
    files=5_000,
    output_bytes=_MIB,
)


@dataclass(frozen=True)
class Behaviour:
    """A program, what must hold of it, and how it must end."""

    name: str
    holds: str
    program: str
    ends: Ended = Ended.EXITED
    code: int = 0
    """Status with which it must end, if it ends by itself."""
    limits: Limits = _TIGHT
    says: str | None = None
    """All that may be on standard output, where that matters; else only that nothing was reached."""


PRELUDE = """
import ctypes, errno, os, signal, socket, sys, time
libc = ctypes.CDLL(None, use_errno=True)

def attempt(what, deed, *arguments):
    try:
        result = deed(*arguments)
    except (Exception, SystemExit):
        return
    print("reached:", what, repr(result)[:100], flush=True)

def call(name, *arguments):
    # A system call by number, through no library that could refuse first.
    if libc.syscall(NUMBERS[name][MACHINE], *arguments) < 0:
        raise OSError(ctypes.get_errno(), name)

def denied(name, *arguments, by=(errno.EPERM, errno.ENOSYS)):
    # Denied by the filter, not by chance (a bad argument, a missing capability is as good as none).
    libc.syscall.restype = ctypes.c_long
    ctypes.set_errno(0)
    if libc.syscall(NUMBERS[name][MACHINE], *arguments) >= 0 or ctypes.get_errno() not in by:
        print("reached:", name, errno.errorcode.get(ctypes.get_errno()), flush=True)

def everywhere(top="/"):
    for folder, folders, files in os.walk(top):
        folders[:] = [name for name in folders if os.path.join(folder, name) not in ("/proc", "/usr")]
        yield from (os.path.join(folder, name) for name in files)
"""

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

_BURN = """
for _ in range(3): os.fork()
while True: pass
"""

BEHAVIOURS: tuple[Behaviour, ...] = (
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
        limits=Limits(wall_seconds=60, memory_bytes=128 * _MIB),
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
        limits=Limits(wall_seconds=60, file_bytes=_MIB),
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
        "network",
        "there is no way out: not to this machine, not to another, not to a name server",
        """
def connect(family, address, kind=socket.SOCK_STREAM):
    with socket.socket(family, kind) as out:
        out.settimeout(2); out.connect(address); out.send(b"hello")
attempt("the host's loopback", connect, socket.AF_INET, ("127.0.0.1", int(os.environ["PORT"])))
attempt("the host's loopback, IPv6", connect, socket.AF_INET6, ("::1", int(os.environ["PORT"])))
for address in os.environ["ADDRESSES"].split() + ["1.1.1.1", "8.8.8.8", "169.254.169.254"]:
    attempt(address, connect, socket.AF_INET, (address, int(os.environ["PORT"])))
    attempt(address, connect, socket.AF_INET, (address, 53), socket.SOCK_DGRAM)
attempt("a name", socket.getaddrinfo, "example.com", 443)
attempt("raw", socket.socket, socket.AF_INET, socket.SOCK_RAW, 1)
attempt("interfaces", lambda: dict(socket.if_nameindex())[2])
""",
    ),
    Behaviour(
        "host_sockets",
        "sockets of the host's programs cannot be reached: abstract ones, those in files, those of its hypervisor",
        """
def connect(address):
    with socket.socket(socket.AF_UNIX) as out: out.connect(address)
attempt("an abstract socket", connect, chr(0) + os.environ["ABSTRACT"])
for path in ("/run/docker.sock", "/var/run/docker.sock", "/run/dbus/system_bus_socket", os.environ["SECRET"]):
    attempt(path, connect, path)
for family in (17, 29, 38, 40, 44):  # packets, CAN, kernel crypto, virtual machines, XDP
    attempt("family %d" % family, socket.socket, family, socket.SOCK_DGRAM)
""",
    ),
    Behaviour(
        "host_files",
        "files of the host cannot be read, directly or by a search",
        """
for path in ("/etc/shadow", "/etc/ssh", "/root/.ssh", "/root/.bashrc", "/root/.netrc", "/home", "/var", "/run", "/sys",
             "/boot", "/mnt", "/media", "/opt", "/srv", os.environ["SECRET"], os.path.dirname(os.environ["SECRET"])):
    attempt(path, os.stat, path)
for path in everywhere():
    if os.path.basename(path) == os.path.basename(os.environ["SECRET"]): attempt(path, open, path)
""",
    ),
    Behaviour(
        "host_environment",
        "the environment holds what was given and nothing of the host, in no process",
        """
known = {"TMPDIR", "PWD", "LC_CTYPE", "PORT", "ADDRESSES", "ABSTRACT", "SECRET", "MOUNTED", "MARK"}
for name in set(os.environ) - known: print("reached:", name)
for process in filter(str.isdigit, os.listdir("/proc")):
    text = open("/proc/%s/environ" % process, "rb").read()
    if any(entry and entry.split(b"=")[0].decode() not in known for entry in text.split(bytes(1))):
        print("reached:", process, text[:200])
""",
    ),
    Behaviour(
        "host_processes",
        "no process of the host, nor of another sandbox, is to be seen or signalled",
        """
if os.getpid() != 1: print("reached: not process 1")
for process in set(filter(str.isdigit, os.listdir("/proc"))) - {"1"}: print("reached:", process)
for process in range(2, 5000): attempt("signal to %d" % process, os.kill, process, 0)
attempt("signal to all", os.kill, -1, signal.SIGTERM)
if os.getppid() != 0: print("reached: a parent", os.getppid())
""",
    ),
    Behaviour(
        "links_out",
        "links lead to what the sandbox has at that path, never to the host's",
        """
secret = os.environ["SECRET"]
os.symlink(secret, "link"); os.symlink("/" + "../" * 20 + secret, "up")
for path in ("link", "up", "../" * 20 + secret.lstrip("/"), os.environ["MOUNTED"] + "/link",
             os.environ["MOUNTED"] + "/../" + os.path.basename(secret)): attempt(path, open, path)
attempt("a hard link", os.link, sys.executable, "hard")
""",
    ),
    Behaviour(
        "links_of_proc",
        "roots, directories and descriptors in /proc lead nowhere else",
        """
secret = os.environ["SECRET"]
for process in [*filter(str.isdigit, os.listdir("/proc")), "self", "thread-self"]:
    for way in ("root", "cwd", "root/proc/1/root", "cwd/../.."):
        attempt(way, open, "/proc/%s/%s%s" % (process, way, secret))
    for name in ("0", "1", "2"):
        descriptor = "/proc/%s/fd/%s" % (process.replace("thread-", ""), name)
        if not os.readlink(descriptor).startswith("pipe:"): print("reached:", os.readlink(descriptor))
        for path in ("/", "/..", secret): attempt(descriptor + path, os.stat, descriptor + path)
    for name in range(3, 1024): attempt("descriptor %d" % name, os.fstat, name)
for folder, _, files in os.walk("/proc/sys"):
    for name in files: attempt(name, os.open, os.path.join(folder, name), os.O_WRONLY)
for name in ("self/mem", "self/oom_score_adj", "self/uid_map",
             "kcore", "kmem", "kmsg", "sysrq-trigger", "sys/kernel/core_pattern", "sys/kernel/hostname"):
    attempt(name, os.open, "/proc/" + name, os.O_RDWR)
""",
    ),
    Behaviour(
        "read_only_mounts",
        "what is mounted read-only cannot be changed, not by its owner's means either",
        """
for path in (sys.executable, os.path.realpath(sys.executable), os.__file__, "/usr/bin/env", "/etc/passwd",
             os.environ["MOUNTED"] + "/file"):
    attempt(path, open, path, "ab")
    attempt(path, os.chmod, path, 0o777)
    attempt(path, os.utime, path)
    attempt(path, os.unlink, path)
    attempt(path, os.rename, path, "here")
""",
    ),
    Behaviour(
        "mounts",
        "mounts cannot be made, moved, remounted or taken away",
        """
for name in ("mount", "umount2", "pivot_root", "chroot", "move_mount", "open_tree", "fsopen", "fsmount", "fsconfig",
             "fspick", "mount_setattr", "open_by_handle_at", "name_to_handle_at", "quotactl", "fanotify_init"):
    denied(name, b"/", b"/", b"tmpfs", 32, 0)
""",
    ),
    Behaviour(
        "namespaces",
        "no namespace can be made or entered, by any of the calls that make one",
        """
for flag in (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000):
    denied("unshare", flag); denied("clone", flag | 17, 0, 0, 0, 0)
denied("setns", os.open("/proc/self/ns/user", os.O_RDONLY), 0); denied("clone3", 0, 0)
""",
    ),
    Behaviour(
        "devices",
        "there are no devices but empty and random ones, and none can be made",
        """
import stat
for name in os.listdir("/dev"):
    mode = os.stat("/dev/" + name).st_mode
    if stat.S_ISBLK(mode) or stat.S_ISCHR(mode) and name not in ("null", "full", "random", "urandom", "stdin"):
        print("reached:", name)
attempt("mknod", os.mknod, "disk", 0o600 | stat.S_IFBLK, os.makedev(254, 0))
attempt("a terminal", os.open, "/dev/tty", os.O_RDWR)
attempt("a pseudo terminal", os.openpty)
import fcntl
attempt("input for a terminal", fcntl.ioctl, 0, 0x5412, b"x")
""",
    ),
    Behaviour(
        "clock",
        "the machine's clock cannot be set",
        "attempt('set', time.clock_settime, time.CLOCK_REALTIME, time.time())\n"
        "for name in ('settimeofday', 'clock_settime', 'clock_adjtime', 'adjtimex'): denied(name, 0, 0)",
    ),
    Behaviour(
        "names",
        "host and domain name cannot be set, and are not the host's",
        "attempt('set', socket.sethostname, 'x')\n"
        "for name in ('sethostname', 'setdomainname'): denied(name, b'x', 1)\n"
        "if socket.gethostname() != 'node-0': print('reached:', socket.gethostname())",
    ),
    Behaviour(
        "keyring",
        "the kernel's keys cannot be listed, read or added",
        "for name in ('keyctl', 'add_key', 'request_key'): denied(name, b'user', b'name', b'x', 1, -3)",
    ),
    Behaviour(
        "kernel",
        "the kernel's programmable and privileged parts are closed",
        """
for name in ("bpf", "perf_event_open", "userfaultfd", "io_uring_setup", "io_uring_enter", "io_uring_register",
             "init_module", "finit_module", "delete_module", "kexec_load", "syslog", "acct", "reboot", "swapon",
             "swapoff", "io_setup", "ptrace", "process_vm_readv", "process_vm_writev", "pidfd_getfd", "kcmp"):
    denied(name, 0, 0, 0, 0, 0)
""",
    ),
    Behaviour(
        "privileges",
        "there is no capability, and no program of the system gives one",
        """
import subprocess
for line in open("/proc/self/status"):
    name, _, value = line.partition(":")
    if name.startswith("Cap") and int(value, 16) or name == "NoNewPrivs" and value.strip() != "1" \\
            or name == "Seccomp" and value.strip() != "2": print("reached:", line)
for uid in (0, 1000): attempt("user %d" % uid, os.setuid, uid); attempt("groups", os.setgroups, [uid])
attempt("nice", os.nice, -1)
for line in (["su", "-c", "id"], ["mount", "-t", "tmpfs", "x", "/scratch"], ["sudo", "-n", "id"], ["umount", "/usr"]):
    attempt(line[0], lambda: subprocess.run(line, check=True, capture_output=True))
if set(os.getgroups()) - {os.getgid(), 65534} or os.getuid() == 0: print("reached:", os.getgroups())
""",
    ),
    Behaviour(
        "core_dump",
        "a crash leaves no core dump",
        "if os.fork() == 0: os.abort()\nos.wait()\n"
        "for path in everywhere():\n  if os.path.basename(path).startswith('core') and path.startswith(os.getcwd()):\n"
        "    print('reached:', path)",
    ),
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
"""Everything that is tried, in the order of the report."""
