"""Where a checkpoint's files lie: a folder, or a snapshot of a hub repository. Nothing here imports torch."""

from __future__ import annotations

import json
from pathlib import Path

from harness.errors import CheckpointError, NotAvailable
from models.llava.config import LlavaConfig

_WORKS_NOW = "What works now: run-eval --model llava-mini-tiny --tasks gqa,mlvu --data sample"
_SMALL_FILES = ("*.json", "*.model", "*.jinja")
_FORMATS = ("model.safetensors", "pytorch_model.bin")
"""Preferred first. Files of the second kind are pickles, of which only tensors are read."""


def locate(weights: str) -> Path:
    """The folder of a checkpoint: a local folder as it is, else a snapshot of the hub id. Raises NotAvailable."""
    folder = Path(weights).expanduser()
    if folder.is_dir():
        return folder
    if folder.is_absolute() or weights.startswith("."):
        raise NotAvailable(f"there is no folder {weights}. Check --checkpoint.")
    return _snapshot(weights, f"put its files in a folder DIR, and pass --checkpoint DIR. {_WORKS_NOW}")


def locate_tower(config: LlavaConfig, folder: Path) -> Path:
    """`mm_vision_tower`: a path from the checkpoint's folder or its parent, an absolute path, or a hub id.

    Raises NotAvailable.
    """
    for base in (folder, folder.parent):
        if (base / config.vision_tower / "config.json").is_file():
            return base / config.vision_tower
    return _snapshot(config.vision_tower, f"put its files in {folder / config.vision_tower}. {_WORKS_NOW}")


def _snapshot(repository: str, remedy: str) -> Path:
    from huggingface_hub import snapshot_download

    try:
        folder = Path(snapshot_download(repository, allow_patterns=[*_SMALL_FILES, "*.safetensors"]))
        if not any(folder.glob("*.safetensors")):
            folder = Path(snapshot_download(repository, allow_patterns=[*_SMALL_FILES, "*.bin"]))
    except Exception as error:  # the hub client has a dozen kinds of failure, all with the same remedy
        raise NotAvailable(
            f"'{repository}' cannot be had from the hub ({type(error).__name__}). With a network: "
            f"hf download {repository} --local-dir DIR; then {remedy}"
        ) from error
    return folder


def weight_files(folder: Path) -> tuple[Path, ...]:
    """The weight files of a checkpoint or tower, by its index where it is sharded. Raises CheckpointError."""
    for single in _FORMATS:
        index = folder / f"{single}.index.json"
        if index.is_file():
            names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
        elif (folder / single).is_file():
            names = [single]
        else:
            continue
        if missing := [name for name in names if not (folder / name).is_file()]:
            raise CheckpointError(
                f"{folder}: {len(missing)} of {len(names)} weight files are missing: {', '.join(missing[:5])}. "
                "Download the checkpoint again."
            )
        return tuple(folder / name for name in names)
    raise CheckpointError(f"{folder}: holds no weights ({' or '.join(_FORMATS)}). Download the checkpoint again.")
