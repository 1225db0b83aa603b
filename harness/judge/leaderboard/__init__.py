"""Rows of the leaderboard from facts: what each scored, had to beat, and why a published row differs. Pure."""
