"""`python -m harness.cli`: the same as `run-eval`, for a tree that is not installed."""

import sys

from harness.cli import main

sys.exit(main())
