"""What the three command lines share: their options, and errors that end in a sentence."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path


def parser(module: str, about: str) -> argparse.ArgumentParser:
    """The parser of `python -m reference_model.<module>`, with the option that all have."""
    made = argparse.ArgumentParser(prog=f"python -m reference_model.{module}", description=about)
    made.add_argument("--run", type=Path, default=Path("runs/reference"), metavar="DIR", help="default: %(default)s")
    return made


def told(command: Callable[[Sequence[str] | None], None]) -> None:
    """Run a command; what a user can mend is one line and exit code 2, not a traceback."""
    try:
        command(None)
    except (ImportError, KeyError, OSError, ValueError) as error:
        reason = error.args[0] if isinstance(error, KeyError) else error  # the text of a KeyError is quoted
        sys.stderr.write(f"reference_model: {' '.join(str(reason).split())}\n")
        sys.exit(2)
    except KeyboardInterrupt:
        sys.stderr.write("reference_model: stopped; training goes on from its last checkpoint with the same command\n")
        sys.exit(130)
