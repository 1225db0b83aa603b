"""Logs: `is_log` finds them, `read_log` reads one, `compare_embedded` compares the source code printed in it."""

from harness.observe.reading.logs.detect import is_log
from harness.observe.reading.logs.embedded import compare_embedded
from harness.observe.reading.logs.reader import LogReading, read_log

__all__ = ["LogReading", "compare_embedded", "is_log", "read_log"]
