"""Programs that reach for what is outside: the host's files, network, processes, devices, kernel."""

from __future__ import annotations

from harness.observe.sandbox.behaviours.behaviour import Behaviour

WALLS: tuple[Behaviour, ...] = (
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
homes = os.environ["HOMES"].split(":")
private = [os.path.join(home, name) for home in homes for name in (".ssh", ".bashrc", ".netrc", ".profile", ".gnupg")]
for path in ("/etc/shadow", "/etc/ssh", "/home", "/var", "/run", "/sys", "/boot", "/mnt", "/media", "/opt", "/srv",
             *private, os.environ["SECRET"], os.path.dirname(os.environ["SECRET"])):
    attempt(path, os.stat, path)
for path in everywhere():
    if os.path.basename(path) == os.path.basename(os.environ["SECRET"]): attempt(path, open, path)
""",
    ),
    Behaviour(
        "host_environment",
        "the environment holds what was given and nothing of the host, in no process",
        """
known = {"TMPDIR", "PWD", "LC_CTYPE", "PORT", "ADDRESSES", "ABSTRACT", "SECRET", "HOMES", "MOUNTED", "MARK"}
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
)
