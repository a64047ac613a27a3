"""Published cases of judges that changed under fixed answers."""

from __future__ import annotations

import csv
from pathlib import Path


def published() -> list[dict[str, str]]:
    """Rows of `published.csv`: judge, benchmark, accuracy in percent, score 0 to 5 (may be empty), source, note."""
    with Path(__file__).with_name("published.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
