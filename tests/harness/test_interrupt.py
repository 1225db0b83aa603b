"""A run that is ended from outside leaves nothing behind and goes on later."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests_support.processes import command_line, descendants, left
from tests_support.repository import LOG, METADATA
from tests_support.sandbox import needs_sandbox

pytestmark = needs_sandbox

ENDLESS = """
import sys
print("it goes on", flush=True)
while True:
    pass
"""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_ended_while_running(tmp_path: Path, how: signal.Signals) -> None:
    """Ctrl-C (which a terminal sends to all processes of the group), a polite and a rude kill: no process of ours, no
    sandbox, no temporary file is left, and standard output holds nothing but the answer, which there is not.
    """
    folder = tmp_path / "2026-03-20_Mine"
    folder.mkdir()
    for name, text in {
        "README.md": "# Mine\n",
        "submission.json": METADATA,
        "train_gpt.py": ENDLESS,
        "a.log": LOG,
    }.items():
        (folder / name).write_text(text)
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    before = Path("/proc/mounts").read_text()
    process = subprocess.Popen(
        [sys.executable, "-m", "harness.cli", "check", str(folder), "--depth", "run", "--format", "json"],
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        env=os.environ | {"TMPDIR": str(temporary)},
    )
    assert process.stderr is not None
    said = ""
    while "running at size" not in said:
        said += process.stderr.readline()
        assert process.poll() is None, said
    time.sleep(1.0)
    started = descendants(process.pid)
    assert any("bwrap" in command_line(number) for number, _ in started)
    if how is signal.SIGINT:
        os.killpg(process.pid, how)
    else:
        os.kill(process.pid, how)
    out, err = process.communicate(timeout=60)
    assert not left(started)
    assert not list(temporary.iterdir())
    assert Path("/proc/mounts").read_text() == before
    assert out == ""
    if how is signal.SIGINT:
        assert process.returncode == 130
        assert "goes on from there" in err
        assert "Traceback" not in err
    assert list((tmp_path / "cache" / "runs").rglob("*.z")), "what was finished is kept"
