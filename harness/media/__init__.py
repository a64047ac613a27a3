"""From media to pixels, without torch: decode workers import this package and start at once."""
