"""The launch: which file is started, with which settings, and what they make of the code."""

from harness.observe.reading.launch.launch import LaunchReading, read_launch

__all__ = ["LaunchReading", "read_launch"]
