"""Programs that scripts start and this machine lacks: they stand in a folder that is first on a run's PATH.

A program that is installed is left to do its own work; `nvidia-smi` alone is always ours, as `torch.cuda` is.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Any

from harness.observe.cpu_run.guest.cuda.runtime import nvidia_smi_program
from harness.observe.cpu_run.guest.fidelity import StandIn, stand_in, used

LRZIP = "lrzip"

stand_in(
    StandIn(LRZIP, exact=False, reason="xz packs in its place: what is unpacked is the same, the size of the file not")
)

_LRZIP_PROGRAM = """#!{python} -IS
import getopt, lzma, os, sys

SHORT = "bcCdDe:fghHiIkKlL:nN:o:O:p:PqQrS:tTUvVw:z123456789"
LONG = ("decompress delete force gzip bzip2 lzo no-compress zpaq level= outfile= outdir= suffix= threads= window= "
        "unlimited quiet very-quiet progress verbose nice-level= keep-broken threshold").split()
MAGIC = b"LRZI"


def failed(words):
    sys.exit(print(words, file=sys.stderr) or 1)


try:
    given, names = getopt.gnu_getopt(sys.argv[1:], SHORT, LONG)
except getopt.GetoptError as error:
    failed(f"lrzip: {{error}}")
options = dict(given)
unpack = "-d" in options or "--decompress" in options
suffix = options.get("-S") or options.get("--suffix") or ".lrz"
for name in names or ["-"]:
    try:
        data = sys.stdin.buffer.read() if name == "-" else open(name, "rb").read()
    except OSError as error:
        failed(f"Failed to open {{name}}: {{error.strerror}}")
    if unpack and not data.startswith(MAGIC):
        failed(f"Not an lrzip file: {{name}}")
    done = lzma.decompress(data[len(MAGIC):]) if unpack else MAGIC + lzma.compress(data)
    target = options.get("-o") or options.get("--outfile")
    if target is None and name != "-":
        target = name.removesuffix(suffix) if unpack else name + suffix
        folder = options.get("-O") or options.get("--outdir")
        target = os.path.join(folder, os.path.basename(target)) if folder else target
    if target in (None, "-"):
        sys.stdout.buffer.write(done)
        continue
    if os.path.exists(target) and not {{"-f", "--force"}} & set(options):
        failed(f"Failed to create {{target}}: File exists")
    with open(target, "wb") as stream:
        stream.write(done)
    if {{"-D", "--delete"}} & set(options) and name != "-":
        os.unlink(name)
"""


def provide_programs(folder: Path) -> None:
    """Write the programs into a folder, once, before any run is forked, and note which of them runs start."""
    folder.mkdir(exist_ok=True)
    programs = {"nvidia-smi": nvidia_smi_program()}
    if shutil.which(LRZIP) is None:
        programs[LRZIP] = _LRZIP_PROGRAM.format(python=sys.executable)
        sys.addaudithook(_noted)
    for name, text in programs.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)


def _noted(event: str, args: tuple[Any, ...]) -> None:
    """Audit hook: a run starts a stand-in, by itself or in a shell's words."""
    if event in {"subprocess.Popen", "os.system", "os.posix_spawn", "os.exec"}:
        words = args[1] if event == "subprocess.Popen" else args[0]
        first = words if isinstance(words, (str, bytes)) else next(iter(words), "")
        if LRZIP in os.fsdecode(first):
            used(LRZIP)
