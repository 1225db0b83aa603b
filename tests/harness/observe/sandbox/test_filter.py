"""The filter of system calls, run by a small interpreter of classic BPF: every jump and every answer."""

from __future__ import annotations

import errno
import struct

import pytest

from harness.observe.sandbox import filter as calls

ALLOW, KILL, ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}


def answer(machine: str, number: int, *arguments: int, architecture: int | None = None) -> int:
    """What the program for `machine` returns for a call."""
    words = [*arguments, *[0] * (6 - len(arguments))]
    data = struct.pack("=IIQ6Q", number, architecture or ARCHITECTURES[machine], 0, *words)
    steps = list(struct.iter_unpack("=HBBI", calls.program(machine)))
    at = value = 0
    while True:
        code, true, false, constant = steps[at]
        at += 1
        if code == 0x06:
            return int(constant)
        if code == 0x20:
            value = struct.unpack_from("=I", data, constant)[0]
        elif code == 0x54:
            value &= constant
        else:
            holds = {0x15: value == constant, 0x35: value >= constant, 0x45: bool(value & constant)}[code]
            at += true if holds else false


@pytest.mark.parametrize("machine", ARCHITECTURES)
@pytest.mark.parametrize("table", ["DENIED", "ABSENT"])
def test_tables_are_answered(machine: str, table: str) -> None:
    """Every call of a table that the machine has gets the table's answer."""
    expected = ERRNO | (errno.EPERM if table == "DENIED" else errno.ENOSYS)
    for name in getattr(calls, table):
        if machine in calls.NUMBERS[name]:
            assert answer(machine, calls.NUMBERS[name][machine]) == expected, name


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_arguments_decide(machine: str) -> None:
    """Calls that are denied for some arguments are allowed for the others."""
    column = list(ARCHITECTURES).index(machine)
    denied, family = ERRNO | errno.EPERM, ERRNO | errno.EAFNOSUPPORT
    for flag in (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000):
        assert answer(machine, calls._CLONE[column], flag | 17) == denied
    assert answer(machine, calls._CLONE[column], 0x3D0F00) == ALLOW  # a thread
    assert answer(machine, calls._PRCTL[column], 1, 0) == ERRNO
    assert answer(machine, calls._PRCTL[column], 4, 0) == ALLOW
    for request in (0x5412, 0x541C):
        assert answer(machine, calls._IOCTL[column], 0, request) == denied
    assert answer(machine, calls._IOCTL[column], 0, 0x5413) == ALLOW
    for number, expected in {1: ALLOW, 2: ALLOW, 10: ALLOW, 16: ALLOW, 17: family, 38: family, 40: family}.items():
        assert answer(machine, calls._SOCKET[column], number, 1, 0) == expected
    assert answer(machine, calls._SOCKET[column], 16, 3, 9) == family  # the kernel's audit log
    for flags, expected in {0x21: denied, 0x23: denied, 0x22: ALLOW, 0x01: ALLOW, 0x02: ALLOW, 0x40022: denied}.items():
        assert answer(machine, calls._MMAP[column], 0, 4096, 3, flags) == expected
    assert answer(machine, calls._MADVISE[column], 0, 4096, 21) == ERRNO | errno.EINVAL
    assert answer(machine, calls._MADVISE[column], 0, 4096, 4) == ALLOW
    assert answer(machine, calls._PRLIMIT[column], 0) == ALLOW
    assert answer(machine, calls._PRLIMIT[column], 1) == denied


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_other_calls_pass_and_other_architectures_die(machine: str) -> None:
    """What stands in no table is allowed; a call in the manner of another architecture ends the process."""
    assert answer(machine, 1000) == ALLOW
    assert answer(machine, calls._MMAP[["x86_64", "aarch64"].index(machine)]) == ALLOW
    assert answer(machine, 0, architecture=0x40000003) == KILL


def test_second_numbers_of_x86_are_closed() -> None:
    """The x32 calls, which repeat others under numbers with a bit set, are absent."""
    assert answer("x86_64", 0x40000000 | 101) == ERRNO | errno.ENOSYS


def test_program_is_short_enough() -> None:
    """The kernel takes at most 4096 steps."""
    assert all(len(calls.program(machine)) // 8 < 4096 for machine in ARCHITECTURES)
    with pytest.raises(KeyError):
        calls.program("riscv64")
