"""A small safe evaluator of Python: folds the part of a script that decides its configuration, and never runs it."""
