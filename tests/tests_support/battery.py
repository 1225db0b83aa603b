"""Hostile submissions: small scripts that forge, hide, break, fill and hang, and what must be said of each."""

from __future__ import annotations

import os
import pwd
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from harness.model.cpu_run import CpuRunFacts, Fault, TamperKind
from harness.model.plan import RunLimits

MARK = f"hostile-{os.getpid()}"
"""Part of the names of files that must not come to be."""

_HOME = pwd.getpwuid(0).pw_dir
"""Of the host's first user."""
_LIMITS = RunLimits(cpu_seconds=2.0, wall_seconds=60.0)
_PATIENT = RunLimits(cpu_seconds=20.0, wall_seconds=60.0)
_SHORT = RunLimits(cpu_seconds=2.0, wall_seconds=3.0)


@dataclass(frozen=True)
class Hostile:
    """A script, and what must be said of it."""

    name: str
    script: str
    ended: frozenset[str] = frozenset({"exit 0"})
    """The endings that are possible; a limit of the sandbox among them means that it may take the sandbox along."""
    fault: Fault | None = None
    tampering: frozenset[TamperKind] = frozenset()
    """Kinds that must be noticed; others than these must not."""
    trusted: bool | None = True
    """None where it depends on who was quicker."""
    prints: str = ""
    """What must be among the lines that are kept."""
    limits: RunLimits = _LIMITS
    check: Callable[[CpuRunFacts], bool] = field(default=lambda _: True)


def ends(*how: str) -> frozenset[str]:
    """Endings."""
    return frozenset(how)


def kinds(*found: TamperKind) -> frozenset[TamperKind]:
    """Kinds of tampering."""
    return frozenset(found)


FORGED, REPLACED, LOOKED = kinds(TamperKind.FORGED), kinds(TamperKind.REPLACED), kinds(TamperKind.LOOKED)
CHANGED, ASKED = kinds(TamperKind.CHANGED), kinds(TamperKind.ASKED)
FAKE = 'print("final_int8_zlib_roundtrip_exact val_loss:1.00000000 val_bpb:0.90000000", flush=True)\n'
LIE = '{"ended":"end","steps":900,"backwards":900,"blocks":[],"marks":{"imported":1}}'

