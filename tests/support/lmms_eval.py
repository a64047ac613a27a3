"""The installed lmms-eval in a process of its own. Of what it imports, the project's environment lacks logging, time
zones and metrics that nothing here uses; small stand-ins take their place, or an environment of your own:
LMMS_EVAL_PYTHON."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

from tests.support.golden import PROJECT

ANYTHING = "import sys\nfrom unittest.mock import MagicMock\nsys.modules[__name__] = MagicMock()\n"
OLD_PYTZ = """
from datetime import timezone as zone

__version__ = "0"  # which pandas does without


def timezone(name):
    return zone.utc
"""
TENACITY = """
from unittest.mock import MagicMock

stop_after_attempt = stop_after_delay = wait_fixed = MagicMock()


def retry(**when):
    return lambda function: function
"""
STAND_INS = {
    **dict.fromkeys(("loguru", "sacrebleu", "evaluate", "aiohttp"), ANYTHING),
    "pytz": OLD_PYTZ,
    "tenacity": TENACITY,
}


def interpreter() -> str:
    return os.environ.get("LMMS_EVAL_PYTHON", sys.executable)


def environment(folder: Path) -> dict[str, str]:
    """Variables of a process that can import lmms-eval and finds this project's entry points as if installed anew."""
    if interpreter() == sys.executable:
        for name, source in STAND_INS.items():
            (folder / f"{name}.py").write_text(source)
    about = folder / "this_project-1.dist-info"
    about.mkdir(exist_ok=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: this-project\nVersion: 1\n")
    declared = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["entry-points"]["lmms_eval.models"]
    entries = "\n".join(f"{name} = {value}" for name, value in declared.items())
    (about / "entry_points.txt").write_text(f"[lmms_eval.models]\n{entries}\n")
    path = os.pathsep.join([str(folder), str(PROJECT)])
    return {**os.environ, "PYTHONPATH": path, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "HF_HOME": str(folder)}


def run(arguments: Sequence[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [interpreter(), *arguments],
        env=environment(folder),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
    )
