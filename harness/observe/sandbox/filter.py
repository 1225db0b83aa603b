"""The filter of system calls: a classic BPF program for seccomp, assembled here.

It denies what training never needs and what would reach past the namespaces or past the limits: other processes'
memory, mounts, new namespaces, keyrings, clocks, kernel programs, and memory that belongs to no process (memfd, System
V and anonymous shared memory), which no look from outside can attribute. Sockets are Unix, IPv4, IPv6 and the route
queries of getifaddrs: AF_VSOCK, for one, knows no network namespace and would talk to the host of a virtual machine.
"""

from __future__ import annotations

import errno
import platform
import struct

_X86, _ARM = "x86_64", "aarch64"
_AUDIT = {_X86: 0xC000003E, _ARM: 0xC00000B7}
_X32_BIT = 0x40000000
"""Set in the numbers of x86's x32 calls, which would slip past comparisons with the usual numbers."""

DENIED: dict[str, tuple[int | None, int | None]] = {
    # other processes
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "pidfd_getfd": (438, 438),
    "kcmp": (312, 272),
    # the view of the file system
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "move_mount": (429, 429),
    "open_tree": (428, 428),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "fanotify_init": (300, 262),
    "unshare": (272, 97),
    "setns": (308, 268),
    # the kernel
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "syslog": (103, 116),
    "acct": (163, 89),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "iopl": (172, None),
    "ioperm": (173, None),
    "modify_ldt": (154, None),
    "vhangup": (153, 58),
    # the machine's clock and names
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "clock_adjtime": (305, 266),
    "adjtimex": (159, 171),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
}
"""Name to numbers on x86-64 and AArch64; answered with EPERM."""

ABSENT: dict[str, tuple[int | None, int | None]] = {
    "clone3": (435, 435),  # its flags lie in memory, out of a filter's reach; libraries fall back to clone
    "io_uring_setup": (425, 425),  # does what other calls do, past any filter
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "shmget": (29, 194),
    "msgget": (68, 186),
    "semget": (64, 190),
    "mq_open": (240, 180),
    "vmsplice": (278, 75),  # pages given to a pipe are nobody's, and a part of a huge one keeps all of it
    "io_setup": (206, 0),  # its requests are drawn from one pool of the whole machine
}
"""Answered with ENOSYS, as by a kernel without them, which libraries are prepared for."""

_CLONE, _PRCTL, _IOCTL, _SOCKET, _MMAP, _PRLIMIT = (56, 220), (157, 167), (16, 29), (41, 198), (9, 222), (302, 261)
_MADVISE = (28, 233)

NUMBERS: dict[str, dict[str, int]] = {
    name: {machine: number for machine, number in zip(_AUDIT, numbers, strict=True) if number is not None}
    for name, numbers in {**DENIED, **ABSENT, "clone": _CLONE}.items()
}
"""Numbers of the calls that are answered here by name and machine, for those who try them."""

_NEW_NAMESPACES = 0x7E020000
_PR_SET_PDEATHSIG = 1
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C
_AF_UNIX, _AF_INET, _AF_INET6, _AF_NETLINK, _NETLINK_ROUTE = 1, 2, 10, 16, 0
_MAP_SHARED_ANONYMOUS = 0x21
_MAP_HUGETLB = 0x40000
_MADV_PAGEOUT = 21

_LOAD, _AND, _RETURN = 0x20, 0x54, 0x06  # of a 32-bit word; with a constant; a constant
_IF_EQUAL, _IF_SET, _IF_AT_LEAST = 0x15, 0x45, 0x35
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_NUMBER, _ARCHITECTURE = 0, 4  # offsets in struct seccomp_data

_Step = tuple[int, int, int, int]  # code, steps to skip when true, when false, constant


def _argument(index: int) -> _Step:
    """Load the low half of an argument; all flags and names compared here fit into it on little-endian machines."""
    return (_LOAD, 0, 0, 16 + 8 * index)


def _answer(number: int) -> _Step:
    return (_RETURN, 0, 0, _ERRNO | number)


_PASS: _Step = (_RETURN, 0, 0, _ALLOW)


def _special() -> list[tuple[tuple[int, int], list[_Step]]]:
    """Calls that depend on their arguments; each list decides."""
    return [
        (_CLONE, [_argument(0), (_IF_SET, 0, 1, _NEW_NAMESPACES), _answer(errno.EPERM), _PASS]),
        # A command that dies with its parent stays so. Answered with success: it asks for what it has.
        (_PRCTL, [_argument(0), (_IF_EQUAL, 0, 1, _PR_SET_PDEATHSIG), _answer(0), _PASS]),
        (
            _IOCTL,
            [_argument(1), (_IF_EQUAL, 1, 0, _TIOCSTI), (_IF_EQUAL, 0, 1, _TIOCLINUX), _answer(errno.EPERM), _PASS],
        ),
        (
            _SOCKET,
            [
                _argument(0),
                (_IF_EQUAL, 5, 0, _AF_UNIX),
                (_IF_EQUAL, 4, 0, _AF_INET),
                (_IF_EQUAL, 3, 0, _AF_INET6),
                (_IF_EQUAL, 0, 3, _AF_NETLINK),
                _argument(2),
                (_IF_EQUAL, 0, 1, _NETLINK_ROUTE),
                _PASS,
                _answer(errno.EAFNOSUPPORT),
            ],
        ),
        (
            _MMAP,
            [
                _argument(3),
                (_IF_SET, 3, 0, _MAP_HUGETLB),
                (_AND, 0, 0, _MAP_SHARED_ANONYMOUS),
                (_IF_EQUAL, 1, 0, _MAP_SHARED_ANONYMOUS),
                _PASS,
                _answer(errno.EPERM),
            ],
        ),
        # Memory sent to the host's swap is seen late.
        (_MADVISE, [_argument(2), (_IF_EQUAL, 0, 1, _MADV_PAGEOUT), _answer(errno.EINVAL), _PASS]),
        # Limits of other processes, of process 1 above all, are not a child's to set.
        (_PRLIMIT, [_argument(0), (_IF_EQUAL, 1, 0, 0), _answer(errno.EPERM), _PASS]),
    ]


def supported() -> bool:
    """Whether this machine's architecture has tables here."""
    return platform.machine() in _AUDIT


def program(machine: str | None = None) -> bytes:
    """The filter as an array of struct sock_filter, for `bwrap --seccomp`. KeyError for an unknown architecture."""
    machine = machine or platform.machine()
    column = (_X86, _ARM).index(machine) if machine in _AUDIT else -1
    steps: list[_Step] = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_IF_EQUAL, 1, 0, _AUDIT[machine]),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER),
    ]
    if machine == _X86:
        steps += [(_IF_AT_LEAST, 0, 1, _X32_BIT), _answer(errno.ENOSYS)]
    for table, answer in ((DENIED, errno.EPERM), (ABSENT, errno.ENOSYS)):
        for numbers in table.values():
            if (number := numbers[column]) is not None:
                steps += [(_IF_EQUAL, 0, 1, number), _answer(answer)]
    for numbers, decision in _special():
        steps += [(_IF_EQUAL, 0, len(decision), numbers[column]), *decision]
    steps.append(_PASS)
    return b"".join(struct.pack("=HBBI", *step) for step in steps)
