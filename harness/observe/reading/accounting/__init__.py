"""What a score divides by, and what calibrates the artifact, read from the launched script's tree."""

from harness.observe.reading.accounting.read import read_accounting

__all__ = ["read_accounting"]
