"""First code inside a sandbox: a script without imports of ours, given to Python as text, that becomes the command.

Arguments: a descriptor (one end of a socket pair), resource limits as `name=value,...` or `name=soft:hard,...`, the
command. It says that the sandbox stands, waits until the host watches it, confines itself and executes the command. The
descriptor closes when that succeeds; otherwise the reason comes through it. So the host knows without guessing what ran
and what did not.
"""

import os
import resource
import signal
import sys

if __name__ == "__main__":
    gate, limits, argv = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
    os.set_inheritable(gate, False)  # noqa: FBT003  its only form
    os.write(gate, b"r")
    if os.read(gate, 1) != b"g":
        os._exit(1)
    try:
        for name, _, value in (limit.partition("=") for limit in limits.split(",")):
            which = getattr(resource, name)
            ceiling = resource.getrlimit(which)[1]
            soft, hard = (
                int(part) if ceiling == resource.RLIM_INFINITY else min(int(part), ceiling)
                for part in (value.partition(":")[0], value.rpartition(":")[2])
            )
            resource.setrlimit(which, (soft, hard))
        for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them, and an ignored signal is inherited
            signal.signal(number, signal.SIG_DFL)
        os.execv(argv[0], argv)  # noqa: S606  a shell is what is avoided
    except (OSError, ValueError) as error:
        os.write(gate, f"{argv[0]}: {error}".encode(errors="replace")[:1000])
        os._exit(1)
