"""Scores of a model, and what it may learn from tokens that are scored already."""
