"""For a host that runs as root: a script, given to Python as text, that gives up root and becomes bubblewrap.

Arguments: what to mount, separated by NUL encoded as newline; the command line of bubblewrap. An unprivileged user may
be unable to reach these paths (a Python under /root), so they are first bound to /tmp/0, /tmp/1 ... in a mount
namespace of our own, which no other process sees. Root inside a sandbox would also escape the limit on processes.
"""

# pathlib takes longer to import than all of this takes.
# ruff: noqa: PTH102, PTH112

import ctypes
import os
import sys

NOBODY = 65534
_NEW_MOUNTS, _BIND, _RECURSIVE, _PRIVATE = 0x20000, 0x1000, 0x4000, 0x40000

if __name__ == "__main__":
    libc = ctypes.CDLL(None, use_errno=True)

    def call(what: str, *arguments: bytes | int | None) -> None:
        """One system call. Raises OSError."""
        if getattr(libc, what)(*arguments):
            raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")

    try:
        call("unshare", _NEW_MOUNTS)
        call("mount", None, b"/", None, _RECURSIVE | _PRIVATE, None)
        # Opened before /tmp is covered, and in the new namespace, without which they could not be bound.
        sources = [os.open(path, os.O_PATH) for path in sys.argv[1].split("\n")]
        call("mount", b"stage", b"/tmp", b"tmpfs", 0, b"size=1m,mode=755")
        for index, source in enumerate(sources):
            target = f"/tmp/{index}"  # noqa: S108  a mount of our own lies there
            if os.path.isdir(f"/proc/self/fd/{source}"):
                os.mkdir(target)
            else:
                os.close(os.open(target, os.O_CREAT | os.O_WRONLY))
            call("mount", f"/proc/self/fd/{source}".encode(), target.encode(), None, _BIND | _RECURSIVE, None)
            os.close(source)
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
        os.execv(sys.argv[2], sys.argv[2:])  # noqa: S606  a shell is what is avoided
    except OSError as error:
        sys.exit(f"cannot give up root: {error}")
