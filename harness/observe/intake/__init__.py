"""Intake: a folder or a git reference becomes a list of files whose bytes can be asked for. Nothing is checked out."""
