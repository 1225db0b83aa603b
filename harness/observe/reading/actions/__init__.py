"""What scripts do to the outside: network, processes, compilers, other programs' names, files."""

from harness.observe.reading.actions.live import actions_of

__all__ = ["actions_of"]
