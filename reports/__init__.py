"""Reviews made readable. Imports `harness.model` and nothing else of the harness."""
