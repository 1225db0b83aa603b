"""Where things lie in the sandbox: the submission at its place in a copy of the competition's repository.

Scripts climb from their own file to the repository's root to find data and to leave results there. The place has the
same name for every submission, so that a run does not depend on what its folder is called.
"""

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
