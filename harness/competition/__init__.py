"""Dated data of the competition: tracks, rulings, tolerances. Loaded by `harness.model.competition`."""
