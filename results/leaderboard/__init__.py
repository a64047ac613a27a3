"""Leaderboards: cells from run folders, ranks among comparable ones, and one file a format."""
