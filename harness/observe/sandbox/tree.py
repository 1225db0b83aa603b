"""What all processes of a sandbox use together, read from outside through the sandbox's own /proc.

That /proc lists its process namespace and nothing else, daemons and orphans included, so nothing has to be followed.
Memory without control groups is a matter of attribution: anonymous and file pages are shared out among the processes
that map them (PSS), what lies in the writable directory is asked of that file system, its inodes and all page tables
are counted on top. Memory that belongs to neither a process nor a file is not to be had inside (see `filter`), except
in the buffers of sockets, whose number is therefore counted.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_INODE = 1024
"""Bytes of kernel memory that an empty file costs on tmpfs, rounded up: inode, directory entry, name."""
_TABLES = 512
"""A page table is at most this fraction of the address space that it maps."""


@dataclass(frozen=True)
class Usage:
    """A look at a sandbox. `memory_bytes` includes `disk_bytes`; `exact` tells whether shared pages count once."""

    cpu_seconds: float = 0.0
    memory_bytes: int = 0
    exact: bool = True
    processes: int = 0
    disk_bytes: int = 0
    files: int = 0
    sockets: int = 0


class Tree:
    """The processes below `process`, a host's number for process 1 of a sandbox with `writable` as its own disk.

    Raises OSError when they may not be looked at. Close it.
    """

    def __init__(self, process: int, writable: str) -> None:
        root = Path("/proc", str(process), "root")  # the kernel's link to what the sandbox has as /
        self._proc = os.open(root / "proc", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self._disk = os.open(f"{root}{writable}", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:
            os.close(self._proc)
            raise
        self._seen: dict[tuple[bytes, bytes], int] = {}
        self._cpu = 0

    def close(self) -> None:
        """Let go of the sandbox's file systems."""
        os.close(self._proc)
        os.close(self._disk)

    def measure(self, memory_limit: int, *, exact: bool = False) -> Usage:
        """Usage now. Memory is an upper bound, which is cheap, unless that passes the limit or `exact` is asked for."""
        tasks = resident = tables = waited = now = 0
        names = []
        for name in self._processes():
            stat = self._read(name, "stat").rpartition(b")")[2].split()
            if len(stat) < 22:
                continue  # it ended while we looked
            names.append(name)
            own = int(stat[11]) + int(stat[12])
            waited += int(stat[13]) + int(stat[14])
            now += own
            self._seen[name.encode(), stat[19]] = own  # a number is used again, with another time of birth
            tasks += max(1, int(stat[17]))
            tables += int(stat[20]) // _TABLES
            resident += int(stat[21]) * _PAGE
        # A parent that ignores its children's end never adds up their time, so what was seen of them counts too.
        self._cpu = max(self._cpu, now + waited, sum(self._seen.values()))
        disk, files = self.written()
        memory = resident + tables + disk + files * _INODE
        exact = exact or memory > memory_limit
        if exact:
            memory = sum(self._share(name) for name in names) + disk + files * _INODE
        return Usage(self._cpu / _TICK, memory, exact, tasks, disk, files, self._sockets())

    def _processes(self) -> list[str]:
        try:
            return [name for name in os.listdir(self._proc) if name.isdigit()]  # noqa: PTH208  of a descriptor
        except OSError:
            return []  # the namespace is gone

    def _read(self, name: str, file: str) -> bytes:
        try:
            descriptor = os.open(f"{name}/{file}", os.O_RDONLY | os.O_CLOEXEC, dir_fd=self._proc)
        except OSError:
            return b""
        try:
            return os.read(descriptor, 1 << 14)
        except OSError:
            return b""
        finally:
            os.close(descriptor)

    def _share(self, name: str) -> int:
        """Bytes of one process: its share of the pages that it maps, except those of files counted as disk."""
        shares = _kilobytes(self._read(name, "smaps_rollup"))
        status = _kilobytes(self._read(name, "status"))
        tables = status.get(b"VmPTE", 0)
        if b"Pss_Anon" in shares:
            return shares[b"Pss_Anon"] + shares.get(b"Pss_File", 0) + shares.get(b"SwapPss", 0) + tables
        return sum(status.get(name, 0) for name in (b"RssAnon", b"RssFile", b"VmSwap")) + tables

    def _sockets(self) -> int:
        """Sockets of all kinds in the network namespace, those in flight to nobody included."""
        words = self._read("1", "net/sockstat").split(None, 3)  # sockets: used 12
        return int(words[2]) if len(words) > 2 else 0

    def written(self) -> tuple[int, int]:
        """Bytes and number of files in the writable directory, also after the last process has ended."""
        disk = os.fstatvfs(self._disk)
        return (disk.f_blocks - disk.f_bfree) * disk.f_frsize, disk.f_files - disk.f_ffree


def _kilobytes(text: bytes) -> dict[bytes, int]:
    """Bytes by name, of the lines `Name: 123 kB`."""
    found = {}
    for line in text.splitlines():
        name, _, value = line.partition(b":")
        if value.endswith(b" kB"):
            found[name] = int(value[:-3]) << 10
    return found
