"""`python -m harness.cli`: the same as `run-eval`, for a tree that is not installed."""

import sys

from harness.cli import main

if __name__ == "__main__":  # decode workers import this module again
    sys.exit(main())
