"""A small English text in the public domain, and its way into the competition's shard format."""

EMBEDDED = "english_sp"
"""Data sets whose name begins so are made from the text that comes with the package."""
