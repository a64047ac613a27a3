"""From finished runs to what people read: leaderboards, comparisons, reports."""
