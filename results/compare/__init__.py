"""Two runs sample by sample: whether they may be compared, by how much they differ, and where."""
