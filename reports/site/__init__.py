"""The leaderboard for people: a static site, a feed, and the table of a README. Imports `harness.model` only."""
