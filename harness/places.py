"""Where the harness keeps what can be made again: sample sets, unpacked archives, cached responses."""

from __future__ import annotations

import os
from pathlib import Path


def cache_home() -> Path:
    """$XDG_CACHE_HOME/run-eval, by default ~/.cache/run-eval. Not created here."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "run-eval"
