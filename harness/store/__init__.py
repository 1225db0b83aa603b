"""One content-addressed place for facts and reviews, shared by review, sweep, bot, leaderboard and rerun."""
