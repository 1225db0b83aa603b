"""What the server tells of the files that a run left, in a real sandbox."""

from __future__ import annotations

from tests_support.sandbox import needs_sandbox

from harness.model.plan import RunLimits
from harness.observe.cpu_run.guest.server import MAX_LISTED
from harness.observe.cpu_run.session import Done, Session

pytestmark = needs_sandbox


def run(session: Session, script: str) -> Done:
    """A script."""
    session.put("main.py", script.encode())
    job = {"script": "main.py", "arguments": ["main.py"], "environment": {}}
    return session.run(job, RunLimits(cpu_seconds=60, wall_seconds=120))


def test_changed_files(session: Session) -> None:
    """What a run wrote is listed with its size and digest, what it left alone by its name."""
    done = run(session, "open('new', 'w').write('abc')\n")
    [(_, size, digest)] = [one for one in done.files if one[0].endswith("/new")]
    assert (size, digest) == (3, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    assert any(path.endswith("/main.py") for path in done.unchanged)
    assert done.whole


def test_more_files_than_are_told_of(session: Session) -> None:
    """A list that is cut off does not pass for a whole one."""
    done = run(session, f"for number in range({MAX_LISTED + 1}): open(f'{{number}}', 'w').close()\n")
    assert done.status == "exit 0"
    assert len(done.files) == MAX_LISTED
    assert not done.whole


def test_another_submission(session: Session) -> None:
    """What was put and linked for one is gone once that is cleared."""
    session.put("table.bin", b"1")
    session.link("data.bin", "/dev/null")
    listing = "import os\nprint(sorted(os.listdir('.')))\n"
    assert run(session, listing).ranks[0].printed == b"['data.bin', 'main.py', 'table.bin']\n"
    session.clear()
    assert run(session, listing).ranks[0].printed == b"['main.py']\n"
