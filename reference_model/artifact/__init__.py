"""The file that is scored: weights as bytes."""