BATTERY = (
    # a report of its own
    Hostile(
        "forged_report",
        FAKE + f"import os\nfor number in range(3, 1024):\n  try: os.write(number, b'report {LIE}\\n')\n"
        "  except OSError: pass",
        fault=Fault.SUBMISSION,
        tampering=FORGED,
        trusted=False,
        check=lambda facts: not facts.steps,
    ),
    Hostile(
        "forged_report_and_no_other",
        FAKE + f"import os, signal\nfor number in range(3, 1024):\n  try: os.write(number, b'report {LIE}\\n')\n"
        "  except OSError: pass\nos.kill(os.getpid(), signal.SIGKILL)",
        ends("signal 9"),
        Fault.SUBMISSION,
        FORGED,
        trusted=False,
        prints="val_bpb:0.9",
    ),
    Hostile("exit_with_fake_score", FAKE + "import os\nos._exit(0)", prints="val_bpb:0.9"),
    Hostile("fake_status_1", FAKE + "import os\nos._exit(1)", ends("exit 1"), Fault.HARNESS),
    Hostile("fake_status_137", FAKE + "import os\nos._exit(137)", ends("exit 137"), Fault.HARNESS),
    Hostile(
        "fake_status_of_system_exit",
        "raise SystemExit(10 ** 4400 + 3)",
        ends(f"exit {(10**4400 + 3) & 255}"),
        Fault.HARNESS,
    ),
    Hostile(
        "exit_past_python",
        FAKE + "import ctypes\nctypes.CDLL(None)._exit(0)",
        fault=Fault.SUBMISSION,
        trusted=False,
        prints="val_bpb:0.9",
    ),
    Hostile(
        "crash",
        FAKE + "import os\nos.abort()",
        ends("signal 6"),
        Fault.HARNESS,
        trusted=False,
        prints="val_bpb:0.9",
    ),
    Hostile(
        "two_reports",
        "import os\nif os.fork(): os.wait()\nprint('once more')",
    ),
    # the observer replaced
    Hostile(
        "replaced_recorder",
        "recorder = __builtins__['__golf_hit__'].__self__\n"
        "type(recorder).report = lambda self: {'steps': 900, 'backwards': 900}",
        fault=Fault.SUBMISSION,
        tampering=REPLACED | LOOKED,
        trusted=False,
        check=lambda facts: any(one.at is not None and one.at.line == 2 for one in facts.tampering),
    ),
    Hostile(
        "counts_changed",
        "import os\nrecorder = __builtins__['__golf_hit__'].__self__\nrecorder.steps = 900",
        tampering=LOOKED,
        trusted=False,
        check=lambda facts: facts.tampering[0].at is not None and facts.tampering[0].at.line == 2,
    ),
    Hostile(
        "replaced_code",
        "recorder = __builtins__['__golf_hit__'].__self__\n"
        "def _stepped(self, *_): self.steps += 100\n"
        "type(recorder)._stepped.__code__ = _stepped.__code__",
        fault=Fault.SUBMISSION,
        tampering=REPLACED | LOOKED,
        trusted=False,
    ),
    Hostile(
        "replaced_method",
        "recorder = __builtins__['__golf_hit__'].__self__\nrecorder.report = lambda: {}",
        fault=Fault.SUBMISSION,
        tampering=REPLACED | LOOKED,
        trusted=False,
    ),
    Hostile(
        "replaced_builtin",
        "__builtins__['__golf_hit__'] = lambda *_: None",
        fault=Fault.SUBMISSION,
        tampering=REPLACED | LOOKED,
        trusted=False,
    ),
    Hostile(
        "replaced_backward",
        "import torch\ntorch.Tensor.backward = lambda self: None",
        tampering=CHANGED,
        trusted=False,
    ),
    Hostile("replaced_clock", "import time\ntime.perf_counter = lambda: 0.0", tampering=CHANGED, trusted=False),
    Hostile(
        "hooks_taken_away",
        "from torch.optim import optimizer\noptimizer._global_optimizer_post_hooks.clear()",
        fault=Fault.SUBMISSION,
        tampering=REPLACED,
        trusted=False,
    ),
    Hostile(
        "finder_taken_away",
        "import sys\nsys.meta_path[:] = [one for one in sys.meta_path if not type(one).__name__ == '_Finder']",
        fault=Fault.SUBMISSION,
        tampering=REPLACED,
        trusted=False,
    ),
    Hostile(
        "lying_equal",
        "class Same:\n  def __eq__(self, other): return True\n  def __ne__(self, other): return False\n"
        "  def __hash__(self): raise OSError\n"
        "  def __getattr__(self, name): raise KeyError(name)\n"
        "__builtins__['__golf_hit__'] = Same()",
        fault=Fault.SUBMISSION,
        tampering=REPLACED | LOOKED,
        trusted=False,
    ),
    # looks
    Hostile("imports_us", "try:\n  import harness.observe\nexcept ImportError: pass", tampering=LOOKED, trusted=False),
    Hostile(
        "frames",
        "import sys\nframe = sys._getframe(3)\nprint(frame.f_code.co_name)",
        tampering=LOOKED,
        trusted=False,
    ),
    Hostile("collector", "import gc\nprint(len(gc.get_referrers(object())))", tampering=LOOKED, trusted=False),
    Hostile("audit_hook", "import sys\nsys.addaudithook(lambda *_: None)", tampering=LOOKED, trusted=False),
    Hostile("own_memory", "open('/proc/self/mem', 'rb').close()", tampering=LOOKED, trusted=False),
    Hostile(
        "report_opened",
        "import os\ntry: os.fdopen(200, 'wb').close()\nexcept OSError: pass",
        fault=Fault.SUBMISSION,
        tampering=LOOKED,
        trusted=False,
    ),
    Hostile(
        "container",
        "import os\nos.path.exists('/.dockerenv')\ntry: open('/.dockerenv')\nexcept OSError: pass",
        tampering=ASKED,
        trusted=False,
    ),
    # other processes
    Hostile(
        "kills_everything",
        "import os, signal\nfor victim in (os.getppid(), 1, -1):\n  for number in (signal.SIGTERM, signal.SIGKILL):\n"
        "    try: os.kill(victim, number)\n    except OSError: pass",
        ends("exit 0", "signal 9", "signal 15"),
        tampering=LOOKED,
        trusted=False,
    ),
    Hostile(
        "sees_nothing_of_us",
        "import gc, os, sys\n"
        "words = [*sys.modules, *sys.path, *sys.orig_argv, *os.environ, *os.environ.values(), os.uname().nodename]\n"
        "words += [open('/proc/self/' + name).read() for name in ('cmdline', 'environ')]\n"
        "print([word for word in words if 'harness' in word or 'golf' in word or 'sandbox' in word])",
        check=lambda facts: facts.printed == ("[]",),
    ),
    Hostile("interpreter", "import ctypes\nctypes.pythonapi.PyGILState_Ensure", tampering=LOOKED, trusted=False),
    Hostile("trace", "import sys\nsys.settrace(lambda *_: None)", tampering=LOOKED, trusted=False),
    Hostile(
        "stops_itself",
        "import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)",
        ends("timeout"),
        Fault.LIMIT,
        trusted=False,
        limits=_SHORT,
    ),
    Hostile("never_ends", "while True: pass", ends("cpu"), Fault.LIMIT, trusted=False),
    Hostile(
        "daemon",
        "import os\nif not os.fork():\n  os.setsid()\n  if not os.fork():\n"
        "    while True: open('late.bin', 'ab').write(b'x')\n  os._exit(0)",
    ),
    Hostile("thread", "import threading\ndef late():\n  while True: pass\nthreading.Thread(target=late).start()"),
    Hostile(
        "fork_bomb",
        "import os\nwhile True:\n  try: os.fork()\n  except OSError: pass",
        ends("processes", "cpu", "timeout"),
        Fault.LIMIT,
        trusted=False,
    ),
    # too much of everything
    Hostile(
        "memory",
        "import select\nhoard = []\n"
        "while True: hoard.append(bytearray(b'x' * (1 << 22))); select.select([], [], [], 0.01)",
        ends("memory"),
        Fault.LIMIT,
        trusted=False,
        limits=_PATIENT,  # a busy machine may take seconds to fill it
    ),
    Hostile(  # between two looks of the watcher, what the kernel enforces for one process may come first
        "memory_in_a_hurry",
        "hoard = []\nwhile True: hoard.append(bytearray(b'x' * (1 << 22)))",
        ends("memory", "exit 1"),
        Fault.LIMIT,
        trusted=None,
        limits=_PATIENT,
    ),
    Hostile("memory_at_once", "x = bytearray(1 << 40)", ends("exit 1"), Fault.LIMIT),
    Hostile(
        "disk",
        "file = open('model.bin', 'wb')\nwhile True: file.write(b'x' * 65536)",
        ends("disk", "exit 1"),
        Fault.LIMIT,
        trusted=None,
        limits=_PATIENT,
    ),
    Hostile(
        "files",
        "number = 0\nwhile True:\n  open(str(number), 'w').close(); number += 1",
        ends("disk", "exit 1"),
        Fault.LIMIT,
        trusted=None,
        limits=_PATIENT,
    ),
    Hostile(
        "endless_output",
        "import os\nwhile True: os.write(1, b'y' * 65536)",
        ends("cpu", "timeout", "output"),
        Fault.LIMIT,
        trusted=False,
    ),
    Hostile(
        "giant_artifact",
        "file = open('model.int8.ptz', 'wb')\nfile.truncate(900 << 20)",
        ends("exit 0", "exit 1", "signal 25"),
        check=lambda facts: all(file.sha256 is None for file in facts.files if file.size > 256 << 20),
    ),
    Hostile(
        "deep_folders",
        "import os\nfor _ in range(3000):\n  os.mkdir('d'); os.chdir('d')\nopen('model.bin', 'w').write('x')",
        trusted=False,
    ),
    Hostile(
        "closed_folders",
        "import os\nos.mkdir('a'); open('a/model.bin', 'w').write('x'); os.chmod('a', 0); os.chmod('.', 0o100)",
        trusted=False,
    ),
    # files of others
    Hostile(
        "links",
        "import os\nos.symlink('/etc/passwd', 'model.ptz')\nos.symlink('/', 'root')\nos.symlink('..', 'up')\n"
        "os.mkfifo('pipe.bin')",
        check=lambda facts: not facts.files,
    ),
    Hostile(
        "elsewhere",
        f"for path in ('/etc/x', '/usr/x', '/tmp/{MARK}', '{tempfile.gettempdir()}/{MARK}', '{Path.home()}/{MARK}'):\n"
        "  try: open(path, 'w').write('x')\n  except OSError: pass",
    ),
    Hostile(
        "secrets",
        f"import os\nfor path in ('/etc/shadow', '{Path.home()}/.ssh/id_rsa', '{_HOME}/.bashrc', '/var/log/syslog'):\n"
        "  try: print('reached', open(path).read())\n  except OSError: pass\nprint('unreached')",
        check=lambda facts: facts.printed == ("unreached",),
    ),
    Hostile(
        "network",
        "import socket\nfor address in (('1.1.1.1', 53), ('127.0.0.1', 22)):\n"
        "  try: socket.create_connection(address, 1); print('reached')\n  except OSError: pass\nprint('unreached')",
        check=lambda facts: facts.printed == ("unreached",),
    ),
    # words
    Hostile("no_text", "import os\nos.write(1, bytes(range(256)) * 9)"),
    Hostile(
        "names_that_are_no_text",
        "import os\nopen(b'\\xff.bin', 'wb').write(b'x')\nopen(b'\\xff.bin', 'rb').close()\nos.system(b'true \\xff')\n"
        "raise ValueError('\\ud800')",
        ends("exit 1"),
        Fault.HARNESS,
        check=lambda facts: [file.path for file in facts.files] == ["\ufffd.bin"],
    ),
    Hostile(
        "terminal_codes",
        "print('\\x1b[2J\\x1b]0;title\\x07 **bold** <script> @all \\u202e')",
        check=lambda facts: not any(ord(sign) < 32 or sign == "\u202e" for line in facts.printed for sign in line),
    ),
    Hostile(
        "long_line", "print('x' * (1 << 22))", check=lambda facts: all(len(line) < 1_000 for line in facts.printed)
    ),
    Hostile(
        "hostile_exception",
        "class Error(BaseException):\n  def __str__(self): raise self\n  __repr__ = __str__\n"
        "  @property\n  def name(self): raise self\nraise Error",
        ends("exit 1"),
        Fault.HARNESS,
    ),
    Hostile("huge_message", "raise ValueError('x' * (1 << 24))", ends("exit 1"), Fault.HARNESS),
    Hostile("recursion", "def f(): f()\nf()", ends("exit 1"), Fault.HARNESS),
    Hostile(
        "streams",
        "import sys\nclass Stream:\n  def __getattr__(self, name): raise SystemExit(3)\n"
        "sys.stdout = sys.stderr = Stream()\n1 / 0",
        ends("exit 1"),
        Fault.HARNESS,
    ),
    Hostile("closes_everything", "import os\nos.closerange(0, 4096)", fault=Fault.SUBMISSION, trusted=False),
    Hostile("hangs_at_exit", "import atexit\ndef hang():\n  while True: pass\natexit.register(hang)"),
    Hostile("hangs_when_deleted", "class Hang:\n  def __del__(self):\n    while True: pass\nkept = Hang()"),
)
