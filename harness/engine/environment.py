"""What a number was made with: code, packages, machine, device. Never the environment's variables, which hold
secrets."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from harness.types import Json
from harness.version import version as harness_version

PACKAGES = ("torch", "transformers", "datasets", "numpy", "pillow", "av", "decord", "accelerate", "safetensors")


def environment(device: str | None) -> dict[str, Json]:
    """JSON values only."""
    return {
        "harness": harness_version(),
        "git": _git(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpus": _cpus(),
        "packages": {name: found for name in PACKAGES if (found := _version(name)) is not None},
        "device": _device(device),
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _cpus() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _git() -> dict[str, Json] | None:
    """Commit and whether files were changed, where the harness runs from a checkout."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None
    try:
        commit, changed = (
            subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=True, timeout=10).stdout
            for words in (["rev-parse", "HEAD"], ["status", "--porcelain", "--untracked-files=no"])
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return {"commit": commit.strip(), "changed": bool(changed.strip())}


def _device(name: str | None) -> dict[str, Json]:
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available() or name == "cpu":
        return {"name": "cpu", "model": platform.processor() or platform.machine()}
    index = int(name.partition(":")[2] or 0) if name else 0
    return {
        "name": f"cuda:{index}",
        "model": torch.cuda.get_device_name(index),
        "memory_bytes": torch.cuda.get_device_properties(index).total_memory,
        "cuda": torch.version.cuda,
        "driver": _driver(),
    }


def _driver() -> str | None:
    """The kernel driver's version line, where there is an NVIDIA one."""
    path = Path("/proc/driver/nvidia/version")
    return path.read_text(encoding="utf-8").splitlines()[0] if path.is_file() else None
