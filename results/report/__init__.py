"""A folder that opens from disk: the leaderboard, plots, and every sample with what was asked, answered and why."""
