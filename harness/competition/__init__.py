"""Dated data of the competition: tracks and budgets, rulings, tolerances, policies. Loaded by `harness.model.competition`."""
