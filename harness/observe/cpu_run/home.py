"""Where things lie in the sandbox: the submission at its place in a copy of the competition's repository.

Scripts climb from their own file to the repository's root to find data and to leave results there. The place has the
same name for every submission, so that a run does not depend on what its folder is called.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

HOME = "/scratch"
REPOSITORY = "run"
"""The copy, below home. Nothing is in it but the submission and its inputs."""
SUBMISSION = f"{REPOSITORY}/records/track_10min_16mb/submission"
LIBRARY = "/opt/lib"
INPUTS = "/mnt/data"
VOLUMES = ("/workspace", "/root", "/data", "/content", "/kaggle", "/runpod-volume", "/vol")
"""Places where rented machines keep what is theirs, and where scripts therefore write."""
CLONE = "parameter-golf"
"""The name that a clone of the repository has; one seems to lie in every volume."""


def writable(path: str) -> bool:
    """Whether a run can write below an absolute path: a volume that holds the interpreter is there, but as it is."""
    python = {os.path.realpath(prefix) for prefix in (sys.prefix, sys.base_prefix)}
    places = [place for place in VOLUMES if not any(Path(prefix).is_relative_to(place) for prefix in python)]
    return any(Path(path).is_relative_to(place) for place in ("/tmp", "/dev", *places))  # noqa: S108  the run's own
