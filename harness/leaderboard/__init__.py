"""`golf leaderboard`: joins what main held on a date, stored facts and judgement, and publishes the result."""
