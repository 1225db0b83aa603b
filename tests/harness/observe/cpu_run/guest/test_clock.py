"""The virtual clock: deterministic, one for all, and real time stays real."""

from __future__ import annotations

import os
import subprocess
import sys

PROGRAM = """
import datetime, pickle, threading, time, timeit
before = datetime.datetime(2020, 1, 1)
from harness.observe.cpu_run.guest import clock
real = clock.real()
clock.install(); clock.install()
from time import perf_counter
a, b = perf_counter(), time.perf_counter()
assert abs(b - a - 0.001) < 1e-9
assert abs(time.monotonic() - b - 0.001) < 1e-9
first = time.time(); time.sleep(3600)
assert abs(time.time() - first - 3600.001) < 1e-6
assert clock.real() - real < 60
assert time.time_ns() // 10**9 == int(first) + 3600
now = datetime.datetime.now(datetime.timezone.utc)
assert now.year == 2026 and isinstance(now, datetime.datetime) and isinstance(before, datetime.datetime)
assert isinstance(now - before.replace(tzinfo=datetime.timezone.utc), datetime.timedelta)
assert pickle.loads(pickle.dumps(now)) == now
assert datetime.date.today().year == 2026 and isinstance(now, datetime.date)
assert time.strftime("%Y") == "2026" and time.localtime().tm_year == 2026 and "2026" in time.ctime()
assert time.strftime("%Y", time.gmtime(0)) == "1970"
assert time.clock_gettime(time.CLOCK_REALTIME) > 1.7e9 > time.clock_gettime(time.CLOCK_MONOTONIC)
assert timeit.default_timer() > a and time.process_time() > 0 and time.thread_time_ns() > 0
try: time.sleep(-1)
except ValueError: pass
else: raise AssertionError
done = threading.Event(); threading.Thread(target=done.set).start()
assert done.wait(10)
clock.restart()
print(time.time(), datetime.datetime.now())
"""


def test_one_deterministic_clock():
    """Every reading costs a millisecond, sleeping takes no real time, and two programs read the same times."""
    environment = {**os.environ, "TZ": "UTC"}
    said = {subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True).stdout for _ in range(2)}  # fmt: skip  # noqa: E501
    assert len(said) == 1
    assert said.pop().startswith("1767225600.001")
