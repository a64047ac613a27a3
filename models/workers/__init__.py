"""Models in interpreters of their own: the pipe's two ends, and bridges to what runs there."""
