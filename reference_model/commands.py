"""What the three command lines share: their options, and errors that end in a sentence."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from reference_model.artifact.format import ArtifactError
from reference_model.rundir import RunError


def parser(module: str, about: str) -> argparse.ArgumentParser:
    """The parser of `python -m reference_model.<module>`, with the option that all have."""
    made = argparse.ArgumentParser(prog=f"python -m reference_model.{module}", description=about)
    made.add_argument("--run", type=Path, default=Path("runs/reference"), metavar="DIR", help="default: %(default)s")
    return made


def told(command: Callable[[Sequence[str] | None], None]) -> None:
    """Run a command; what a user can mend is a sentence, not a traceback."""
    try:
        command(None)
    except (RunError, ArtifactError, FileNotFoundError, KeyError, ValueError) as error:
        sys.exit(f"reference_model: {error.args[0] if error.args else error}")
    except KeyboardInterrupt:
        sys.exit("reference_model: stopped; the same command goes on from the last checkpoint")
